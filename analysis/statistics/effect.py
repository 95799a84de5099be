"""Click-through rates per group, and what one group does to them.

Subjects are what is randomised, so subjects are what is counted: clicks of one subject resemble each other, and a test
that takes impressions for independent calls differences that are none.
"""

import math
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from analysis.statistics.argument_checks import Counts, require_level, whole_counts
from analysis.statistics.intervals import Interval, wilson

#: Subjects expected to click, in each group, from which on the normal approximation of their rate is of use.
LEAST_CLICKING = 10


class Moments(NamedTuple):
    """What a group's subjects did, in six numbers.

    Attributes:
        subjects: how many, 2 or more.
        clicks, impressions: means per subject.
        clicks_variance, impressions_variance, covariance: between subjects, with subjects - 1 below the line.
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
        # Of a group whose subjects are all alike, rounding can leave less than nothing.
        return max(spread, 0.0) / self.impressions**2


class Estimate(NamedTuple):
    """An estimated rate or difference of rates, with its standard error and confidence interval in the same unit."""

    value: float
    standard_error: float
    interval: Interval


class Lift(NamedTuple):
    """A relative difference, treatment / control - 1, with its confidence interval; 0.05 is 5 % more."""

    value: float
    interval: Interval


class Comparison(NamedTuple):
    """How treatment differs from control.

    Attributes:
        difference: treatment - control, clicks per impression.
        lift: treatment / control - 1; None where either has no clicks.
        statistic: difference / standard error; None where the subjects do not differ at all, so that no test is
            possible.
        p_value: two-sided, normal; None as the statistic.
    """

    difference: Estimate
    lift: Lift | None
    statistic: float | None
    p_value: float | None


class Share(NamedTuple):
    """A share of subjects, with its Wilson interval; *value* is not a number when there are no subjects."""

    clicked: int
    subjects: int
    value: float
    interval: Interval


def moments(clicks: Counts, impressions: Counts) -> Moments:
    """Return the moments of one group's subjects.

    Args:
        clicks, impressions: one number a subject, shape (subjects,).

    Raises:
        ValueError: the lengths differ, a count is negative or not whole, or as of `moments_of_sums`.

    Source: sample variances and covariance.
    """
    clicked, seen = _per_subject(clicks, impressions)
    return moments_of_sums(
        clicked.size,
        int(clicked.sum()),
        int(seen.sum()),
        int(clicked @ clicked),
        int(seen @ seen),
        int(clicked @ seen),
    )


def moments_of_sums(
    subjects: int, clicks: int, impressions: int, clicks_squared: int, impressions_squared: int, product: int
) -> Moments:
    """Return the moments of one group from sums over its subjects, which any SQL engine gives.

    Whole numbers until the last step, so nothing is lost to cancellation however large the sums.

    Args:
        subjects: how many.
        clicks, impressions: sum over subjects.
        clicks_squared, impressions_squared: sum of the squares of each subject's count.
        product: sum of each subject's clicks times impressions.

    Raises:
        ValueError: fewer than two subjects, no impressions, or sums that no subjects can have.

    Source: (n sum(x y) - sum(x) sum(y)) / (n (n - 1)).
    """
    if subjects < 2 or impressions < 1:
        raise ValueError("two subjects or more are needed, and an impression")
    spread_clicks = subjects * clicks_squared - clicks**2
    spread_impressions = subjects * impressions_squared - impressions**2
    spread_both = subjects * product - clicks * impressions
    if min(clicks, product, spread_clicks, spread_impressions) < 0 or spread_both**2 > spread_clicks * (
        spread_impressions
    ):
        raise ValueError("no subjects can have these sums")
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

    The interval is symmetric and is not cut at 0: one that reaches below says that there are too few clicks for it.

    Raises:
        ValueError: *confidence* is not between 0 and 1.

    Source: Deng, Knoblich & Lu (2018), KDD, arXiv 1803.06336, equation 3:
    Var(R) = (var C - 2 R cov(C, I) + R^2 var I) / (subjects * mean(I)^2).
    """
    error = math.sqrt(group.rate_variance / group.subjects)
    half = _z(confidence) * error
    return Estimate(group.rate, error, Interval(group.rate - half, group.rate + half))


