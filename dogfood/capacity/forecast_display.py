"""A forecast in the terminal, with the same figures as its HTML."""

from collections.abc import Sequence

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from analysis.capacity.forecast import Forecast
from analysis.capacity.forecast_report import ForecastFigure, assumptions, needs, sentence

_BAR = 40


def show(console: Console, forecast: Forecast) -> None:
    """Print assumptions, needs, each stream against its limit, the ramp-up and the answer."""
    console.print(_figures("Assumptions", assumptions(forecast)))
    for need in forecast.streams:
        console.print(_figures(f"Needs of {need.stream}", needs(need)))
    console.print(_bars(forecast))
    if forecast.ramp:
        console.print(_ramp(forecast))
    colour = "green" if forecast.fits else "red"
    head = Text("FITS" if forecast.fits else "DOES NOT FIT", style=f"bold {colour}")
    console.print(Panel(Text.assemble(head, "\n", sentence(forecast)), border_style=colour))


def _figures(title: str, rows: Sequence[ForecastFigure]) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("figure", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    table.add_column("source", style="dim")
    for row in rows:
        table.add_row(*row)
    return table


def _bars(forecast: Forecast) -> Table:
    """Return a bar of each stream's peak, with the limit as a vertical line."""
    traffic = forecast.traffic
    totals = [need.peak + traffic.background for need in forecast.streams]
    widest = max([*totals, traffic.stream_limit]) or 1.0
    table = Table(title="Peak and limit", title_justify="left", box=None, padding=(0, 2, 0, 0), show_header=False)
    for need, total in zip(forecast.streams, totals, strict=True):
        table.add_row(
            need.stream, _bar(traffic.background, need.peak, traffic.stream_limit, widest), f"{total:,.1f} events/s"
        )
    table.add_row("", Text("░ others  █ this experiment  ┃ limit", style="dim"), "")
    return table


def _bar(others: float, own: float, limit: float, widest: float) -> Text:
    def cells(value: float) -> int:
        return round(value / widest * _BAR)

    filled = cells(others + own)
    line = "░" * cells(others) + "█" * (filled - cells(others)) + " " * (_BAR + 1 - filled)
    limit_cell = min(cells(limit), _BAR)
    over = others + own > limit
    text = Text(line[:limit_cell], style="red" if over else "green")
    return text.append("┃", style="bold").append(line[limit_cell + 1 :], style="red")


def _ramp(forecast: Forecast) -> Table:
    table = Table(title="Ramp-up", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("from (UTC)", no_wrap=True)
    for name in ("sample rate", "events/s", "at the peak", "rows/day", "of the limit"):
        table.add_column(name, justify="right")
    for step in forecast.ramp:
        table.add_row(
            f"{step.at:%a %Y-%m-%d %H:%M}", f"{step.rate:.4g}", f"{step.average:,.1f}", f"{step.peak:,.1f}",
            f"{step.rows_a_day:,.0f}", f"{step.used:.1%}",
        )  # fmt: skip
    return table
