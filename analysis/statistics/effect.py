"""Click-through rates of groups, and their differences.

Subjects are randomised, so subjects are the unit of the tests. Clicks of one subject are correlated, and a test that
treats impressions as independent reports differences that do not exist.
"""

import math
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from analysis.statistics.argument_checks import Counts, require_level, whole_counts
from analysis.statistics.intervals import Interval

#: Least subjects expected to click, in each group, for the normal approximation of the rate.
LEAST_CLICKING = 10


class Moments(NamedTuple):
    """Moments of the clicks and impressions of a group's subjects.

    Attributes:
        subjects: number of subjects, 2 or more.
        clicks, impressions: means per subject.
        clicks_variance, impressions_variance, covariance: between subjects, with the denominator subjects - 1.
    """

    subjects: int
    clicks: float
    impressions: float
    clicks_variance: float
    impressions_variance: float
    covariance: float

    @property
    def rate(self) -> float:
        """Clicks per impression, all subjects together."""
        return self.clicks / self.impressions

    @property
    def rate_variance(self) -> float:
        """Variance of `rate` times the number of subjects, by the delta method."""
        rate = self.rate
        spread = self.clicks_variance - 2 * rate * self.covariance + rate**2 * self.impressions_variance
        # Rounding can make it negative when all subjects are alike.
        return max(spread, 0.0) / self.impressions**2


class Estimate(NamedTuple):
    """An estimated rate or difference of rates, with its standard error and confidence interval in the same unit."""

    value: float
    standard_error: float
    interval: Interval


class Lift(NamedTuple):
    """A relative difference, treatment / control - 1, with its confidence interval; 0.05 means 5 % more."""

    value: float
    interval: Interval


class Comparison(NamedTuple):
    """Comparison of treatment with control.

    Attributes:
        difference: treatment - control, clicks per impression.
        lift: treatment / control - 1; None when either has no clicks.
        statistic: difference / standard error; None when all subjects are alike, so that no test is possible.
        p_value: two-sided, normal; None when the statistic is.
    """

    difference: Estimate
    lift: Lift | None
    statistic: float | None
    p_value: float | None


def moments(clicks: Counts, impressions: Counts) -> Moments:
    """Return the moments of one group's subjects.

    Args:
        clicks, impressions: number of each subject, shape (subjects,).

    Raises:
        ValueError: the lengths differ, a count is negative or not whole, or as for `moments_of_sums`.

    Source: sample variances and covariance.
    """
    clicked, shown = _per_subject(clicks, impressions)
    return moments_of_sums(
        clicked.size,
        int(clicked.sum()),
        int(shown.sum()),
        int(clicked @ clicked),
        int(shown @ shown),
        int(clicked @ shown),
    )


def moments_of_sums(
    subjects: int, clicks: int, impressions: int, clicks_squared: int, impressions_squared: int, product: int
) -> Moments:
    """Return the moments of one group from sums over its subjects, which any SQL engine can compute.

    Integers until the last step avoid cancellation for sums of any size.

    Args:
        subjects: number of subjects.
        clicks, impressions: sum over subjects.
        clicks_squared, impressions_squared: sum of the squares of each subject's count.
        product: sum of each subject's clicks times impressions.

    Raises:
        ValueError: fewer than two subjects, no impressions, or impossible sums.

    Source: (n sum(x y) - sum(x) sum(y)) / (n (n - 1)).
    """
    if subjects < 2 or impressions < 1:
        raise ValueError("at least two subjects and one impression are needed")
    spread_clicks = subjects * clicks_squared - clicks**2
    spread_impressions = subjects * impressions_squared - impressions**2
    spread_both = subjects * product - clicks * impressions
    if min(clicks, product, spread_clicks, spread_impressions) < 0 or spread_both**2 > spread_clicks * (
        spread_impressions
    ):
        raise ValueError("the sums of clicks and impressions are impossible: no subjects can have them")
    pairs = subjects * (subjects - 1)
    return Moments(
        subjects,
        clicks / subjects,
        impressions / subjects,
        spread_clicks / pairs,
        spread_impressions / pairs,
        spread_both / pairs,
    )


