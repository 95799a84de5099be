"""Watching one run: its events among others in the stream, counted until it ends."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import click
import orjson
from rich.live import Live
from rich.table import Table
from rich.text import Text

from analysis.live_monitor import LiveMonitor, MonitorReading
from analysis.run_model.own_events import OwnEvents
from dogfood.console import new_console, reader_left
from dogfood.watch.event_filter import EventFilter, matching
from dogfood.watch.event_source import Event, EventSource
from dogfood.watch.stream_tail import StopCondition
from run_record.manifest import Manifest

#: Maximum number of events kept that no ledger names yet.
_MAX_UNKNOWN = 50_000

#: Seconds after a run's traffic in which its events may still arrive.
_SETTLE_S = 3.0


class RunEvents:
    """Reads the run's own events from a stream that others may share.

    Args:
        source: source of events.
        own: the run's events, by its ledger.
        since: time from which events may belong to the run, as in `meta.dt`.
        filters: all of them have to match.
    """

    def __init__(self, source: EventSource, own: OwnEvents, since: str, filters: tuple[EventFilter, ...]) -> None:
        self._source = source
        self._own = own
        self._since = since
        self._filters = filters
        # Ledgers of workers on other machines arrive a moment after their events.
        self._unknown: list[Event] = []

    def new_events(self) -> Iterator[Event]:
        """Yield the run's events that arrived since the last call."""
        fresh = [event for event in self._source.new_events() if self._may_be_own(event)]
        # The ledger is written before the event is sent: a ledger read after the stream names all of its events.
        self._own.refresh()
        waiting, self._unknown = [*self._unknown, *fresh][-_MAX_UNKNOWN:], []
        for event in waiting:
            if event in self._own:
                yield event
            else:
                self._unknown.append(event)

    def _may_be_own(self, event: Event) -> bool:
        meta = event.get("meta")
        received = str(meta.get("dt", "")) if isinstance(meta, Mapping) else ""
        return received >= self._since and matching(self._filters, event)


def first_event_time(manifest: Manifest) -> str:
    """Return the time from which events may belong to the run, as in `meta.dt`."""
    return datetime.fromisoformat(manifest.created).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def monitor_run(
    run: Path, monitor: LiveMonitor, events: RunEvents, stop: StopCondition, every_s: float, alpha: float | None,
    *, as_json: bool,
) -> MonitorReading:  # fmt: skip
    """Show readings of *monitor* until the run ends, *stop* holds or the user presses Ctrl-C; return the last one.

    Args:
        run: the run's folder.
        monitor: counts the events.
        events: source of the run's events.
        stop: when to end.
        every_s: seconds between readings.
        alpha: level of the sample ratio test; None without the test.
        as_json: print one JSON object per reading.
    """
    readings = _readings(monitor, events.new_events, every_s, _end_check(run, monitor, stop))
    try:
        return _show_lines(readings, alpha) if as_json else _show_live(readings, alpha)
    except KeyboardInterrupt:
        return monitor.look()


def _end_check(run: Path, monitor: LiveMonitor, stop: StopCondition) -> Callable[[], bool]:
    """Return a function that tells whether to end: the run is over, or *stop* holds."""
    deadline = math.inf if stop.seconds is None else time.monotonic() + stop.seconds
    max_events = math.inf if stop.events is None else stop.events

    def is_over() -> bool:
        finished = Manifest.read(run).finished_ms
        settled = finished is not None and time.time() * 1000 > finished + _SETTLE_S * 1000
        return stop.once or settled or time.monotonic() >= deadline or monitor.look().events >= max_events

    return is_over


def _readings(
    monitor: LiveMonitor, new_events: Callable[[], Iterator[Event]], every_s: float, is_over: Callable[[], bool]
) -> Iterator[MonitorReading]:
    """Yield readings; the last one begins after the end."""
    while True:
        over = is_over() or reader_left()
        for event in new_events():
            monitor.add(event)
        yield monitor.look()
        if over:
            return
        time.sleep(every_s)


def _show_lines(readings: Iterator[MonitorReading], alpha: float | None) -> MonitorReading:
    for reading in readings:
        row = {"events": reading.events, "subjects": reading.subjects} if alpha is None else reading._asdict()
        click.echo(orjson.dumps(row))
    return reading


def _show_live(readings: Iterator[MonitorReading], alpha: float | None) -> MonitorReading:
    with Live(console=new_console(), auto_refresh=False) as live:
        for reading in readings:
            live.update(_table(reading, alpha), refresh=True)
    return reading


def _table(reading: MonitorReading, alpha: float | None) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_row("events", f"{reading.events:,} ({reading.impressions:,} impressions, {reading.clicks:,} clicks)")
    total = sum(reading.subjects.values())
    for group, count in reading.subjects.items():
        table.add_row(f"subjects in {group}", f"{count:,} ({count / total:.2%})" if total else "0")
    if alpha is not None:
        mismatch = reading.p_value <= alpha
        word = Text.assemble(("called", "red"), f" at {alpha:g}") if mismatch else Text("as expected", "green")
        table.add_row("sample ratio", word.append(f" (p = {reading.p_value:.3g}, e-value {reading.e_value:.3g})", ""))
    return table
