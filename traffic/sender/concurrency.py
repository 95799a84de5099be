"""A limit on concurrent visits: further ones wait for a slot, then run at their own pace."""

from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import count

import numpy as np
from numpy.typing import NDArray

from traffic.sender.queue import DueRequests, RequestBatch


class ConcurrencyLimit:
    """Limits concurrent visits to the number of slots.

    A visit holds its slot from its first event until its last one is answered or dropped. A visit that waited is
    delayed as a whole by its waiting time. Where requests belong to no visit – single events are paced, or several
    visits share a batch – each request holds a slot.

    Args:
        by_visit: visits hold slots, not requests.
        limit: number of slots; may be changed during the run.

    Attributes:
        waited: number of visits (or requests) that had to wait for a slot.
    """

    def __init__(self, *, by_visit: bool, limit: int) -> None:
        self.limit = limit
        self.waited = 0
        self._by_visit = by_visit
        # Per visit, its unfinished events; visits that have not begun are included.
        self._events_left: dict[Hashable, int] = {}
        # Per visit that holds a slot, its delay in microseconds.
        self._delay_us: dict[Hashable, int] = {}
        self._waiting: dict[Hashable, list[tuple[RequestBatch, int]]] = {}
        self._waiting_order: deque[Hashable] = deque()
        self._scheduled: list[tuple[int, int, Hashable, RequestBatch, int]] = []
        self._sequence = count()

    def register_visits(self, visits: NDArray[np.int64]) -> None:
        """Register visits that will come; *visits* holds the visit of each of their events."""
        if self._by_visit:
            numbers, events = np.unique(visits, return_counts=True)
            self._events_left.update(zip(numbers.tolist(), events.tolist(), strict=True))

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not (self._waiting or self._scheduled)

    @property
    def in_flight(self) -> int:
        """Number of slots in use."""
        return len(self._delay_us)

    @property
    def next_us(self) -> int | None:
        """When the next request of a visit with a slot is due; None without any."""
        return self._scheduled[0][0] if self._scheduled else None

    def offer(self, due: DueRequests) -> None:
        """Add requests that are due."""
        batch = due.batch
        for index in range(due.begin, due.end):
            holder = self._holder_of(batch, index)
            if holder in self._delay_us:
                self._schedule(holder, batch, index)
            elif holder in self._waiting:
                self._waiting[holder].append((batch, index))
            elif self._waiting_order or self.in_flight >= self.limit:
                self._waiting[holder] = [(batch, index)]
                self._waiting_order.append(holder)
                self.waited += 1
            else:
                self._delay_us[holder] = 0
                self._schedule(holder, batch, index)

    def take(self, now_us: int) -> list[DueRequests]:
        """Return the requests that may be sent now, in the order in which they are due."""
        while self._waiting_order and self.in_flight < self.limit:
            holder = self._waiting_order.popleft()
            requests = self._waiting.pop(holder)
            batch, index = requests[0]
            self._delay_us[holder] = max(0, now_us - batch.intended_us[index])
            for batch, index in requests:
                self._schedule(holder, batch, index)
        ready: list[DueRequests] = []
        while self._scheduled and self._scheduled[0][0] <= now_us:
            _, _, holder, batch, index = heappop(self._scheduled)
            late_us, last = self._delay_us[holder], ready[-1] if ready else None
            if last is not None and last.batch is batch and last.end == index and last.late_us == late_us:
                ready[-1] = last._replace(end=index + 1)
            else:
                ready.append(DueRequests(batch, index, index + 1, late_us))
        return ready

    def drain(self) -> Iterator[DueRequests]:
        """Drop and yield all waiting requests."""
        for requests in self._waiting.values():
            yield from (DueRequests(batch, index, index + 1) for batch, index in requests)
        yield from (DueRequests(batch, index, index + 1) for _, _, _, batch, index in self._scheduled)
        self._waiting.clear()
        self._waiting_order.clear()
        self._scheduled.clear()

    def finish(self, batch: RequestBatch, indices: Iterable[int]) -> None:
        """Record that requests were answered or dropped; free the slots of visits that ended."""
        for index in indices:
            holder = self._holder_of(batch, index)
            remaining = self._events_left.get(holder, 1) - 1
            if remaining > 0:
                self._events_left[holder] = remaining
            else:
                self._events_left.pop(holder, None)
                self._delay_us.pop(holder, None)

    def _holder_of(self, batch: RequestBatch, index: int) -> Hashable:
        return batch.visits[index] if self._by_visit else (id(batch), index)

    def _schedule(self, holder: Hashable, batch: RequestBatch, index: int) -> None:
        due_us = batch.intended_us[index] + self._delay_us[holder]
        heappush(self._scheduled, (due_us, next(self._sequence), holder, batch, index))
