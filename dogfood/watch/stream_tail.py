"""Tail of a stream: each event on one line, and their count."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import click
import orjson
from rich.live import Live
from rich.text import Text

from dogfood.console import new_console, outside, reader_left, say, visible
from dogfood.watch.event_filter import EventFilter, matching
from dogfood.watch.event_source import Event, EventSource

#: Maximum lines per refresh; further events are only counted.
_LINES = 20


class StopCondition(NamedTuple):
    """When watching ends.

    Attributes:
        seconds: duration; None for no limit.
        events: number of events; None for no limit.
        once: end after reading the existing events.
    """

    seconds: float | None = None
    events: int | None = None
    once: bool = False


class EventCount:
    """Number of events so far, by action."""

    def __init__(self) -> None:
        self.actions: Counter[str] = Counter()
        self.others = 0
        self._began = time.monotonic()

    def __str__(self) -> str:
        seconds = max(time.monotonic() - self._began, 1e-9)
        total = self.actions.total()
        kinds = ", ".join(f"{count:,} {action}" for action, count in self.actions.most_common(5))
        others = f" · {self.others:,} others" if self.others else ""
        return f"{total:,} events in {seconds:,.0f} s{f' ({kinds})' if kinds else ''}{others}"


def tail_stream(
    source: EventSource, filters: Sequence[EventFilter], stop: StopCondition, every_s: float, *, as_json: bool
) -> None:
    """Show the events of *source* that match, until *stop* holds or the user presses Ctrl-C.

    Args:
        source: source of events.
        filters: all of them have to match.
        stop: when to end.
        every_s: seconds between refreshes.
        as_json: print events as NDJSON, and their count at the end on standard error.
    """
    count = EventCount()
    batches = _batches(source, filters, stop, every_s, count)
    with suppress(KeyboardInterrupt):
        if as_json:
            for events in batches:
                for event in events:
                    click.echo(orjson.dumps(event))
        else:
            _show(batches, source, count)
    if as_json:
        say(_summary(count, source), err=True)


def _batches(
    source: EventSource, filters: Sequence[EventFilter], stop: StopCondition, every_s: float, count: EventCount
) -> Iterator[list[Event]]:
    """Yield the matching events of each refresh."""
    deadline = None if stop.seconds is None else time.monotonic() + stop.seconds
    while True:
        over = stop.once or (deadline is not None and time.monotonic() >= deadline)
        remaining = None if stop.events is None else stop.events - count.actions.total()
        yield _choose(source.new_events(), filters, count, remaining)
        if over or reader_left() or (stop.events is not None and count.actions.total() >= stop.events):
            return
        pause = every_s if deadline is None else min(every_s, deadline - time.monotonic())
        time.sleep(max(pause, 0.0))


def _choose(
    events: Iterator[Event], filters: Sequence[EventFilter], count: EventCount, max_events: int | None
) -> list[Event]:
    chosen: list[Event] = []
    for event in events:
        if not matching(filters, event):
            count.others += 1
            continue
        chosen.append(event)
        count.actions[str(event.get("action", "without action"))] += 1
        if max_events is not None and len(chosen) >= max_events:
            break
    return chosen


def _show(batches: Iterator[list[Event]], source: EventSource, count: EventCount) -> None:
    console = new_console()
    with Live(Text("waiting for events"), console=console, auto_refresh=False) as live:
        for events in batches:
            # Partitions are read one after the other; events of one refresh are shown by time.
            for event in sorted(events, key=_received)[:_LINES]:
                console.print(outside(line_of(event)), soft_wrap=True)
            if len(events) > _LINES:
                console.print(f"… and {len(events) - _LINES:,} more", style="dim")
            live.update(Text(_summary(count, source), style="bold"), refresh=True)


def _received(event: Event) -> str:
    return str(_get(event, "meta", "dt"))


def _summary(count: EventCount, source: EventSource) -> str:
    return f"{count}{f' · {source.broken:,} lines that are not events' if source.broken else ''}"


def line_of(event: Event) -> str:
    """Return an event in one line: time, action, group, subject, page; of a validation error, its message."""
    dt = str(_get(event, "meta", "dt") or "")
    words: tuple[str, ...]
    if "raw_event" in event:
        words = (dt[11:23], str(event.get("errored_stream_name")), str(event.get("message")))
    else:
        words = (
            dt[11:23],
            f"{event.get('action', '')!s:<12}",
            f"{_group(event):<12}",
            f"{_get(event, 'experiment', 'subject_id') or _get(event, 'performer', 'id') or '–'!s:<12}"[:20],
            str(_get(event, "page", "title") or _get(event, "meta", "domain") or ""),
        )
    return visible("  ".join(words))


def _group(event: Event) -> str:
    assigned = _get(event, "experiments", "assigned")
    if isinstance(assigned, Mapping):
        return ", ".join(str(value) for value in assigned.values())
    return str(_get(event, "experiment", "assigned") or "–")


def _get(value: object, *path: str) -> object:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
