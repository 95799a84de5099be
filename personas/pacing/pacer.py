"""The pacer: the intended time of each arrival."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from personas.pacing.shapes import Shape
from personas.rng import raw

_GAPS = 9  # purpose of draws
_BLOCK = 4096

#: Sums of gaps are kept as integers of this fraction of the mean gap, so that they are the same on every machine.
_UNIT = 1 << 32

Ints = NDArray[np.int64]


class Pace(StrEnum):
    """How arrivals follow each other."""

    CONSTANT = "constant"
    POISSON = "poisson"


@dataclass(frozen=True)
class Pacer:
    """The intended times of arrivals 0, 1, 2, … after the schedule's zero.

    Attributes:
        rate: arrivals a second where the shape's level is 1.
        shape: how that changes over time.
        pace: whether they come evenly or by chance.
        seed: of the chance.
    """

    rate: float
    shape: Shape
    pace: Pace = Pace.CONSTANT
    seed: int = 0

    def times_us(self, first: int, count: int) -> Ints:
        """Return when the arrivals from number *first* on are intended, *count* of them; microseconds, rising.

        A Poisson process of changing rate is one of rate 1 whose clock is stretched: arrival *n* comes when the
        area under the rate has reached the sum of *n* exponential gaps (Çinlar 1975, time change).
        """
        return self.times_of_us(np.arange(first, first + count, dtype=np.int64))

    def times_of_us(self, numbers: Ints) -> Ints:
        """Return when the arrivals of these *numbers*, which rise, are intended; see `times_us`."""
        if self.pace is Pace.POISSON and len(numbers):
            first = int(numbers[0])
            sums = _sums(self.seed).get(first, int(numbers[-1]) - first + 1)[numbers - first] / _UNIT
        else:
            sums = numbers.astype(np.float64)
        return np.rint(self.shape.inverse(sums / self.rate) * 1e6).astype(np.int64)

    def count_before(self, end_us: int) -> int:
        """Return how many arrivals are intended before *end_us* microseconds after the schedule's zero."""
        high = 1
        while int(self.times_us(high, 1)[0]) < end_us:
            high *= 2
        low = 0
        while low < high:
            middle = (low + high) // 2
            if int(self.times_us(middle, 1)[0]) < end_us:
                low = middle + 1
            else:
                high = middle
        return low


class _Sums:
    """Sums of exponential gaps of mean `_UNIT`: element *n* is when arrival *n* comes; grows as it is asked for."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._starts = [0]

    def get(self, first: int, count: int) -> Ints:
        """Return the sums from number *first* on, *count* of them."""
        blocks = range(first // _BLOCK, (first + max(count, 1) - 1) // _BLOCK + 1)
        parts = [self._start(block) + np.cumsum(_gaps(self._seed, block)) for block in blocks]
        return np.concatenate(parts)[first % _BLOCK :][:count]

    def _start(self, block: int) -> int:
        while len(self._starts) <= block:
            done = len(self._starts) - 1
            self._starts.append(self._starts[done] + int(_gaps(self._seed, done).sum()))
        return self._starts[block]


@lru_cache(maxsize=64)
def _gaps(seed: int, block: int) -> Ints:
    words = raw(seed, _GAPS, block, (_BLOCK,)) >> np.uint64(11)
    # A logarithm's last digit may differ between machines; what is left of it after rounding does not.
    uniform = (words.astype(np.float64) + 0.5) / 2.0**53
    gaps: Ints = np.rint(-np.log(uniform) * _UNIT).astype(np.int64)
    return gaps


@lru_cache(maxsize=8)
def _sums(seed: int) -> _Sums:
    return _Sums(seed)
