"""Checks of the arguments of statistics: whole counts, valid shares, levels between 0 and 1."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

#: A number for each group.
Counts = Sequence[int] | NDArray[np.integer]
Shares = Sequence[Fraction | float]
Floats = NDArray[np.float64]


def whole_counts(counts: Counts | Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Return *counts* as int64 of the same shape.

    Raises:
        ValueError: a count is negative or not whole.
    """
    numbers = np.asarray(counts)
    if numbers.size == 0:
        return numbers.astype(np.int64)
    if numbers.dtype.kind not in "iub" or np.any(numbers < 0):
        raise ValueError("counts must be whole numbers, 0 or more")
    return numbers.astype(np.int64)


def conditional_shares(shares: Shares) -> Floats:
    """Return *shares* (shape (groups,)) divided by their sum; all 0 when all shares are 0.

    Raises:
        ValueError: a share is negative or not finite, or *shares* is empty.
    """
    numbers = np.array([float(share) for share in shares], dtype=np.float64)
    if numbers.size == 0 or not np.all(np.isfinite(numbers)) or np.any(numbers < 0):
        raise ValueError("shares must be finite numbers, 0 or more, one for each group")
    total = numbers.sum()
    return numbers / total if total > 0 else numbers


def counts_and_shares(counts: Counts, shares: Shares) -> tuple[NDArray[np.int64], Floats]:
    """Return both as arrays of shape (groups,); see `whole_counts` and `conditional_shares`.

    Raises:
        ValueError: as for those functions, or the lengths differ.
    """
    numbers, expected = whole_counts(counts), conditional_shares(shares)
    if numbers.shape != expected.shape:
        raise ValueError(f"{numbers.size} counts against {expected.size} shares")
    return numbers, expected


def require_level(name: str, value: float) -> None:
    """Raise ValueError unless *value*, called *name*, lies between 0 and 1, both excluded."""
    if not 0 < value < 1:
        raise ValueError(f"{name} must be between 0 and 1, not {value}")


def require_share(name: str, value: float) -> None:
    """Raise ValueError unless *value*, called *name*, lies between 0 and 1, both included."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be a share of 0 to 1, not {value}")


def require_positive(name: str, value: float) -> None:
    """Raise ValueError unless *value*, called *name*, is finite and above 0."""
    if not 0 < value < np.inf:
        raise ValueError(f"{name} must be a finite number above 0, not {value}")


def require_part(count: int, total: int) -> None:
    """Raise ValueError unless *count* is between 0 and *total*."""
    if not 0 <= count <= total:
        raise ValueError(f"a count must be between 0 and its total {total}, not {count}")