def click_through_rate(group: Moments, confidence: float = 0.95) -> Estimate:
    """Return a group's clicks per impression with its delta-method interval.

    The interval is symmetric and not cut at 0: when it reaches below, there are too few clicks for it.

    Raises:
        ValueError: *confidence* is not between 0 and 1.

    Source: Deng, Knoblich & Lu (2018), KDD, arXiv 1803.06336, equation 3:
    Var(R) = (var C - 2 R cov(C, I) + R^2 var I) / (subjects * mean(I)^2).
    """
    error = math.sqrt(group.rate_variance / group.subjects)
    half = _z(confidence) * error
    return Estimate(group.rate, error, Interval(group.rate - half, group.rate + half))


def equality_test(one: Moments, other: Moments) -> float | None:
    """Return the two-sided p-value of equal click-through rates in two groups; None when all subjects are alike.

    Unlike `compare_rates` it pools the variance of both groups, which is right when the rates are equal. That keeps the
    level when groups are small or of unequal size. With 50 and 500 subjects at a level of 0.1 %, separate variances
    reject 1 % of equal groups, a pooled one about 0.15 % (`python -m bench.statistics` shows both).
    """
    both = _together(one, other)
    error = math.sqrt(both.rate_variance * (1 / one.subjects + 1 / other.subjects))
    if error == 0:
        return None
    return float(2 * scipy.stats.norm.sf(abs(other.rate - one.rate) / error))


def enough_clicks(subjects: tuple[int, int], clicking: int) -> bool:
    """Return whether two groups are large enough to compare their rates: `LEAST_CLICKING` expected in each.

    The number expected to click under equal rates decides, not the observed one; otherwise a group that lost its clicks
    could not fail.

    Args:
        subjects: number of subjects with an impression, of each group.
        clicking: number of subjects with a click, of both groups together.
    """
    return min(subjects) * clicking >= LEAST_CLICKING * sum(subjects)


def compare_rates(control: Moments, treatment: Moments, confidence: float = 0.95) -> Comparison:
    """Return the comparison of *treatment*'s clicks per impression with *control*'s.

    The interval of the lift is computed on the logarithm, so it never reaches below -1.

    Raises:
        ValueError: *confidence* is not between 0 and 1.

    Source: as for `click_through_rate`; the logarithm: Katz et al. (1978), Biometrics 34:469-474.
    """
    one, other = click_through_rate(control, confidence), click_through_rate(treatment, confidence)
    value, error = other.value - one.value, math.hypot(one.standard_error, other.standard_error)
    half = _z(confidence) * error
    difference = Estimate(value, error, Interval(value - half, value + half))
    statistic = value / error if error else None
    p_value = float(2 * scipy.stats.norm.sf(abs(statistic))) if statistic is not None else None
    return Comparison(difference, _lift(one, other, confidence), statistic, p_value)


def _per_subject(clicks: Counts, impressions: Counts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    clicked, shown = whole_counts(clicks), whole_counts(impressions)
    if clicked.ndim != 1 or clicked.shape != shown.shape:
        raise ValueError(f"clicks {clicked.shape} and impressions {shown.shape} must have a number for each subject")
    return clicked, shown


def _lift(control: Estimate, treatment: Estimate, confidence: float) -> Lift | None:
    if not control.value or not treatment.value:
        return None
    ratio = treatment.value / control.value
    relative = math.hypot(control.standard_error / control.value, treatment.standard_error / treatment.value)
    factor = math.exp(_z(confidence) * relative)
    return Lift(ratio - 1, Interval(ratio / factor - 1, ratio * factor - 1))


def _z(confidence: float) -> float:
    require_level("confidence", confidence)
    return float(scipy.stats.norm.ppf((1 + confidence) / 2))


def _together(one: Moments, other: Moments) -> Moments:
    """Return the moments of the subjects of both groups pooled."""
    subjects = one.subjects + other.subjects
    between = one.subjects * other.subjects / subjects
    clicks, impressions = other.clicks - one.clicks, other.impressions - one.impressions

    def spread(mine: float, theirs: float, product: float) -> float:
        whole = mine * (one.subjects - 1) + theirs * (other.subjects - 1) + between * product
        return whole / (subjects - 1)

    return Moments(
        subjects,
        (one.subjects * one.clicks + other.subjects * other.clicks) / subjects,
        (one.subjects * one.impressions + other.subjects * other.impressions) / subjects,
        spread(one.clicks_variance, other.clicks_variance, clicks**2),
        spread(one.impressions_variance, other.impressions_variance, impressions**2),
        spread(one.covariance, other.covariance, clicks * impressions),
    )
