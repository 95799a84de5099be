"""Which event has which number, when single events are paced.

Events are made in blocks of visits, by several workers at once. If the events of a block had consecutive numbers, one
worker after the other would have to send at the full rate, each for a moment. So some blocks make a *turn*, and within
it events are numbered by going round its blocks. That is a function of the plan alone: it does not depend on how many
workers there are, so the events can be made again by anybody.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from personas.pacing.shapes import PacingError

#: The most blocks in a turn, so that all of them can be kept ready.
MOST_BLOCKS = 16

#: About as many events come of a visit, at a sample rate of a half.
EVENTS_A_VISIT = 2.7

_EVENTS_A_BLOCK = 700

#: So many turns without any event mean that there never will be one.
_FRUITLESS = 1_000


def interleave_size(events_per_second: float) -> int:
    """Return how many blocks make a turn: about those of a second."""
    return max(1, min(MOST_BLOCKS, round(events_per_second / _EVENTS_A_BLOCK)))


class Interleaving:
    """Numbers the events of all blocks.

    Args:
        size: blocks in a turn.
        count: returns how many events a block has; asked in order, and again for the blocks of a turn that is needed.
    """

    def __init__(self, size: int, count: Callable[[int], int]) -> None:
        self.size = size
        self._count = count
        self._counts: list[tuple[int, ...]] = []
        self._bases = [0]

    def numbers(self, block: int) -> NDArray[np.int64]:
        """Return the number of each event of *block*, rising."""
        turn, place = divmod(block, self.size)
        self._count_up_to(turn)
        return self._bases[turn] + ranks(self._counts[turn], place)

    def base(self, block: int) -> int:
        """Return the number of the first event of the turn that *block* is in."""
        self._count_up_to(block // self.size)
        return self._bases[block // self.size]

    def blocks_of_turn(self, block: int) -> range:
        """Return the blocks whose events have to be counted, after all before them, to number those of *block*."""
        begin = len(self._counts) * self.size
        end = (block // self.size + 1) * self.size
        return range(begin, end) if end > begin else range(block, block + 1)

    def blocks_for(self, events: int) -> int:
        """Return how many blocks it takes until there are *events* events. Raises PacingError when there never are."""
        turn = 0
        while self._bases[-1] < events:
            self._count_up_to(turn)
            turn += 1
            if turn >= _FRUITLESS and not self._bases[-1]:
                raise PacingError("nobody of this experiment sends an event: there is nothing to pace")
        return len(self._counts) * self.size

    def _count_up_to(self, turn: int) -> None:
        while len(self._counts) <= turn:
            first = len(self._counts) * self.size
            self._counts.append(tuple(self._count(first + place) for place in range(self.size)))
            self._bases.append(self._bases[-1] + sum(self._counts[-1]))


def ranks(counts: tuple[int, ...], place: int) -> NDArray[np.int64]:
    """Return the ranks of the items of list number *place* when lists of *counts* items are dealt from in turn."""
    own = np.arange(counts[place], dtype=np.int64)
    ahead = [np.minimum(count, own + (other < place)) for other, count in enumerate(counts)]
    return np.asarray(np.sum(ahead, axis=0), dtype=np.int64)
