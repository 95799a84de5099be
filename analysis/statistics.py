"""The tests behind the checks. Multinomial and binomial tests come from scipy; what is ours is what they are given."""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from scipy import stats


class RatioTest(NamedTuple):
    """A chi-square test of counts against expected shares; None where the counts allow no test."""

    statistic: float | None
    p_value: float | None
    degrees_of_freedom: int


class Interval(NamedTuple):
    """A 95 % confidence interval of a share."""

    low: float
    high: float


def ratio_test(observed: Sequence[int], shares: Sequence[Fraction | float]) -> RatioTest:
    """Test *observed* counts against the *shares* expected of them (Pearson's chi-square).

    Args:
        observed: counts, one a group.
        shares: at least 0, need not sum to 1 (they are made conditional on being counted). A group whose share is
            0 takes no part and costs no degree of freedom.

    Returns:
        None for statistic and p-value when fewer than two groups can be compared, nothing was counted, or a group
        with share 0 was counted, which no chance explains.

    Raises:
        ValueError: the lengths differ.
    """
    pairs = [(count, float(share)) for count, share in zip(observed, shares, strict=True) if share > 0]
    counts = np.array([count for count, _ in pairs], dtype=np.float64)
    expected = np.array([share for _, share in pairs], dtype=np.float64)
    if len(pairs) < 2 or counts.sum() == 0 or counts.sum() != sum(observed):
        return RatioTest(None, None, max(len(pairs) - 1, 0))
    result = stats.chisquare(counts, expected / expected.sum() * counts.sum())
    return RatioTest(float(result.statistic), float(result.pvalue), len(pairs) - 1)


def ratio_power(subjects: int, shares: Sequence[Fraction | float], effect: float, alpha: float) -> float:
    """Return the power of `ratio_test` to see an imbalance of the given size.

    Args:
        subjects: how many are counted.
        shares: as of `ratio_test`.
        effect: Cohen's w, sqrt(sum((p1 - p0)^2 / p0)); 0.2 is 60 to 40 where 50 to 50 was meant.
        alpha: level of the test.

    Source: Cohen (1988), chapter 7: the statistic is noncentral chi-square with subjects * w^2.
    """
    degrees = sum(share > 0 for share in shares) - 1
    if degrees < 1 or subjects < 1:
        return 0.0
    return float(stats.ncx2.sf(stats.chi2.isf(alpha, degrees), degrees, subjects * effect**2))


def rate_test(count: int, total: int, rate: float) -> float:
    """Return the two-sided p-value of *count* out of *total* when *rate* is expected (exact binomial test)."""
    return float(stats.binomtest(count, total, rate).pvalue)


def share_interval(count: int, total: int) -> Interval:
    """Return the Wilson 95 % interval of *count* out of *total*; (0, 1) when there is nothing to go by."""
    if not total:
        return Interval(0.0, 1.0)
    found = stats.binomtest(count, total).proportion_ci(0.95, method="wilson")
    return Interval(float(found.low), float(found.high))
