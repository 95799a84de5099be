"""Random numbers as pure functions of (seed, purpose, block), and integer methods to choose with them.

All functions use integer arithmetic on the raw output of numpy's Philox, whose stream is fixed (NEP 19). Logarithms and
floating point may differ in the last bit between machines, so two machines would create different events.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Number of subjects in a block. Changing it changes every event of every seed.
BLOCK = 256

U32 = 1 << 32
Raw = NDArray[np.uint64]


def raw(seed: int, purpose: int, block: int, shape: tuple[int, ...]) -> Raw:
    """Return 64-bit random numbers of *shape*, the same for the same arguments on any machine.

    Args:
        seed: at least 0, at most 2^64-1.
        purpose: selects an independent stream, 0 to 2^64-1.
        block: number of the block of subjects.
        shape: shape of the result.
    """
    generator = np.random.Philox(key=(purpose << 64) | seed, counter=block << 192)
    return generator.random_raw(int(np.prod(shape))).reshape(shape)


def raw_of_blocks(seed: int, purpose: int, first: int, shapes: Sequence[tuple[int, ...]]) -> Raw:
    """Return `raw` of the blocks from *first* on, each of its shape, joined along the last axis."""
    parts = [raw(seed, purpose, first + index, shape) for index, shape in enumerate(shapes)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


def u32(numbers: Raw) -> NDArray[np.int64]:
    """Return the upper 32 bits as int64 in [0, 2^32)."""
    return (numbers >> np.uint64(32)).astype(np.int64)


def below(numbers: Raw, limits: NDArray[np.int64] | int) -> NDArray[np.int64]:
    """Return integers in [0, limit) (limits up to 2^31), one for each of *numbers*."""
    return (u32(numbers) * limits) >> 32


def thresholds(weights: Sequence[int]) -> NDArray[np.int64]:
    """Return the cumulative shares of *weights*, in units of 2^-32, for `choose`."""
    total = sum(weights)
    running = np.cumsum(np.array(weights, dtype=object))
    return np.array([int(part) * U32 // total for part in running], dtype=np.int64)


def choose(numbers: Raw, limits: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return an index into the weights of *limits* (`thresholds`) for each of *numbers*."""
    return np.searchsorted(limits, u32(numbers), side="right").astype(np.int64)


def quantile(numbers: Raw, table: Sequence[int]) -> NDArray[np.int64]:
    """Return values of the distribution with the equally spaced quantiles *table* (linear in between)."""
    knots = np.array(table, dtype=np.int64)
    scaled = u32(numbers) * (len(knots) - 1)
    low = scaled >> 32
    part = scaled & (U32 - 1)
    values: NDArray[np.int64] = knots[low] + (((knots[low + 1] - knots[low]) * part) >> 32)
    return values


def hex_digits(numbers: Raw, digits: int) -> list[bytes]:
    """Return *digits* (an even number) hex digits for each row of *numbers* (64-bit words, big-endian)."""
    octets = np.ascontiguousarray(numbers, ">u8").view(np.uint8).reshape(len(numbers), 8 * numbers.shape[1])
    pairs = _PAIRS[octets[:, : digits // 2]]
    texts: list[bytes] = pairs.view(f"S{digits}").ravel().tolist()
    return texts


def uuids(numbers: Raw) -> list[bytes]:
    """Return a version-4 UUID for each row of *numbers* (two 64-bit words)."""
    words = numbers.copy()
    words[:, 0] = (words[:, 0] & np.uint64(0xFFFFFFFFFFFF0FFF)) | np.uint64(0x4000)
    words[:, 1] = (words[:, 1] & np.uint64(0x3FFFFFFFFFFFFFFF)) | np.uint64(0x8000000000000000)
    digits = _PAIRS[words.astype(">u8").view(np.uint8).reshape(-1, 16)].view(np.uint8)
    text = np.full((len(words), 36), ord("-"), dtype=np.uint8)
    for start, end, shift in ((0, 8, 0), (8, 12, 1), (12, 16, 2), (16, 20, 3), (20, 32, 4)):
        text[:, start + shift : end + shift] = digits[:, start:end]
    texts: list[bytes] = text.view("S36").ravel().tolist()
    return texts


#: The two hex digits of each octet.
_PAIRS = np.array([b"%02x" % octet for octet in range(256)], dtype="S2").view(np.uint16)
