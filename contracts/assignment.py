"""Sampling and bucketing: who is in an experiment's sample, and in which group.

Source: the public classes of MediaWiki's MetricsPlatform extension, restated in the contract `bucketing.md`. One
24-bit hash decides both:

    hash24    = first six hex digits of HASH(str(user id) + experiment name)
    scaled    = hash24 / 2^24 * groups
    in sample = fmod(scaled, 1) < rate
    group     = int(scaled)

hash24 / 2^24 * groups is exact in floating point (24 bits times a small whole number), so integers suffice:
fmod(scaled, 1) < rate  <=>  hash24 * groups mod 2^24 < ceil(rate * 2^24).
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.generation import Generation

HASH_SPACE = 1 << 24


class Assignment(NamedTuple):
    """The assignment of one user by the contract.

    Attributes:
        hash24: 0 to 2^24-1.
        in_sample: whether the user is in the sample.
        group: the user's group; None when not in the sample.
        group_if_sampled: the group at a sample rate of 1.
        subject_id: 64 hex digits in `xlab`, None in `alpha`.
    """

    hash24: int
    in_sample: bool
    group: str | None
    group_if_sampled: str
    subject_id: str | None

    @property
    def hash(self) -> float:
        """The hash as a number in [0, 1)."""
        return self.hash24 / HASH_SPACE


class Assignments(NamedTuple):
    """The assignments of many users by the contract, as columns of equal length.

    Attributes:
        hash24: uint32, 0 to 2^24-1.
        in_sample: bool.
        group: int16; index into the groups, -1 when not in the sample.
    """

    hash24: NDArray[np.uint32]
    in_sample: NDArray[np.bool_]
    group: NDArray[np.int16]


class ExpectedShares(NamedTuple):
    """Exact probabilities, over all 2^24 hashes, of each group and of not being in the sample. They sum to 1."""

    groups: tuple[Fraction, ...]
    not_in_sample: Fraction


def assign(generation: Generation, user_id: int, experiment: str, groups: Sequence[str], rate: float) -> Assignment:
    """Return the assignment of one user.

    Args:
        generation: decides the hash: MD5 in `alpha`, SHA-256 in `xlab`.
        user_id: the wiki's local id in `alpha`, the central id in `xlab`.
        experiment: the slug in `alpha`, the name in `xlab`.
        groups: at least one.
        rate: sample rate of the wiki; 1 or more samples every user, 0 or less none.

    Raises:
        ValueError: no groups, or a rate that is not a number.
    """
    digest = _digest(generation, user_id, experiment)
    hash24 = int.from_bytes(digest[:3])
    slot, rest = divmod(hash24 * len(groups), HASH_SPACE)
    in_sample = rest < _threshold(len(groups), rate)
    group = groups[slot]
    subject = digest.hex() if generation is Generation.XLAB else None
    return Assignment(hash24, in_sample, group if in_sample else None, group, subject)


def assign_many(
    generation: Generation, user_ids: NDArray[np.int64], experiment: str, groups: Sequence[str], rate: float
) -> Assignments:
    """Return the assignments of *user_ids* (int64, shape (n,)); see `assign`."""
    hash_function, name = _HASHES[generation], experiment.encode()
    starts = b"".join([hash_function(b"%d%b" % (user_id, name)).digest()[:4] for user_id in user_ids.tolist()])
    # The first 24 bits of a digest are the upper three octets of its first big-endian word.
    hash24 = np.frombuffer(starts, dtype=">u4").astype(np.uint32) >> np.uint32(8)
    return assign_hashes(hash24, len(groups), rate)


def assign_hashes(hash24: NDArray[np.uint32], n_groups: int, rate: float) -> Assignments:
    """Return the assignments of users by their 24-bit hashes (uint32, shape (n,)); see `assign`."""
    threshold = _threshold(n_groups, rate)
    scaled = hash24.astype(np.int64) * n_groups
    in_sample = (scaled & (HASH_SPACE - 1)) < threshold
    group = np.where(in_sample, scaled >> 24, -1).astype(np.int16)
    return Assignments(hash24, in_sample, group)


def subject_id(user_id: int, experiment: str) -> str:
    """Return the subject id that `xlab` events carry: 64 hex digits."""
    return _digest(Generation.XLAB, user_id, experiment).hex()


def expected_shares(n_groups: int, rate: float) -> ExpectedShares:
    """Return the exact probability of each of *n_groups* groups, and of not being in the sample.

    Group g has the hashes n with g*2^24 <= n*k < g*2^24 + ceil(rate*2^24), where k is the number of groups.
    Counting them takes two divisions.

    Raises:
        ValueError: no groups, or a rate that is not a number.
    """
    threshold = _threshold(n_groups, rate)
    starts = [group * HASH_SPACE for group in range(n_groups)]
    counts = [_ceil_div(start + threshold, n_groups) - _ceil_div(start, n_groups) for start in starts]
    shares = tuple(Fraction(count, HASH_SPACE) for count in counts)
    return ExpectedShares(shares, 1 - sum(shares, Fraction(0)))


def _digest(generation: Generation, user_id: int, experiment: str) -> bytes:
    return _HASHES[generation](f"{user_id}{experiment}".encode()).digest()


_HASHES: Mapping[Generation, Callable[[bytes], "hashlib._Hash"]] = {
    Generation.ALPHA: partial(hashlib.md5, usedforsecurity=False),
    Generation.XLAB: hashlib.sha256,
}


def _threshold(n_groups: int, rate: float) -> int:
    if n_groups < 1:
        raise ValueError("an experiment needs at least one group")
    if math.isnan(rate):
        raise ValueError("the sample rate is not a number")
    return math.ceil(min(max(rate, 0.0), 1.0) * HASH_SPACE)


def _ceil_div(value: int, by: int) -> int:
    return -(-value // by)
