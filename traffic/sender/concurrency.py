"""How many visits may be under way at the same time: those beyond wait for one to end, and keep their own pace then."""

from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import count

import numpy as np
from numpy.typing import NDArray

from traffic.sender.queue import DueRequests, RequestBatch


class ConcurrencyLimit:
    """Lets as many visits begin as there are places.

    A visit is under way from its first event until its last one is answered, or given up. One that has waited does
    everything later by the time that it waited. Where requests belong to no visit – single events are paced, or
    several visits share a batch – a request is what takes a place.

    Args:
        by_visit: a visit takes a place, not a request.
        limit: the number of places.
    """

    def __init__(self, *, by_visit: bool, limit: int) -> None:
        self.limit = limit
        self.waited = 0
        self._by_visit = by_visit
        # Events that a visit has still to come to an end of; those of visits that have not begun are known, too.
        self._left: dict[Hashable, int] = {}
        # By how much each visit that is under way is later than intended, microseconds.
        self._late_us: dict[Hashable, int] = {}
        self._waiting: dict[Hashable, list[tuple[RequestBatch, int]]] = {}
        self._order: deque[Hashable] = deque()
        self._later: list[tuple[int, int, Hashable, RequestBatch, int]] = []
        self._numbers = count()

    def register_worker(self, visits: NDArray[np.int64]) -> None:
        """Know of visits that will come: *visits* has the visit of each of their events."""
        if self._by_visit:
            numbers, events = np.unique(visits, return_counts=True)
            self._left.update(zip(numbers.tolist(), events.tolist(), strict=True))

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not (self._waiting or self._later)

    @property
    def under_way(self) -> int:
        """How many places are taken."""
        return len(self._late_us)

    @property
    def next_us(self) -> int | None:
        """When the next request of a visit that has waited is due; None when there is none."""
        return self._later[0][0] if self._later else None

    def offer(self, due: DueRequests) -> None:
        """Take in requests that are due."""
        stretch = due.stretch
        for place in range(due.begin, due.end):
            visit = self._visit(stretch, place)
            if visit in self._late_us:
                self._put(visit, stretch, place)
            elif visit in self._waiting:
                self._waiting[visit].append((stretch, place))
            elif self._order or self.under_way >= self.limit:
                self._waiting[visit] = [(stretch, place)]
                self._order.append(visit)
                self.waited += 1
            else:
                self._late_us[visit] = 0
                self._put(visit, stretch, place)

    def take(self, now_us: int) -> list[DueRequests]:
        """Return the requests that may go now, in the order in which they are due."""
        while self._order and self.under_way < self.limit:
            visit = self._order.popleft()
            requests = self._waiting.pop(visit)
            stretch, place = requests[0]
            self._late_us[visit] = max(0, now_us - stretch.intended_us[place])
            for stretch, place in requests:
                self._put(visit, stretch, place)
        go: list[DueRequests] = []
        while self._later and self._later[0][0] <= now_us:
            _, _, visit, stretch, place = heappop(self._later)
            late_us, last = self._late_us[visit], go[-1] if go else None
            if last is not None and last.stretch is stretch and last.end == place and last.late_us == late_us:
                go[-1] = last._replace(end=place + 1)
            else:
                go.append(DueRequests(stretch, place, place + 1, late_us))
        return go

    def drain(self) -> Iterator[DueRequests]:
        """Give up, and yield, all that waits."""
        for requests in self._waiting.values():
            yield from (DueRequests(stretch, place, place + 1) for stretch, place in requests)
        yield from (DueRequests(stretch, place, place + 1) for _, _, _, stretch, place in self._later)
        self._waiting.clear()
        self._order.clear()
        self._later.clear()

    def finish(self, stretch: RequestBatch, places: Iterable[int]) -> None:
        """Take down that requests were answered, or given up."""
        for place in places:
            visit = self._visit(stretch, place)
            left = self._left.get(visit, 1) - 1
            if left > 0:
                self._left[visit] = left
            else:
                self._left.pop(visit, None)
                self._late_us.pop(visit, None)

    def _visit(self, stretch: RequestBatch, place: int) -> Hashable:
        return stretch.visits[place] if self._by_visit else (id(stretch), place)

    def _put(self, visit: Hashable, stretch: RequestBatch, place: int) -> None:
        due_us = stretch.intended_us[place] + self._late_us[visit]
        heappush(self._later, (due_us, next(self._numbers), visit, stretch, place))
