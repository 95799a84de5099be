"""The pacer: the intended time of each arrival."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from personas.pacing.shapes import Shape
from personas.rng import raw

_GAPS = 9  # purpose, see `personas.rng.raw`
_BLOCK = 4096

#: Sums of gaps are integers in units of this fraction of the mean gap, so they are the same on every machine.
_UNIT = 1 << 32

Ints = NDArray[np.int64]


class Pace(StrEnum):
    """The arrival process."""

    CONSTANT = "constant"
    POISSON = "poisson"


@dataclass(frozen=True)
class Pacer:
    """The intended times of arrivals 0, 1, 2, … after the schedule's zero.

    Attributes:
        rate: arrivals per second at level 1 of the shape.
        shape: the rate over time.
        pace: constant or Poisson.
        seed: seed of the Poisson process.
    """

    rate: float
    shape: Shape
    pace: Pace = Pace.CONSTANT
    seed: int = 0

    def times_us(self, first: int, count: int) -> Ints:
        """Return the intended times of *count* arrivals from number *first* on, in microseconds, rising.

        A Poisson process of changing rate is one of rate 1 with a time change: arrival *n* is when the area under the
        rate reaches the sum of *n* exponential gaps (Çinlar 1975).
        """
        return self.times_of_us(np.arange(first, first + count, dtype=np.int64))

    def times_of_us(self, numbers: Ints) -> Ints:
        """Return the intended times of the arrivals with these rising *numbers*; see `times_us`."""
        if self.pace is Pace.POISSON and len(numbers):
            first = int(numbers[0])
            sums = _sums(self.seed).get(first, int(numbers[-1]) - first + 1)[numbers - first] / _UNIT
        else:
            sums = numbers.astype(np.float64)
        return np.rint(self.shape.inverse(sums / self.rate) * 1e6).astype(np.int64)

    def count_before(self, end_us: int) -> int:
        """Return the number of arrivals intended before *end_us* microseconds after the schedule's zero."""
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
    """Sums of exponential gaps of mean `_UNIT`, computed on demand: element *n* is the time of arrival *n*."""

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
            last = len(self._starts) - 1
            self._starts.append(self._starts[last] + int(_gaps(self._seed, last).sum()))
        return self._starts[block]


@lru_cache(maxsize=64)
def _gaps(seed: int, block: int) -> Ints:
    words = raw(seed, _GAPS, block, (_BLOCK,)) >> np.uint64(11)
    # The last digit of a logarithm may differ between machines; rounding removes it.
    uniform = (words.astype(np.float64) + 0.5) / 2.0**53
    gaps: Ints = np.rint(-np.log(uniform) * _UNIT).astype(np.int64)
    return gaps


@lru_cache(maxsize=8)
def _sums(seed: int) -> _Sums:
    return _Sums(seed)
