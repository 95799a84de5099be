"""Power of the tests: detectable effects of a number of subjects, and subjects needed for an effect.

Effects on ratios are Cohen's w, sqrt(sum((p1 - p0)^2 / p0)): 0.02 is 51 to 49 in place of 50 to 50. A test of level
alpha with d degrees of freedom detects an effect w in n subjects with the probability that a noncentral chi-square of d
degrees and noncentrality n w^2 exceeds the central one's quantile (Cohen, 1988, chapter 7).
"""

import math

import numpy as np
from scipy import special

from analysis.statistics.argument_checks import (
    Floats,
    Shares,
    conditional_shares,
    require_level,
    require_positive,
    require_share,
)


def ratio_power(subjects: int, shares: Shares, effect: float, alpha: float) -> float:
    """Return the power of the chi-square test of the sample ratio for an imbalance of the given size.

    Args:
        subjects: number of subjects.
        shares: expected shares, as for `multinomial_test`.
        effect: Cohen's w; 0.2 is 60 to 40 in place of 50 to 50.
        alpha: level of the test.

    Returns:
        0 to 1; 0 when fewer than two groups have a share above 0.

    Raises:
        ValueError: *effect* is negative, *alpha* not between 0 and 1, or a share negative or not finite.

    Source: Cohen (1988), chapter 7.
    """
    require_level("alpha", alpha)
    if not effect >= 0:
        raise ValueError(f"an effect must be 0 or more, not {effect}")
    degrees = int(np.count_nonzero(conditional_shares(shares))) - 1
    if degrees < 1 or subjects < 1:
        return 0.0
    return _power(degrees, subjects * effect**2, alpha)


def imbalance_effect(expected: Shares, actual: Shares) -> float:
    """Return Cohen's w of *actual* shares in place of *expected* ones; neither need sum to 1.

    Raises:
        ValueError: the lengths differ, a share is negative or not finite, all are 0, or a group with an expected
            share of 0 has another actual one.

    Source: Cohen (1988), chapter 7.
    """
    before, after = _some_share(expected), _some_share(actual)
    if before.shape != after.shape or after[before == 0].any():
        raise ValueError("each expected share needs an actual one, and an expected 0 an actual 0")
    possible = before > 0
    return float(np.sqrt(((after[possible] - before[possible]) ** 2 / before[possible]).sum()))


def loss_effect(shares: Shares, group: int, loss: float) -> float:
    """Return Cohen's w after one group, and no other, loses a share *loss* of its subjects.

    Args:
        shares: expected before the loss.
        group: index of the group that loses.
        loss: 0 to 1.

    Raises:
        ValueError: *loss* or *shares* are invalid, or *group* has a share of 0.

    Source: derived here. The shares become p_g (1 - l) / (1 - p_g l) and p_j / (1 - p_g l), which gives
    w = l sqrt(p_g (1 - p_g)) / (1 - p_g l).
    """
    require_share("a loss", loss)
    share = _share_of(shares, group)
    if share == loss == 1:
        raise ValueError("no subject is left after the loss")
    return loss * math.sqrt(share * (1 - share)) / (1 - share * loss)


def subjects_needed(effect: float, shares: Shares, alpha: float, power: float = 0.8) -> int:
    """Return the number of subjects needed to detect an imbalance of size *effect*.

    Args:
        effect: Cohen's w, from `imbalance_effect` or `loss_effect`. The number is that after a loss.
        shares: expected shares; only the number above 0 matters.
        alpha: level of the chi-square test.
        power: probability of detection; above *alpha*.

    Raises:
        ValueError: *effect* is not above 0, fewer than two groups have a share above 0, or not 0 < *alpha* <
            *power* < 1.

    Source: Cohen (1988), chapter 7: noncentrality / effect^2.
    """
    require_positive("effect", effect)
    return math.ceil(_noncentrality(_degrees(shares), alpha, power) / effect**2)


def smallest_effect(subjects: int, shares: Shares, alpha: float, power: float = 0.8) -> float:
    """Return the smallest Cohen's w that *subjects* can detect; arguments as for `subjects_needed`.

    Raises:
        ValueError: no subjects, or as for `subjects_needed`.

    Source: as for `subjects_needed`, solved for the effect.
    """
    require_positive("subjects", subjects)
    return math.sqrt(_noncentrality(_degrees(shares), alpha, power) / subjects)


def smallest_imbalance(subjects: int, shares: Shares, group: int, alpha: float, power: float = 0.8) -> float | None:
    """Return the smallest detectable share of *group* above the expected one, with the others in proportion.

    Args:
        subjects: number of subjects.
        shares: expected shares.
        group: index of the group with too many subjects.
        alpha, power: as for `subjects_needed`.

    Returns:
        A share of 0 to 1 (such as 0.51 in place of 0.5); None when even a share of 1 cannot be detected.

    Raises:
        ValueError: as for `smallest_effect`, or *group* has a share of 0.

    Source: derived here. With the others in proportion, w = |p1 - p0| / sqrt(p0 (1 - p0)).
    """
    share = _share_of(shares, group)
    larger = share + smallest_effect(subjects, shares, alpha, power) * math.sqrt(share * (1 - share))
    return larger if larger <= 1 else None


