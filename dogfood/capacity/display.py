"""A capacity check in the terminal: progress, steps and result."""

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from analysis.capacity.conclusion import CapacityReport, Result
from analysis.capacity.steps import Judged, StepOutcome
from dogfood.capacity.measurement import Progress

_STEPS = {StepOutcome.HELD: "green", StepOutcome.BROKEN: "red", StepOutcome.INVALID: "magenta"}
_RESULTS = {Result.PASS: "green", Result.FAIL: "red", Result.INCONCLUSIVE: "yellow", Result.INVALID: "magenta"}


class Display:
    """Live display of finished steps and of the progress of the current one.

    Without a terminal, each finished step is one line.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Bar(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f} s")
        )
        self._task = self._bar.add_task("starting", total=1)
        self._steps: Sequence[Judged] = ()
        self._live = Live(self._picture(), console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def progress(self, now: Progress) -> None:
        """Show the progress of the current step."""
        description = f"step {now.number}: {now.step.purpose} at {now.step.rate:,g} events/s"
        self._bar.update(self._task, description=description, completed=now.passed_s, total=now.whole_s)
        self._refresh()

    def step(self, steps: Sequence[Judged]) -> None:
        """Show the finished steps."""
        self._steps = tuple(steps)
        if not self._console.is_terminal:
            self._console.print(_line(steps[-1]), soft_wrap=True)
        self._refresh()

    def _refresh(self) -> None:
        if self._console.is_terminal:
            self._live.update(self._picture(), refresh=True)

    def _picture(self) -> RenderableType:
        return Group(steps_table(self._steps[-12:]), self._bar) if self._steps else self._bar


def show(console: Console, report: CapacityReport) -> None:
    """Print the steps, the side that failed first, and the result."""
    console.print(steps_table(report.steps))
    console.print(Text(f"failed first: {report.side}" + (f" – {report.evidence}" if report.evidence else "")))
    if report.headroom is not None:
        console.print(f"headroom over what is required: {report.headroom:+.1%}")
    if report.lost is not None:
        console.print(f"lost at the confirmed rate: {report.lost:,}")
    if report.scalability is not None and report.scalability.peak_rate is not None:
        peak = report.scalability.peak_rate
        mark = " (extrapolated, not measured)" if report.scalability.extrapolated else ""
        console.print(f"scalability law: peak {peak.value:,.0f} events/s ({peak.low:,.0f}–{peak.high:,.0f}){mark}")
    show_verdict(console, report.result, report.sentence)


def show_verdict(console: Console, result: Result, sentence: str) -> None:
    """Print the result in a box."""
    colour = _RESULTS[result]
    console.print(Panel(Text.assemble((result, f"bold {colour}"), "\n", sentence), border_style=colour))


def steps_table(steps: Iterable[Judged]) -> Table:
    """Return the steps as a table."""
    table = Table(box=None, padding=(0, 1, 0, 0))
    for name in ("step", "outcome"):
        table.add_column(name)
    for name in (
        "asked/s",
        "answered/s",
        "p50 ms",
        "p99 ms",
        "max ms",
        "failed",
        "lost",
        "lag ms",
        "CPU gen",
        "server",
    ):
        table.add_column(name, justify="right")
    for item in steps:
        step = item.step
        table.add_row(
            step.purpose, Text(item.outcome, style=_STEPS[item.outcome]), f"{step.rate:,g}",
            f"{step.achieved_rate:,.1f}", f"{step.latency_ms.p50:,.1f}", f"{step.latency_ms.p99:,.1f}",
            f"{step.latency_ms.max:,.0f}", f"{step.failed + step.dropped:,}",
            "–" if step.lost is None else f"{step.lost:,}", f"{step.lag_ms:,.1f}", _share(step.generator_cpu),
            _share(step.server_cpu),
        )  # fmt: skip
    return table


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _line(item: Judged) -> str:
    step = item.step
    why = "; ".join([*(breach.sentence for breach in item.breaches), *step.faults])
    return (
        f"{step.purpose} {step.rate:,g} events/s: {item.outcome}, answered {step.achieved_rate:,.1f}/s, "
        f"p99 {step.latency_ms.p99:,.1f} ms{f' ({why})' if why else ''}"
    )
