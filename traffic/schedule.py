"""Which event is next, over all visits that have begun: each at its own intended time."""

import heapq
from collections.abc import Callable, Iterator
from itertools import islice

from personas.blocks import PlannedEvent
from personas.plan import Plan

#: Gives the visits to play next as (first, count), or None when there are no more. May block.
Lease = Callable[[], tuple[int, int] | None]


class Schedule:
    """The events of the leased visits in the order of their intended times.

    A visit is taken up when its arrival is due before everything else that waits, so memory holds only the visits
    that are under way.

    Args:
        plan: of the run.
        lease: asked for more visits whenever all leased ones have begun.
    """

    def __init__(self, plan: Plan, lease: Lease) -> None:
        self._plan = plan
        self._arrivals = _arrivals(plan, lease)
        # The first lease is asked for by the first user, not here: a worker makes its schedule while it handles a
        # message, and could not take in the master's answer.
        self._next_arrival: tuple[int, int] | None = None
        self._begun = False
        self._waiting: list[tuple[int, PlannedEvent, Iterator[PlannedEvent]]] = []

    def next(self) -> PlannedEvent | None:
        """Return the next event, or None when all visits have been played."""
        if not self._begun:
            self._begun = True
            self._next_arrival = next(self._arrivals, None)
        while self._next_arrival and (not self._waiting or self._next_arrival[0] <= self._waiting[0][0]):
            _, visit = self._next_arrival
            self._wait_for(iter(self._plan.visit(visit)))
            self._next_arrival = next(self._arrivals, None)
        if not self._waiting:
            return None
        _, event, rest = heapq.heappop(self._waiting)
        self._wait_for(rest)
        return event

    def _wait_for(self, events: Iterator[PlannedEvent]) -> None:
        for event in islice(events, 1):
            # An event is a tuple that begins with (visit, position), so ties are broken the same way everywhere.
            heapq.heappush(self._waiting, (event.offset_ms, event, events))


def _arrivals(plan: Plan, lease: Lease) -> Iterator[tuple[int, int]]:
    """Yield (milliseconds after the epoch, visit) of every leased visit, in order."""
    while leased := lease():
        first, count = leased
        yield from zip(plan.arrivals_ms(first, count).tolist(), range(first, first + count), strict=True)
