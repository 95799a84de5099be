"""`dogfood capacity plan`: a forecast of an experiment's traffic, and a safe sample rate."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from analysis.capacity.event_sizes import EVENT_SIZES
from analysis.capacity.forecast import STREAM_LIMIT, Traffic, forecast
from analysis.capacity.forecast_report import to_json
from common.atomic_write import atomic_write
from common.bounded_numbers import MOST_RATE, Count, Number
from contracts.generation import Generation
from dogfood.capacity.forecast_display import show
from dogfood.commands.options import AS_JSON
from dogfood.console import new_console
from personas.example_experiment import STREAM

_SHARE = Number(0, 1)
_EVENTS_PER_VIEW = Number(0, 1000)


def _by_stream(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> Mapping[str, float]:
    """Return events per view by stream; a number without a name is for the instrument's stream."""
    rates: dict[str, float] = {}
    for value in values:
        name, _sign, number = value.rpartition("=")
        try:
            rates[name or STREAM] = _EVENTS_PER_VIEW.convert(number, None, None)
        except click.BadParameter as error:
            raise click.BadParameter(f"{value!r} is neither a number nor STREAM=NUMBER: {error.message}") from None
    return rates


@click.command(epilog="Exit codes: 0 the sample rate fits the stream limit, 1 it does not, 2 wrong use.")
@click.option("--pageviews", type=Number(0, 100 * MOST_RATE), metavar="PER_SECOND", required=True,
              help="Mean page views per second on all wikis of the experiment.")  # fmt: skip
@click.option("--logged-in", type=_SHARE, metavar="SHARE", default=1.0, show_default=True,
              help="Share of page views by users who can be enrolled.")  # fmt: skip
@click.option("--views-with-element", type=_SHARE, metavar="SHARE", default=1.0, show_default=True,
              help="Share of those that show the instrumented element.")  # fmt: skip
@click.option("--ctr", type=Number(0, 1000), metavar="RATE", default=0.0, show_default=True,
              help="Clicks per view with the element.")  # fmt: skip
@click.option("--events-per-view", metavar="[STREAM=]NUMBER", multiple=True, default=("1",), show_default=True,
              callback=_by_stream, help="Other events per view with the element. Repeatable.")  # fmt: skip
@click.option("--sample-rate", type=_SHARE, metavar="SHARE", default=1.0, show_default=True,
              help="Share of users that is enrolled.")  # fmt: skip
@click.option("--peak", type=Number(1, 1000), metavar="FACTOR", default=1.0, show_default=True,
              help="Peak traffic divided by mean traffic.")  # fmt: skip
@click.option("--stream-limit", type=Number(0, 100 * MOST_RATE, min_open=True), metavar="PER_SECOND",
              default=STREAM_LIMIT, show_default=True, help="Events per second that one stream may carry.",
              )  # fmt: skip
@click.option("--background", type=Number(0, 100 * MOST_RATE), metavar="PER_SECOND", default=0.0, show_default=True,
              help="Events per second of other producers in the stream, at the peak.")  # fmt: skip
@click.option("--first-rate", type=Number(0, 1, min_open=True), metavar="SHARE", default=0.001, show_default=True,
              help="Sample rate of the first step of the ramp-up.")  # fmt: skip
@click.option("--every", "every_days", type=Count(1, 365), metavar="DAYS", default=2, show_default=True,
              help="Time between steps of the ramp-up.")  # fmt: skip
@click.option("--start", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", show_default="the next 14:30 UTC",
              help="Day of the first step.")  # fmt: skip
@click.option("--generation", type=click.Choice([str(item) for item in Generation]), default=str(Generation.ALPHA),
              show_default=True, help="Release of the platform whose events are measured.")  # fmt: skip
@click.option("--html", "page", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write a page with charts.")  # fmt: skip
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
    """Forecast the traffic of an experiment, the largest safe sample rate, and a ramp-up to it."""
    expected = Traffic(**traffic)  # type: ignore[arg-type]
    now = start.replace(tzinfo=UTC) if start else datetime.now(UTC)
    result = forecast(
        expected, EVENT_SIZES[Generation(generation)], now=now, first_rate=first_rate, every_days=every_days
    )
    if page is not None:
        # With its charts it takes a while to import.
        from analysis.capacity.forecast_page import render

        atomic_write(page, render(result).encode())
    if as_json:
        click.echo(to_json(result), nl=False)
    else:
        show(new_console(), result)
    sys.exit(0 if result.fits else 1)
