"""`dogfood power`: how many subjects a question needs. Imports the statistics only when they are asked for."""

import click
import orjson

from common.bounded_numbers import Count, Number
from dogfood.commands.options import AS_JSON


@click.command(epilog="Example: dogfood power --share 0.51 --loss 0.02 --difference 0.003 --rate 0.1")
@click.option(
    "--subjects", type=Count(2, 10**12), help="Tell what so many subjects show; default: how many are needed."
)
@click.option("--groups", type=Count(2, 100), default=2, show_default=True, help="Groups of equal share.")
@click.option("--rate", type=Number(0, 1, min_open=True), default=1.0, show_default=True,
              help="Sample rate, to tell how many have to come.")  # fmt: skip
@click.option("--share", type=Number(0, 1, min_open=True, max_open=True), multiple=True,
              help="Share of one group that should be called. Repeatable.")  # fmt: skip
@click.option("--loss", type=Number(0, 1, min_open=True, max_open=True), multiple=True,
              help="Share of one group's subjects whose loss should be called. Repeatable.")  # fmt: skip
@click.option("--difference", type=Number(0, 1, min_open=True, max_open=True), multiple=True,
              help="Difference of click-through rates that should be seen. Repeatable.")  # fmt: skip
@click.option("--ctr", type=Number(0, 1, min_open=True, max_open=True), default=0.03, show_default=True,
              help="Clicks per impression.")  # fmt: skip
@click.option("--spread", type=Number(0, 0.5), default=0.03, show_default=True,
              help="Standard deviation between subjects of how readily they click.")  # fmt: skip
@click.option("--impressions", type=Number(1, 1_000_000), default=3.0, show_default=True, help="Mean per subject.")
@click.option("--alpha", type=Number(0, 0.5, min_open=True), default=0.001, show_default=True,
              help="Level of the sample-ratio test; click-through rates are compared at 0.05.")  # fmt: skip
@click.option("--power", type=Number(0.5, 0.9999), default=0.8, show_default=True, help="Chance to see it.")
@AS_JSON
def power(
    subjects: int | None,
    rate: float,
    share: tuple[float, ...],
    loss: tuple[float, ...],
    difference: tuple[float, ...],
    as_json: bool,
    **setting: float,
) -> None:
    """Tell how many subjects a question needs, or what a number of subjects can show."""
    # Most of the time of `power --help` would be scipy's.
    from analysis.power import PowerQuery, can_show, needs

    question = PowerQuery(**setting)  # type: ignore[arg-type]
    if subjects is not None:
        answers = can_show(question, subjects)
    else:
        nothing = not (share or loss or difference)
        shares, losses, differences = ((0.51, 0.52, 0.55), (0.02,), (0.003,)) if nothing else (share, loss, difference)
        answers = needs(question, shares, losses, differences, rate)
    if as_json:
        click.echo(orjson.dumps([answer._asdict() for answer in answers], option=orjson.OPT_INDENT_2))
        return
    for answer in answers:
        click.echo(answer.sentence)
