"""The send queue: renders leased blocks of visits into requests and returns those that are due, by intended time."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from personas.plan.event_bytes import RenderedBlock
from personas.plan.plan import Plan
from personas.rng import BLOCK

#: Microseconds before their time at which blocks are leased and rendered.
LEAD_US = 2_000_000

#: Time that one `RequestBatch` covers, and how long before it is due it is built.
_BATCH_SPAN_US = 100_000
_BUILD_AHEAD_US = 20_000


@dataclass(frozen=True, slots=True)
class RequestBatch:
    """The requests of one span of time, as columns.

    Attributes:
        size: events in each request.
        intended_us: per request, its intended time in microseconds after the schedule's zero. A request of several
            events is due when its last event has happened, as in a client's queue.
        intended_ms: the same in whole milliseconds.
        requests: per request, its bytes.
        visits, positions, ids: per event; each request has *size* of them.
    """

    size: int
    intended_us: list[int]
    intended_ms: list[int]
    requests: list[bytes]
    visits: list[int]
    positions: list[int]
    ids: list[bytes]


class DueRequests(NamedTuple):
    """Requests *begin* to *end* (exclusive) of a *batch*; their visits run *late_us* behind their intended times."""

    batch: RequestBatch
    begin: int
    end: int
    late_us: int = 0


class _Events(NamedTuple):
    """Columns with one element per event, ordered by intended time."""

    due_us: NDArray[np.int64]
    visit: NDArray[np.int64]
    position: NDArray[np.int64]
    id: NDArray[np.object_]
    body: NDArray[np.object_]

    def part(self, begin: int, end: int) -> "_Events":
        return _Events(*(column[begin:end] for column in self))  # type: ignore[arg-type]


class _Block:
    """The events of one block, and the number already taken."""

    def __init__(self, rendered: RenderedBlock) -> None:
        ids, bodies = (np.array(column, dtype=np.object_) for column in (rendered.id, rendered.body))
        self._events = _sort_by_time([_Events(rendered.offset_us, rendered.visit, rendered.position, ids, bodies)])
        self._taken = 0

    @property
    def next_us(self) -> int:
        return int(self._events.due_us[self._taken])

    @property
    def is_over(self) -> bool:
        return self._taken >= len(self._events.due_us)

    def take_until(self, end_us: int) -> _Events:
        end = int(np.searchsorted(self._events.due_us, end_us))
        events = self._events.part(self._taken, end)
        self._taken = max(end, self._taken)
        return events


class SendQueue:
    """Renders the requests of leased blocks in small steps, and returns those that are due.

    Args:
        plan: the run's plan.
        batch_size: maximum events per request.
        frame: returns a request's bytes for its body.
        register_visits: called for each rendered block with the visit of each of its events.
    """

    def __init__(
        self,
        plan: Plan,
        batch_size: int,
        frame: Callable[[bytes], bytes],
        register_visits: Callable[[NDArray[np.int64]], None] | None = None,
    ) -> None:
        self._plan = plan
        self._register_visits = register_visits
        self._batch_size = batch_size
        self._frame = frame
        self._leased: deque[int] = deque()
        self._ready: list[_Block] = []
        self._rendering: Iterator[bool] | None = None
        # Requests not yet returned. Of the first batch, those from `_next_request` on.
        self._batches: deque[RequestBatch] = deque()
        self._next_request = 0
        # Events before `_built_until_us` that do not fill a request yet.
        self._leftover: list[_Events] = []
        self._built_until_us = -(1 << 62)
        self._frontier_us: int | None = None
        self._no_more_leases = False

    def add_lease(self, first: int | None) -> None:
        """Add the block of visits that begins with *first*; None means that there are no more blocks."""
        if first is None:
            self._no_more_leases = True
        else:
            self._leased.append(first // BLOCK)

    def wants_more(self, now_us: int) -> bool:
        """Whether another block should be leased now."""
        if self._no_more_leases or self._leased or self._rendering is not None:
            return False
        return self._frontier_us is None or self._frontier_us < now_us + LEAD_US

    @property
    def is_over(self) -> bool:
        """Whether all requests were returned and no more blocks will come."""
        return not (self._expects_more or self._ready or self._batches or self._leftover)

    @property
    def _expects_more(self) -> bool:
        return not self._no_more_leases or bool(self._leased) or self._rendering is not None

    def is_short(self, now_us: int) -> bool:
        """Whether rendering is behind and comes before anything else."""
        return self._frontier_us is None or self._frontier_us < now_us + LEAD_US // 4

    def prepare(self, now_us: int) -> bool:
        """Do one step of the work ahead of time; return whether there was one to do."""
        return self._continue_rendering() or (
            self._built_until_us <= now_us + _BUILD_AHEAD_US and self._build_next(now_us)
        )

    def _continue_rendering(self) -> bool:
        if self._rendering is None:
            if not self._leased:
                return False
            number = self._leased.popleft()
            self._rendering = self._render(number)
        if next(self._rendering, None) is None:
            self._rendering = None
        return True

    def _render(self, number: int) -> Iterator[bool]:
        for rendered in self._plan.make_block(number):
            if rendered is not None and len(rendered.visit):
                if self._register_visits is not None:
                    self._register_visits(rendered.visit)
                self._ready.append(_Block(rendered))
            yield True
        first_us = self._plan.first_us(number)
        self._frontier_us = first_us if self._frontier_us is None else max(self._frontier_us, first_us)

    def take(self, now_us: int, limit: int) -> DueRequests | None:
        """Return at most *limit* requests that are due by *now_us*, by intended time; None without any."""
        while not self._batches:
            if self._built_until_us > now_us or not self._build_next(now_us):
                return None
        batch, begin = self._batches[0], self._next_request
        end, last = begin, min(begin + limit, len(batch.requests))
        intended = batch.intended_us
        while end < last and intended[end] <= now_us:
            end += 1
        if end == begin:
            return None
        self._next_request = end
        if end == len(batch.requests):
            self._batches.popleft()
            self._next_request = 0
        return DueRequests(batch, begin, end)

    def next_us(self, offset: int = 0) -> int | None:
        """Return when the next request is due, or the one *offset* after it; None when nothing is rendered."""
        if self._batches:
            intended = self._batches[0].intended_us
            return intended[min(self._next_request + offset, len(intended) - 1)]
        return self._built_until_us if self._ready else None

    def _build_next(self, now_us: int) -> bool:
        """Build the next batch; return whether that changed anything."""
        # Blocks that are late already are rendered here and now.
        while (self._leased or self._rendering) and (self._frontier_us is None or self._frontier_us <= now_us):
            self._continue_rendering()
        if not self._ready:
            return self._build_last()
        begin = max(self._built_until_us, min(block.next_us for block in self._ready))
        end = begin + _BATCH_SPAN_US
        if self._frontier_us is not None and self._expects_more:
            # Beyond the frontier, blocks that are not leased yet may have events.
            end = min(end, max(self._frontier_us, now_us) + 1)
        if end <= begin:
            return False
        self._merge([block.take_until(end) for block in self._ready])
        self._built_until_us = end
        self._ready = [block for block in self._ready if not block.is_over]
        return True

    def _build_last(self) -> bool:
        """Build the run's last request, which may have fewer events; return whether there was one."""
        if self._expects_more or not self._leftover:
            return False
        leftover, self._leftover = _sort_by_time(self._leftover), []
        self._batches.append(self._build_batch(leftover, len(leftover.due_us)))
        return True

    def _merge(self, new_events: Sequence[_Events]) -> None:
        events = _sort_by_time([*self._leftover, *new_events])
        whole = len(events.due_us) // self._batch_size * self._batch_size
        self._leftover = [events.part(whole, len(events.due_us))] if whole < len(events.due_us) else []
        if whole:
            self._batches.append(self._build_batch(events.part(0, whole), self._batch_size))

    def _build_batch(self, events: _Events, size: int) -> RequestBatch:
        bodies, intended = events.body.tolist(), events.due_us[size - 1 :: size]
        if size > 1:
            bodies = [b"[%b]" % b",".join(bodies[begin : begin + size]) for begin in range(0, len(bodies), size)]
        return RequestBatch(
            size, intended.tolist(), (intended // 1000).tolist(), list(map(self._frame, bodies)),
            events.visit.tolist(), events.position.tolist(), events.id.tolist(),
        )  # fmt: skip


def _sort_by_time(parts: Sequence[_Events]) -> _Events:
    joined = parts[0] if len(parts) == 1 else _Events(*map(np.concatenate, zip(*parts, strict=True)))
    order = np.argsort(joined.due_us, kind="stable")
    return _Events(*(column[order] for column in joined))  # type: ignore[arg-type]
