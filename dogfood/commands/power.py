"""`dogfood power`: the number of subjects that an experiment needs. Imports the statistics only when it runs."""

import click
import orjson

from common.bounded_numbers import Count, Number
from dogfood.commands.options import AS_JSON, RenamedOption

_OPEN_SHARE = Number(0, 1, min_open=True, max_open=True)


@click.command(epilog="Example: dogfood power --share 0.51 --loss 0.02 --difference 0.003 --sample-rate 0.1")
@click.option("--subjects", type=Count(2, 10**12), metavar="NUMBER", show_default="compute how many are needed",
              help="Show what this number of subjects can detect.")  # fmt: skip
@click.option("--groups", type=Count(2, 100), metavar="NUMBER", default=2, show_default=True,
              help="Groups of equal share.")  # fmt: skip
@click.option("--sample-rate", cls=RenamedOption, old="--rate", type=Number(0, 1, min_open=True), metavar="SHARE",
              default=1.0, show_default=True, help="Share of users that is enrolled.")  # fmt: skip
@click.option("--share", type=_OPEN_SHARE, metavar="SHARE", multiple=True,
              help="Share of one group to detect as a sample ratio mismatch. Repeatable.")  # fmt: skip
@click.option("--loss", type=_OPEN_SHARE, metavar="SHARE", multiple=True,
              help="Share of one group's subjects whose loss to detect. Repeatable.")  # fmt: skip
@click.option("--difference", type=_OPEN_SHARE, metavar="DIFFERENCE", multiple=True,
              help="Difference of click-through rates to detect. Repeatable.")  # fmt: skip
@click.option("--ctr", type=_OPEN_SHARE, metavar="RATE", default=0.03, show_default=True,
              help="Click-through rate: clicks per impression.")  # fmt: skip
@click.option("--spread", type=Number(0, 0.5), metavar="RATE", default=0.03, show_default=True,
              help="Standard deviation of the click-through rate between subjects.")  # fmt: skip
@click.option("--impressions", type=Number(1, 1_000_000), metavar="NUMBER", default=3.0, show_default=True,
              help="Mean impressions per subject.")  # fmt: skip
@click.option("--alpha", type=Number(0, 0.5, min_open=True), metavar="LEVEL", default=0.001, show_default=True,
              help="Level of the sample ratio test; click-through rates are compared at 0.05.")  # fmt: skip
@click.option("--power", type=Number(0.5, 0.9999), metavar="CHANCE", default=0.8, show_default=True,
              help="Power: chance to detect the difference.")  # fmt: skip
@AS_JSON
def power(
    subjects: int | None,
    sample_rate: float,
    share: tuple[float, ...],
    loss: tuple[float, ...],
    difference: tuple[float, ...],
    as_json: bool,
    **setting: float,
) -> None:
    """Compute how many subjects an experiment needs, or what a number of subjects can detect."""
    # Imported here: scipy would take most of the time of `power --help`.
    from analysis.power import PowerQuery, can_show, needs

    query = PowerQuery(**setting)  # type: ignore[arg-type]
    if subjects is not None:
        answers = can_show(query, subjects)
    else:
        nothing = not (share or loss or difference)
        shares, losses, differences = ((0.51, 0.52, 0.55), (0.02,), (0.003,)) if nothing else (share, loss, difference)
        answers = needs(query, shares, losses, differences, sample_rate)
    if as_json:
        click.echo(orjson.dumps([answer._asdict() for answer in answers], option=orjson.OPT_INDENT_2))
        return
    for answer in answers:
        click.echo(answer.sentence)
