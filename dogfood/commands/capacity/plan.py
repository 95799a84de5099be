"""`dogfood capacity plan`: what a launch will need."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from analysis.capacity.forecast import STREAM_LIMIT, Traffic, forecast
from analysis.capacity.forecast_report import render, to_json
from analysis.capacity.sizes import measured_sizes
from common.atomic_write import atomic_write
from common.bounded_numbers import MOST_RATE, Count, Number
from contracts.assignment import Generation
from dogfood.capacity.forecast_display import show
from dogfood.commands.options import AS_JSON
from dogfood.console import new_console
from personas.example_experiment import STREAM
from personas.plan.plan import Plan
from run_record.target import Target
from traffic.locust_run.options import TrafficOptions, new_settings

#: So many subjects are rendered to measure events' sizes.
_MEASURED_VISITORS = 5_000

_SHARE = Number(0, 1)
_EVENTS_PER_VIEW = Number(0, 1000)


def _by_stream(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> Mapping[str, float]:
    """Return events per view by stream; a number alone is for the instrument's own stream."""
    found: dict[str, float] = {}
    for value in values:
        name, _sign, number = value.rpartition("=")
        try:
            found[name or STREAM] = _EVENTS_PER_VIEW.convert(number, None, None)
        except click.BadParameter as error:
            raise click.BadParameter(f"{value!r} is neither a number nor STREAM=NUMBER: {error.message}") from None
    return found


@click.command(epilog="Exit codes: 0 the sample rate fits the stream limit, 1 it does not, 2 wrong use.")
@click.option("--pageviews", type=Number(0, 100 * MOST_RATE), required=True,
              help="Page views a second, on average, of all wikis the experiment is on.")  # fmt: skip
@click.option("--logged-in", type=_SHARE, default=1.0, show_default=True, help="Share by readers who can be enrolled.")
@click.option("--views-with-element", type=_SHARE, default=1.0, show_default=True,
              help="Share of those that show the instrumented element.")  # fmt: skip
@click.option("--ctr", type=Number(0, 1000), default=0.0, show_default=True, help="Clicks per view with it.")
@click.option("--events-per-view", multiple=True, default=("1",), show_default=True, callback=_by_stream,
              help="Other events per view with it: NUMBER, or STREAM=NUMBER. Repeatable.")  # fmt: skip
@click.option("--sample-rate", type=_SHARE, default=1.0, show_default=True, help="Share of readers that are enrolled.")
@click.option("--peak", type=Number(1, 1000), default=1.0, show_default=True, help="Busiest time over average.")
@click.option("--stream-limit", type=Number(0, 100 * MOST_RATE, min_open=True), default=STREAM_LIMIT, show_default=True,
              help="Events a second that one stream may carry.")  # fmt: skip
@click.option("--background", type=Number(0, 100 * MOST_RATE), default=0.0, show_default=True,
              help="Events a second at the peak that others send into the stream.")  # fmt: skip
@click.option("--first-rate", type=Number(0, 1, min_open=True), default=0.001, show_default=True,
              help="Sample rate of the first step of the ramp-up.")  # fmt: skip
@click.option("--every", "every_days", type=Count(1, 365), default=2, show_default=True,
              help="Days between steps.")  # fmt: skip
@click.option("--start", type=click.DateTime(["%Y-%m-%d"]), help="Day of the first step; default: the next 14:30 UTC.")
@click.option("--generation", type=click.Choice([str(item) for item in Generation]), default=str(Generation.ALPHA),
              help="Whose events are measured.")  # fmt: skip
@click.option("--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with pictures.")
@AS_JSON
def plan(
    first_rate: float,
    every_days: int,
    start: datetime | None,
    generation: str,
    page: Path | None,
    as_json: bool,
    **traffic: object,
) -> None:
    """Tell what an experiment will send, the largest safe sample rate, and a ramp-up to it."""
    asked = Traffic(**traffic)  # type: ignore[arg-type]
    options = TrafficOptions(generation=Generation(generation), visitors=_MEASURED_VISITORS)
    sizes = measured_sizes(Plan(new_settings(options, Target.read("local"))))
    now = start.replace(tzinfo=UTC) if start else datetime.now(UTC)
    found = forecast(asked, sizes, now=now, first_rate=first_rate, every_days=every_days)
    if page is not None:
        atomic_write(page, render(found).encode())
    if as_json:
        click.echo(to_json(found), nl=False)
    else:
        show(new_console(), found)
    sys.exit(0 if found.fits else 1)
