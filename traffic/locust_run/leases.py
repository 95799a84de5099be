"""Leases: ranges of visits for workers. Each visit is sent once, and workers share the load evenly."""

from collections import deque
from collections.abc import Callable, Set

from personas.rng import BLOCK

#: Returns the next range to send as (first, count), None without any left. May block.
Lease = Callable[[], tuple[int, int] | None]


class Leaser:
    """Leases the items 0 to *count*-1, each once, to one worker or several.

    Ranges are dealt in turns to all workers that take part at that time. Ranges dealt to a worker that has left go to
    the others. Ranges leased to it are not leased again: it may have sent them.

    Args:
        count: number of items.
        step: items per lease.
        turn: leases dealt per turn.
    """

    def __init__(self, count: int, step: int = BLOCK, turn: int = 1) -> None:
        self._count = count
        self._step = step
        self._turn = turn
        self._next = 0
        self._dealt: dict[str, deque[int]] = {}
        self._left: deque[int] = deque()
        self._last = ""

    def lend(self, worker: str, members: Set[str] = frozenset()) -> tuple[int, int] | None:
        """Return the next lease (first, count) for *worker*; None without any left.

        Args:
            worker: the worker that asks.
            members: all connected workers, whether they take part or not.
        """
        self._dealt.setdefault(worker, deque())
        for absent in self._dealt.keys() - members - {worker}:
            self._left.extend(self._dealt.pop(absent))
        while not self._dealt[worker] and not self._left and self._next < self._count:
            self._deal()
        available = self._dealt[worker] or self._left
        if not available:
            return None
        first = available.popleft()
        return first, min(self._step, self._count - first)

    def _deal(self) -> None:
        """Deal a turn, beginning after the worker that got the previous turn's last lease."""
        names = sorted(self._dealt)
        begin = sum(name <= self._last for name in names)
        for offset in range(self._turn):
            if self._next < self._count:
                self._last = names[(begin + offset) % len(names)]
                self._dealt[self._last].append(self._next)
                self._next += self._step
