"""Confidence intervals of shares."""

import math
from typing import NamedTuple

import scipy

from analysis.statistics.argument_checks import require_level, require_part


class Interval(NamedTuple):
    """A confidence interval, in the unit of its value."""

    low: float
    high: float


def wilson(count: int, total: int, confidence: float = 0.95) -> Interval:
    """Return Wilson's score interval of the share *count* / *total*.

    Args:
        count: successes.
        total: trials, each independent of the others: subjects, not events.
        confidence: between 0 and 1.

    Returns:
        Shares; (0, 1) without trials.

    Raises:
        ValueError: *count* is not between 0 and *total*, or *confidence* not between 0 and 1.

    Source: Wilson (1927), JASA 22:209-212; computed by scipy.
    """
    require_part(count, total)
    require_level("confidence", confidence)
    if not total:
        return Interval(0.0, 1.0)
    interval = scipy.stats.binomtest(count, total).proportion_ci(confidence, method="wilson")
    return Interval(float(interval.low), float(interval.high))


def share_interval(count: int, total: int) -> Interval:
    """Return the Wilson 95 % interval of *count* out of *total*; see `wilson`."""
    return wilson(count, total)


def newcombe(count: int, total: int, base_count: int, base_total: int, confidence: float = 0.95) -> Interval:
    """Return Newcombe's interval of the difference *count* / *total* - *base_count* / *base_total*.

    Returns:
        Differences of shares, from -1 to 1; the whole range when either total is 0.

    Raises:
        ValueError: as for `wilson`.

    Source: Newcombe (1998), Statistics in Medicine 17:873-890, method 10 (hybrid score, no continuity correction):
    the distances from each share to the ends of its Wilson interval, added as squares.
    """
    low, high = wilson(count, total, confidence)
    base_low, base_high = wilson(base_count, base_total, confidence)
    if not total or not base_total:
        return Interval(-1.0, 1.0)
    share, base = count / total, base_count / base_total
    down = math.hypot(share - low, base_high - base)
    up = math.hypot(high - share, base - base_low)
    return Interval(share - base - down, share - base + up)
