"""What is to be sent next: the requests of the blocks that were lent, in the order of their intended times."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from personas.plan.event_bytes import RenderedBlock
from personas.plan.plan import Plan
from personas.rng import BLOCK

#: How far ahead of the clock blocks are lent and made ready.
LEAD_US = 2_000_000

#: Events are put in order, and made into requests, for so long at a time, and so long before they are due.
_STRETCH_US = 100_000
_AHEAD_US = 20_000


@dataclass(frozen=True, slots=True)
class RequestBatch:
    """The requests of a stretch of time.

    Attributes:
        size: events in each request.
        intended_us: per request, when it is intended, microseconds after the schedule's zero. A batch goes when its
            last event has happened, as a client's queue does.
        intended_ms: the same in whole milliseconds.
        requests: per request, its bytes.
        visits, positions, ids: per event; *size* of them belong to each request.
    """

    size: int
    intended_us: list[int]
    intended_ms: list[int]
    requests: list[bytes]
    visits: list[int]
    positions: list[int]
    ids: list[bytes]


class DueRequests(NamedTuple):
    """The requests *begin* to *end* (not included) of a stretch; their visits began *late_us* after their time."""

    stretch: RequestBatch
    begin: int
    end: int
    late_us: int = 0


class _Events(NamedTuple):
    """Columns, an element an event, in the order of their intended times."""

    due_us: NDArray[np.int64]
    visit: NDArray[np.int64]
    position: NDArray[np.int64]
    id: NDArray[np.object_]
    body: NDArray[np.object_]

    def cut(self, begin: int, end: int) -> "_Events":
        return _Events(*(column[begin:end] for column in self))  # type: ignore[arg-type]


class _Block:
    """The events of one block, and how many of them have been taken."""

    def __init__(self, made: RenderedBlock) -> None:
        ids, bodies = (np.array(column, dtype=np.object_) for column in (made.id, made.body))
        self._events = _in_order([_Events(made.offset_us, made.visit, made.position, ids, bodies)])
        self._taken = 0

    @property
    def next_us(self) -> int:
        return int(self._events.due_us[self._taken])

    @property
    def is_over(self) -> bool:
        return self._taken >= len(self._events.due_us)

    def until(self, end_us: int) -> _Events:
        end = int(np.searchsorted(self._events.due_us, end_us))
        found = self._events.cut(self._taken, end)
        self._taken = max(end, self._taken)
        return found


class SendQueue:
    """Makes the requests of lent blocks ready, a little at a time, and gives out what is due.

    Args:
        plan: of the run.
        batch: the most events in one request.
        frame: returns the bytes of a request, given its body.
        meet: is told, per event of a block that was made, whose visit it is.
    """

    def __init__(
        self,
        plan: Plan,
        batch: int,
        frame: Callable[[bytes], bytes],
        meet: Callable[[NDArray[np.int64]], None] | None = None,
    ) -> None:
        self._plan = plan
        self._meet = meet
        self._batch = batch
        self._frame = frame
        self._lent: deque[int] = deque()
        self._ready: list[_Block] = []
        self._making: Iterator[bool] | None = None
        # Requests that were not given out yet; the first stretch from its request `_place` on.
        self._stretches: deque[RequestBatch] = deque()
        self._place = 0
        # Events before `_stretch_us` for which there were not enough to make a request.
        self._rest: list[_Events] = []
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
        return not (self._more_may_come or self._ready or self._stretches or self._rest)

    @property
    def _more_may_come(self) -> bool:
        return not self._over or bool(self._lent) or self._making is not None

    def is_short(self, now_us: int) -> bool:
        """Whether little is ready, so that more has to be made now, whatever else there is to do."""
        return self._front_us is None or self._front_us < now_us + LEAD_US // 4

    def prepare(self, now_us: int) -> bool:
        """Do a little of what can be done ahead of time; return whether there was anything to do."""
        return self._go_on_making() or (self._stretch_us <= now_us + _AHEAD_US and self._extend(now_us))

    def _go_on_making(self) -> bool:
        if self._making is None:
            if not self._lent:
                return False
            number = self._lent.popleft()
            self._making = self._make(number)
        if next(self._making, None) is None:
            self._making = None
        return True

    def _make(self, number: int) -> Iterator[bool]:
        for made in self._plan.make_block(number):
            if made is not None and len(made.visit):
                if self._meet is not None:
                    self._meet(made.visit)
                self._ready.append(_Block(made))
            yield True
        first_us = self._plan.first_us(number)
        self._front_us = first_us if self._front_us is None else max(self._front_us, first_us)

    def take(self, now_us: int, most: int) -> DueRequests | None:
        """Return requests that are due by *now_us*, at most *most*, in the order of their times; None if none is."""
        while not self._stretches:
            if self._stretch_us > now_us or not self._extend(now_us):
                return None
        stretch, begin = self._stretches[0], self._place
        end, last = begin, min(begin + most, len(stretch.requests))
        intended = stretch.intended_us
        while end < last and intended[end] <= now_us:
            end += 1
        if end == begin:
            return None
        self._place = end
        if end == len(stretch.requests):
            self._stretches.popleft()
            self._place = 0
        return DueRequests(stretch, begin, end)

    def next_us(self, further: int = 0) -> int | None:
        """Return when the next request is due, or one *further* on, as far as is known; None when nothing is ready."""
        if self._stretches:
            intended = self._stretches[0].intended_us
            return intended[min(self._place + further, len(intended) - 1)]
        return self._stretch_us if self._ready else None

    def _extend(self, now_us: int) -> bool:
        """Make the requests of another stretch of time; return whether that changed anything."""
        # What is late already has to be made at once.
        while (self._lent or self._making) and (self._front_us is None or self._front_us <= now_us):
            self._go_on_making()
        if not self._ready:
            return self._finish()
        begin = max(self._stretch_us, min(block.next_us for block in self._ready))
        end = begin + _STRETCH_US
        if self._front_us is not None and self._more_may_come:
            # Beyond the front there may be events of blocks that are still to come.
            end = min(end, max(self._front_us, now_us) + 1)
        if end <= begin:
            return False
        self._merge([block.until(end) for block in self._ready])
        self._stretch_us = end
        self._ready = [block for block in self._ready if not block.is_over]
        return True

    def _finish(self) -> bool:
        """Make the last request of all, which may be smaller; return whether there was one."""
        if self._more_may_come or not self._rest:
            return False
        rest, self._rest = _in_order(self._rest), []
        self._stretches.append(self._stretch_of(rest, len(rest.due_us)))
        return True

    def _merge(self, fresh: Sequence[_Events]) -> None:
        events = _in_order([*self._rest, *fresh])
        whole = len(events.due_us) // self._batch * self._batch
        self._rest = [events.cut(whole, len(events.due_us))] if whole < len(events.due_us) else []
        if whole:
            self._stretches.append(self._stretch_of(events.cut(0, whole), self._batch))

    def _stretch_of(self, events: _Events, size: int) -> RequestBatch:
        bodies, intended = events.body.tolist(), events.due_us[size - 1 :: size]
        if size > 1:
            bodies = [b"[%b]" % b",".join(bodies[begin : begin + size]) for begin in range(0, len(bodies), size)]
        return RequestBatch(
            size, intended.tolist(), (intended // 1000).tolist(), list(map(self._frame, bodies)),
            events.visit.tolist(), events.position.tolist(), events.id.tolist(),
        )  # fmt: skip


def _in_order(parts: Sequence[_Events]) -> _Events:
    joined = parts[0] if len(parts) == 1 else _Events(*map(np.concatenate, zip(*parts, strict=True)))
    order = np.argsort(joined.due_us, kind="stable")
    return _Events(*(column[order] for column in joined))  # type: ignore[arg-type]
