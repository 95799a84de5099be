"""Random numbers as pure functions of (seed, purpose, block), and integer ways to make choices of them.

Everything here is integer arithmetic on the raw output of numpy's Philox, whose stream is fixed (NEP 19). No
logarithms and no floating point: those may differ in the last bit between machines, and then two machines would
not make the same events.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Subjects are drawn in blocks of this many. Part of what a seed means: changing it changes every event.
BLOCK = 256

U32 = 1 << 32
Raw = NDArray[np.uint64]


def raw(seed: int, purpose: int, block: int, shape: tuple[int, ...]) -> Raw:
    """Return 64-bit random numbers of *shape*, the same for the same arguments on any machine.

    Args:
        seed: at least 0, at most 2^64-1.
        purpose: keeps draws for different things apart, 0 to 2^64-1.
        block: number of the block of subjects.
        shape: of the answer.
    """
    generator = np.random.Philox(key=(purpose << 64) | seed, counter=block << 192)
    return generator.random_raw(int(np.prod(shape))).reshape(shape)


def u32(numbers: Raw) -> NDArray[np.int64]:
    """Return the upper 32 bits, as int64 in [0, 2^32)."""
    return (numbers >> np.uint64(32)).astype(np.int64)


def below(numbers: Raw, limits: NDArray[np.int64] | int) -> NDArray[np.int64]:
    """Return integers in [0, limit) (limits up to 2^31), one for each of *numbers*."""
    return (u32(numbers) * limits) >> 32


def thresholds(weights: Sequence[int]) -> NDArray[np.int64]:
    """Return the cumulative shares of *weights*, as integers of 2^32, for `choose`."""
    total = sum(weights)
    running = np.cumsum(np.array(weights, dtype=object))
    return np.array([int(part) * U32 // total for part in running], dtype=np.int64)


def choose(numbers: Raw, limits: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return an index into the weights that made *limits*, for each of *numbers*."""
    return np.searchsorted(limits, u32(numbers), side="right").astype(np.int64)


def quantile(numbers: Raw, table: Sequence[int]) -> NDArray[np.int64]:
    """Return values of the distribution whose equally spaced quantiles are *table* (linear in between)."""
    knots = np.array(table, dtype=np.int64)
    scaled = u32(numbers) * (len(knots) - 1)
    low = scaled >> 32
    part = scaled & (U32 - 1)
    values: NDArray[np.int64] = knots[low] + (((knots[low + 1] - knots[low]) * part) >> 32)
    return values


def hex_digits(numbers: Raw, digits: int) -> list[str]:
    """Return one string of *digits* lower-case hex digits a row of *numbers* (rows of 64-bit words, big-endian)."""
    text = numbers.astype(">u8").tobytes().hex()
    step = numbers.shape[1] * 16
    return [text[start : start + digits] for start in range(0, len(text), step)]


def uuids(numbers: Raw) -> list[str]:
    """Return one version-4 UUID a row of two words of *numbers*."""
    words = numbers.copy()
    words[:, 0] = (words[:, 0] & np.uint64(0xFFFFFFFFFFFF0FFF)) | np.uint64(0x4000)
    words[:, 1] = (words[:, 1] & np.uint64(0x3FFFFFFFFFFFFFFF)) | np.uint64(0x8000000000000000)
    digits = np.frombuffer(words.astype(">u8").tobytes().hex().encode(), dtype=np.uint8).reshape(-1, 32)
    text = np.full((len(words), 36), ord("-"), dtype=np.uint8)
    for start, end, shift in ((0, 8, 0), (8, 12, 1), (12, 16, 2), (16, 20, 3), (20, 32, 4)):
        text[:, start + shift : end + shift] = digits[:, start:end]
    joined = text.tobytes().decode()
    return [joined[begin : begin + 36] for begin in range(0, len(joined), 36)]
