"""Tailing a stream: events as they come, and how many."""

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
from dogfood.event_filter import EventFilter, matching
from dogfood.event_tail import Event, Source

#: Lines shown of one look; of more events there is a count.
_LINES = 20


class Until(NamedTuple):
    """When tailing ends.

    Attributes:
        seconds: after so many; never when None.
        events: after so many; never when None.
        once: after one look at what is there.
    """

    seconds: float | None = None
    events: int | None = None
    once: bool = False


class Tally:
    """What was seen so far."""

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


def tail_stream(source: Source, filters: Sequence[EventFilter], until: Until, every: float, *, as_json: bool) -> None:
    """Show the events of *source* that *filters* choose, until it is over or somebody presses Ctrl-C.

    Args:
        source: where events come from.
        filters: all have to match.
        until: when to end.
        every: seconds between looks.
        as_json: print events as NDJSON, and the count at the end on standard error.
    """
    tally = Tally()
    looks = _looks(source, filters, until, every, tally)
    with suppress(KeyboardInterrupt):
        if as_json:
            for events in looks:
                for event in events:
                    click.echo(orjson.dumps(event))
        else:
            _show(looks, source, tally)
    if as_json:
        say(_told(tally, source), err=True)


def _looks(
    source: Source, filters: Sequence[EventFilter], until: Until, every: float, tally: Tally
) -> Iterator[list[Event]]:
    """Yield the chosen events of one look at a time."""
    ends = None if until.seconds is None else time.monotonic() + until.seconds
    while True:
        over = until.once or (ends is not None and time.monotonic() >= ends)
        left = None if until.events is None else until.events - tally.actions.total()
        yield _choose(source.new_events(), filters, tally, left)
        if over or reader_left() or (until.events is not None and tally.actions.total() >= until.events):
            return
        pause = every if ends is None else min(every, ends - time.monotonic())
        time.sleep(max(pause, 0.0))


def _choose(events: Iterator[Event], filters: Sequence[EventFilter], tally: Tally, most: int | None) -> list[Event]:
    chosen: list[Event] = []
    for event in events:
        if not matching(filters, event):
            tally.others += 1
            continue
        chosen.append(event)
        tally.actions[str(event.get("action", "without action"))] += 1
        if most is not None and len(chosen) >= most:
            break
    return chosen


def _show(looks: Iterator[list[Event]], source: Source, tally: Tally) -> None:
    console = new_console()
    with Live(Text("waiting for events"), console=console, auto_refresh=False) as live:
        for events in looks:
            # Partitions are read one after the other; within a look, people see one order.
            for event in sorted(events, key=_received)[:_LINES]:
                console.print(outside(line_of(event)), soft_wrap=True)
            if len(events) > _LINES:
                console.print(f"… and {len(events) - _LINES:,} more", style="dim")
            live.update(Text(_told(tally, source), style="bold"), refresh=True)


def _received(event: Event) -> str:
    return str(_get(event, "meta", "dt"))


def _told(tally: Tally, source: Source) -> str:
    return f"{tally}{f' · {source.broken:,} lines that are no events' if source.broken else ''}"


def line_of(event: Event) -> str:
    """Return an event in one line: time, action, group, subject, page; a report of an invalid one: what it says."""
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