def equality_test(one: Moments, other: Moments) -> float | None:
    """Return the two-sided p-value of two groups having the same click-through rate; None where nobody differs.

    Unlike `compare_rates` it takes the variance of both groups together, as they have one if they are alike. That keeps
    its level where groups are small or of unlike size: with 50 and 500 subjects the variances of their own call 1 % of
    equal groups different at a level of 0.1 %, this about 0.15 % (`python -m bench.statistics` shows both).
    """
    both = _together(one, other)
    error = math.sqrt(both.rate_variance * (1 / one.subjects + 1 / other.subjects))
    if error == 0:
        return None
    return float(2 * scipy.stats.norm.sf(abs(other.rate - one.rate) / error))


def enough_clicks(subjects: tuple[int, int], clicking: int) -> bool:
    """Return whether two groups are large enough to set their rates side by side: `LEAST_CLICKING` in each.

    What counts is how many are expected to click if both groups click alike, and not how many did: or else a group that
    lost its clicks could not be called.

    Args:
        subjects: of each group, with an impression.
        clicking: subjects with a click, of both groups together.
    """
    return min(subjects) * clicking >= LEAST_CLICKING * sum(subjects)


def compare_rates(control: Moments, treatment: Moments, confidence: float = 0.95) -> Comparison:
    """Return how *treatment*'s clicks per impression differ from *control*'s.

    The interval of the lift is found on the logarithm, so that it never reaches below -1.

    Raises:
        ValueError: *confidence* is not between 0 and 1.

    Source: as of `click_through_rate`; the logarithm: Katz et al. (1978), Biometrics 34:469-474.
    """
    one, other = click_through_rate(control, confidence), click_through_rate(treatment, confidence)
    value, error = other.value - one.value, math.hypot(one.standard_error, other.standard_error)
    half = _z(confidence) * error
    difference = Estimate(value, error, Interval(value - half, value + half))
    statistic = value / error if error else None
    p_value = float(2 * scipy.stats.norm.sf(abs(statistic))) if statistic is not None else None
    return Comparison(difference, _lift(one, other, confidence), statistic, p_value)


def unique_rate(clicks: Counts, impressions: Counts, confidence: float = 0.95) -> Share:
    """Return the share of subjects who clicked at least once, of those who saw anything, with its Wilson interval.

    A subject counts once, so nothing is correlated and the binomial is right. Compare two groups with
    `analysis.statistics.newcombe`.

    Args:
        clicks, impressions: one number a subject, shape (subjects,). Subjects without impressions are left out.

    Raises:
        ValueError: the lengths differ, a count is negative or not whole, or *confidence* not between 0 and 1.

    Source: as of `analysis.statistics.wilson`.
    """
    clicked, seen = _per_subject(clicks, impressions)
    total = int(np.count_nonzero(seen))
    count = int(np.count_nonzero(clicked[seen > 0]))
    return Share(count, total, count / total if total else math.nan, wilson(count, total, confidence))


def mean_subject_rate(clicks: Counts, impressions: Counts, confidence: float = 0.95) -> Estimate:
    """Return the mean over subjects of their own clicks per impression, with its normal interval.

    Every subject weighs the same, however much they see. It is a mean of ratios, no share of a count, so it has no
    Wilson interval.

    Args:
        clicks, impressions: one number a subject, shape (subjects,). Subjects without impressions are left out.

    Raises:
        ValueError: as of `unique_rate`, or fewer than two subjects saw anything.

    Source: the central limit theorem, with the variance between subjects.
    """
    clicked, seen = _per_subject(clicks, impressions)
    rates = clicked[seen > 0] / seen[seen > 0]
    if rates.size < 2:
        raise ValueError("two subjects who saw anything are needed")
    value, error = float(rates.mean()), float(rates.std(ddof=1) / math.sqrt(rates.size))
    half = _z(confidence) * error
    return Estimate(value, error, Interval(value - half, value + half))


def _per_subject(clicks: Counts, impressions: Counts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    clicked, seen = whole_counts(clicks), whole_counts(impressions)
    if clicked.ndim != 1 or clicked.shape != seen.shape:
        raise ValueError(f"clicks {clicked.shape} and impressions {seen.shape} are one number a subject")
    return clicked, seen


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
    """Return the moments of the subjects of two groups as one."""
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
