"""Who plays which visits: ranges of them are lent, so that nothing is sent twice and every moment is shared."""

from collections import deque
from collections.abc import Callable, Set

from personas.rng import BLOCK

#: Gives what to play next as (first, count), or None when there is no more. May block.
Lease = Callable[[], tuple[int, int] | None]


class Leaser:
    """Lends out things 0 to *count*-1, each once, to one worker or several.

    They are dealt out a turn at a time, to all workers that take part when the turn comes. What was dealt to a worker
    that is gone goes to the others; what was lent to it is not lent again, for nobody knows what it still sent.

    Args:
        count: of things.
        step: how many are lent at a time.
        turn: how many such parts are dealt at a time.
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
        """Return the next (first, count) for *worker*, or None when there is nothing left.

        Args:
            worker: who asks.
            members: the workers that are there, whether they take part or not.
        """
        self._dealt.setdefault(worker, deque())
        for gone in self._dealt.keys() - members - {worker}:
            self._left.extend(self._dealt.pop(gone))
        while not self._dealt[worker] and not self._left and self._next < self._count:
            self._deal()
        own = self._dealt[worker] or self._left
        if not own:
            return None
        first = own.popleft()
        return first, min(self._step, self._count - first)

    def _deal(self) -> None:
        """Deal a turn, beginning behind the worker that got the last part of the one before."""
        names = sorted(self._dealt)
        begin = sum(name <= self._last for name in names)
        for place in range(self._turn):
            if self._next < self._count:
                self._last = names[(begin + place) % len(names)]
                self._dealt[self._last].append(self._next)
                self._next += self._step
