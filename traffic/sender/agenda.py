"""What is to be sent next: the events of the blocks that were lent, in the order of their intended times."""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

from personas.blocks import PlannedEvent
from personas.draws import BLOCK
from personas.plan import Plan

#: How far ahead of the clock blocks are lent and made ready.
LEAD_US = 2_000_000

#: Events are put in order for so long at a time.
_STRETCH_US = 100_000

#: Events that are rendered in one go, between two looks at the connections: well under a millisecond.
_GO = 24

#: By the intended time, of a tuple the fastest way.
_due = itemgetter(PlannedEvent._fields.index("offset_us"))


class Due(NamedTuple):
    """One request: its events, and when it is intended, microseconds after the schedule's zero.

    A batch goes when its last event has happened, as a client's queue does.
    """

    intended_us: int
    events: Sequence[PlannedEvent]


class _Block:
    """The events of one block, in the order of their times, and how many of them have been taken."""

    def __init__(self, events: list[PlannedEvent]) -> None:
        self.events = sorted(events, key=_due)
        self.taken = 0

    def until(self, end_us: int) -> list[PlannedEvent]:
        end = bisect_left(self.events, end_us, lo=self.taken, key=_due)
        found = self.events[self.taken : end]
        self.taken = end
        return found


class Agenda:
    """Makes the events of lent blocks ready, a little at a time, and gives out what is due.

    Args:
        plan: of the run.
        batch: the most events in one request.
    """

    def __init__(self, plan: Plan, batch: int) -> None:
        self._plan = plan
        self._batch = batch
        self._lent: deque[int] = deque()
        self._ready: list[_Block] = []
        self._making: Iterator[bool] | None = None
        # In order, from `_place` on: everything before `_stretch_us` that has not been given out.
        self._line: list[PlannedEvent] = []
        self._place = 0
        self._stretch_us = -(1 << 62)
        self._front_us: int | None = None
        self._over = False

    def lend(self, first: int | None) -> None:
        """Take in the block of visits that begins with *first*; None says that there are no more."""
        if first is None:
            self._over = True
        else:
            self._lent.append(first // BLOCK)

    def wants_more(self, now_us: int) -> bool:
        """Whether another block should be asked for."""
        if self._over or self._lent or self._making is not None:
            return False
        return self._front_us is None or self._front_us < now_us + LEAD_US

    @property
    def is_over(self) -> bool:
        """Whether everything was given out, and there will be no more."""
        return self._over and not (self._lent or self._making or self._ready) and self._place >= len(self._line)

    def is_short(self, now_us: int) -> bool:
        """Whether little is ready, so that more has to be made now, whatever else there is to do."""
        return self._front_us is None or self._front_us < now_us + LEAD_US // 4

    def has_due(self, now_us: int) -> bool:
        """Whether there is a request that `take` would give out."""
        end = self._place + self._batch - 1
        return end < len(self._line) and self._line[end].offset_us <= now_us

    def prepare(self) -> bool:
        """Do a little of what can be done ahead of time; return whether there was anything to do."""
        if self._making is None:
            if not self._lent:
                return False
            self._making = self._make(self._lent.popleft())
        if next(self._making, None) is None:
            self._making = None
        return True

    def _make(self, number: int) -> Iterator[bool]:
        events: list[PlannedEvent] = []
        since = 0
        for event in self._plan.make_block(number):
            if event is not None:
                events.append(event)
                since += 1
            if event is None or since >= _GO:
                since = 0
                yield True
        first_us = self._plan.first_us(number)
        self._front_us = first_us if self._front_us is None else max(self._front_us, first_us)
        if events:
            self._ready.append(_Block(events))

    def take(self, now_us: int, most: int) -> list[Due]:
        """Return the requests that are due by *now_us*, at most *most* of them, in the order of their times."""
        found: list[Due] = []
        while len(found) < most:
            batch = self._next(now_us)
            if batch is None:
                break
            found.append(batch)
        return found

    def next_us(self) -> int | None:
        """Return when the next request is due, as far as that is known; None when nothing is ready."""
        end = self._place + self._batch - 1
        if end < len(self._line):
            return self._line[end].offset_us
        return self._stretch_us if self._ready or self._place < len(self._line) else None

    def _next(self, now_us: int) -> Due | None:
        size = self._batch
        while len(self._line) - self._place < size and self._stretch_us <= now_us:
            if not self._extend(now_us):
                break
        rest = len(self._line) - self._place
        if rest < size:
            # The last requests of all may be smaller.
            if not rest or not self._over or self._lent or self._making or self._ready:
                return None
            size = rest
        events = self._line[self._place : self._place + size]
        if events[-1].offset_us > now_us:
            return None
        self._place += size
        return Due(events[-1].offset_us, events)

    def _extend(self, now_us: int) -> bool:
        """Put the events of another stretch of time in order; return whether there may be more after it."""
        # What is late already has to be made at once.
        while (self._lent or self._making) and (self._front_us is None or self._front_us <= now_us):
            self.prepare()
        if not self._ready:
            return False
        begin = max(self._stretch_us, min(block.events[block.taken].offset_us for block in self._ready))
        end = begin + _STRETCH_US
        if self._front_us is not None and (self._lent or self._making or not self._over):
            # Beyond the front there may be events of blocks that are still to come.
            end = max(min(end, self._front_us + 1), begin + 1)
        fresh = [event for block in self._ready for event in block.until(end)]
        self._line = self._line[self._place :] + sorted(fresh, key=_due)
        self._place = 0
        self._stretch_us = end
        self._ready = [block for block in self._ready if block.taken < len(block.events)]
        return True