def smallest_loss(subjects: int, shares: Shares, group: int, alpha: float, power: float = 0.8) -> float | None:
    """Return the smallest detectable loss of one group's subjects, as a share of them, when no other group loses any.

    Args:
        subjects: number of subjects after the loss.
        shares: expected shares before the loss.
        group: index of the group that loses subjects.
        alpha, power: as for `subjects_needed`.

    Returns:
        A share of 0 to 1; None when even the loss of all its subjects cannot be detected.

    Raises:
        ValueError: as for `smallest_effect`, or *group* has a share of 0.

    Source: derived here, `loss_effect` solved for the loss: l = w / (sqrt(p_g (1 - p_g)) + w p_g).
    """
    share = _share_of(shares, group)
    effect = smallest_effect(subjects, shares, alpha, power)
    loss = effect / (math.sqrt(share * (1 - share)) + effect * share)
    return loss if loss <= 1 else None


def rate_variance(rate: float, between: float, impressions: float, impressions_variance: float) -> float:
    """Return the variance of one subject's part in a click-through rate, from its components.

    The prediction of `Moments.rate_variance`: a subject clicks on each impression with a probability (the propensity)
    that does not depend on the number of impressions.

    Args:
        rate: mean propensity, clicks per impression, 0 to 1.
        between: variance of the propensity between subjects, 0 to rate * (1 - rate). Of Beta(a, b):
            a b / ((a + b)^2 (a + b + 1)).
        impressions: mean impressions per subject, above 0.
        impressions_variance: variance between subjects, 0 or more.

    Returns:
        Variance of a group's rate, times its number of subjects.

    Raises:
        ValueError: a component is outside its range.

    Source: derived here. (E[I] (r (1 - r) - b) + E[I^2] b) / E[I]^2, by the law of total variance of clicks - r *
        impressions.
    """
    require_share("a rate", rate)
    require_positive("impressions", impressions)
    if not 0 <= between <= rate * (1 - rate) or not 0 <= impressions_variance < math.inf:
        raise ValueError("a variance is outside its range")
    squared = impressions_variance + impressions**2
    return (impressions * (rate * (1 - rate) - between) + squared * between) / impressions**2


def rate_power(difference: float, variance: float, control: int, treatment: int, alpha: float = 0.05) -> float:
    """Return the power of `compare_rates` to detect a *difference* between two groups.

    Args:
        difference: difference of clicks per impression; its sign does not matter.
        variance: variance of one subject's part, in both groups, from `Moments.rate_variance` or `rate_variance`.
        control, treatment: number of subjects.
        alpha: level of the two-sided test.

    Raises:
        ValueError: *variance* or a number of subjects is not above 0, or *alpha* not between 0 and 1.

    Source: the two-sided normal test is a chi-square test of one degree; its noncentrality is
    (difference / standard error)^2.
    """
    require_level("alpha", alpha)
    return _power(1, difference**2 / _difference_variance(variance, control, treatment), alpha)


def smallest_difference(
    variance: float, control: int, treatment: int, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Return the smallest detectable difference of click-through rates; arguments as for `rate_power`.

    Raises:
        ValueError: as for `rate_power`, or *power* is not between *alpha* and 1.

    Source: `rate_power`, solved for the difference.
    """
    spread = _difference_variance(variance, control, treatment)
    return math.sqrt(_noncentrality(1, alpha, power) * spread)


def _power(degrees: int, noncentrality: float, alpha: float) -> float:
    return float(1 - special.chndtr(special.chdtri(degrees, alpha), degrees, noncentrality))


def _noncentrality(degrees: int, alpha: float, power: float) -> float:
    """Return the noncentrality at which a chi-square test of level *alpha* has this *power*."""
    require_level("alpha", alpha)
    require_level("power", power)
    if power <= alpha:
        raise ValueError(f"power must be above alpha ({alpha}), not {power}")
    return float(special.chndtrinc(special.chdtri(degrees, alpha), degrees, 1 - power))


def _difference_variance(variance: float, control: int, treatment: int) -> float:
    require_positive("variance", variance)
    require_positive("control", control)
    require_positive("treatment", treatment)
    return variance / control + variance / treatment


def _some_share(shares: Shares) -> Floats:
    numbers = conditional_shares(shares)
    if not numbers.any():
        raise ValueError("no group has a share above 0")
    return numbers


def _share_of(shares: Shares, group: int) -> float:
    numbers = _some_share(shares)
    if not 0 <= group < numbers.size or not numbers[group]:
        raise ValueError(f"group {group} has a share of 0 or does not exist")
    return float(numbers[group])


def _degrees(shares: Shares) -> int:
    degrees = int(np.count_nonzero(_some_share(shares))) - 1
    if degrees < 1:
        raise ValueError("a ratio needs two groups or more")
    return degrees
