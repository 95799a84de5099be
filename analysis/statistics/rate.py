"""Test of a sample rate: the exact binomial test."""

import scipy

from analysis.statistics.argument_checks import require_part, require_share


def rate_test(count: int, total: int, rate: float) -> float:
    """Return the two-sided p-value of *count* out of *total* when *rate* is expected (exact binomial test).

    Two-sided by likelihood: the probability of all counts that are at most as likely as this one. 1 when *total* is 0.

    Raises:
        ValueError: *count* is not between 0 and *total*, or *rate* not between 0 and 1.

    Source: Clopper & Pearson (1934) for the binomial; the sum over less likely counts is Fisher's; computed by scipy.
    """
    require_part(count, total)
    require_share("a rate", rate)
    return float(scipy.stats.binomtest(count, total, rate).pvalue) if total else 1.0
