"""Number the events of a plan when single events are paced, interleaved over blocks of visits.

Several workers create events at the same time, in blocks of visits. If the events of a block had consecutive numbers,
one worker after the other would have to send at the full rate, each for a short time. So a *round* consists of several
blocks, and its events are numbered by taking one from each block in turn. The numbers depend on the plan alone, not on
the number of workers, so they can be recomputed.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from personas.pacing.shapes import PacingError

#: Maximum number of blocks in a round, all of which are kept in memory.
MOST_BLOCKS = 16

#: Approximate number of events per visit, at a sample rate of 0.5.
EVENTS_PER_VISIT = 2.7

_EVENTS_PER_BLOCK = 700

#: Number of rounds without an event after which the search for events ends.
_MOST_EMPTY_ROUNDS = 1_000


def interleave_size(events_per_second: float) -> int:
    """Return the number of blocks in a round: about those of one second."""
    return max(1, min(MOST_BLOCKS, round(events_per_second / _EVENTS_PER_BLOCK)))


class Interleaving:
    """Numbers the events of all blocks.

    Args:
        size: number of blocks in a round.
        count: returns the number of events of a block; called in order of blocks.
    """

    def __init__(self, size: int, count: Callable[[int], int]) -> None:
        self.size = size
        self._count = count
        self._counts: list[tuple[int, ...]] = []
        self._bases = [0]

    def numbers(self, block: int) -> NDArray[np.int64]:
        """Return the numbers of the events of *block*, rising."""
        number, index = divmod(block, self.size)
        self._count_up_to(number)
        return self._bases[number] + ranks(self._counts[number], index)

    def base(self, block: int) -> int:
        """Return the number of the first event in the round of *block*."""
        self._count_up_to(block // self.size)
        return self._bases[block // self.size]

    def blocks_to_count(self, block: int) -> range:
        """Return the blocks that still have to be counted before the events of *block* can be numbered."""
        begin = len(self._counts) * self.size
        end = (block // self.size + 1) * self.size
        return range(begin, end) if end > begin else range(block, block + 1)

    def blocks_for(self, events: int) -> int:
        """Return the number of blocks that have *events* events. Raises PacingError when there are no events at all."""
        number = 0
        while self._bases[-1] < events:
            self._count_up_to(number)
            number += 1
            if number >= _MOST_EMPTY_ROUNDS and not self._bases[-1]:
                raise PacingError("no subject of this experiment sends an event: nothing to pace")
        return len(self._counts) * self.size

    def _count_up_to(self, number: int) -> None:
        """Count the blocks of all rounds up to round *number*."""
        while len(self._counts) <= number:
            first = len(self._counts) * self.size
            self._counts.append(tuple(self._count(first + index) for index in range(self.size)))
            self._bases.append(self._bases[-1] + sum(self._counts[-1]))


def ranks(counts: tuple[int, ...], index: int) -> NDArray[np.int64]:
    """Return the ranks of the items of list number *index* when lists of *counts* items are interleaved."""
    own = np.arange(counts[index], dtype=np.int64)
    ahead = [np.minimum(count, own + (other < index)) for other, count in enumerate(counts)]
    return np.asarray(np.sum(ahead, axis=0), dtype=np.int64)
