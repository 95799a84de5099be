"""How much can be seen with so many subjects, and how many are needed to see so much?

Effects on ratios are Cohen's w, sqrt(sum((p1 - p0)^2 / p0)): 0.02 is 51 to 49 where 50 to 50 was meant. A test of level
alpha with d degrees of freedom sees an effect w in n subjects with the probability that a noncentral chi-square of d
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
    """Return the power of `ratio_test` to see an imbalance of the given size.

    Args:
        subjects: how many are counted.
        shares: as of `ratio_test`.
        effect: Cohen's w; 0.2 is 60 to 40 where 50 to 50 was meant.
        alpha: level of the test.

    Returns:
        0 to 1; 0 where fewer than two groups can have subjects.

    Raises:
        ValueError: *effect* is negative, *alpha* not between 0 and 1, or a share negative or not finite.

    Source: Cohen (1988), chapter 7.
    """
    require_level("alpha", alpha)
    if not effect >= 0:
        raise ValueError(f"an effect is 0 or more, not {effect}")
    degrees = int(np.count_nonzero(conditional_shares(shares))) - 1
    if degrees < 1 or subjects < 1:
        return 0.0
    return _power(degrees, subjects * effect**2, alpha)


def imbalance_effect(expected: Shares, actual: Shares) -> float:
    """Return Cohen's w of *actual* shares where *expected* ones were meant; neither need sum to 1.

    Raises:
        ValueError: the lengths differ, a share is negative or not finite, all are 0, or a group has subjects that
            should have none.

    Source: Cohen (1988), chapter 7.
    """
    meant, found = _some_share(expected), _some_share(actual)
    if meant.shape != found.shape or found[meant == 0].any():
        raise ValueError("one actual share an expected one, and none where nobody is expected")
    possible = meant > 0
    return float(np.sqrt(((found[possible] - meant[possible]) ** 2 / meant[possible]).sum()))


def loss_effect(shares: Shares, group: int, loss: float) -> float:
    """Return Cohen's w that is left when a share *loss* of one group's subjects vanishes and nobody else does.

    Args:
        shares: expected before the loss.
        group: index of the group that loses.
        loss: 0 to 1.

    Raises:
        ValueError: *loss* is not a share, *group* not one that can have subjects, or *shares* are none.

    Source: own. The shares become p_g (1 - l) / (1 - p_g l) and p_j / (1 - p_g l), which gives
    w = l sqrt(p_g (1 - p_g)) / (1 - p_g l).
    """
    require_share("a loss", loss)
    share = _share_of(shares, group)
    if share == loss == 1:
        raise ValueError("nobody is left")
    return loss * math.sqrt(share * (1 - share)) / (1 - share * loss)


def subjects_needed(effect: float, shares: Shares, alpha: float, power: float = 0.8) -> int:
    """Return how many subjects must be counted to see an imbalance of size *effect*.

    Args:
        effect: Cohen's w, as `imbalance_effect` and `loss_effect` give it. After a loss, those left are meant.
        shares: expected; only how many are above 0 matters.
        alpha: level of the chi-square test.
        power: probability to see it; above *alpha*.

    Raises:
        ValueError: *effect* is not above 0, fewer than two groups can have subjects, or *alpha* and *power* are not
            0 < alpha < power < 1.

    Source: Cohen (1988), chapter 7: noncentrality / effect^2.
    """
    require_positive("effect", effect)
    return math.ceil(_noncentrality(_degrees(shares), alpha, power) / effect**2)


def smallest_effect(subjects: int, shares: Shares, alpha: float, power: float = 0.8) -> float:
    """Return the smallest Cohen's w that *subjects* show; the arguments are those of `subjects_needed`.

    Raises:
        ValueError: no subjects, or as of `subjects_needed`.

    Source: as of `subjects_needed`, solved for the effect.
    """
    require_positive("subjects", subjects)
    return math.sqrt(_noncentrality(_degrees(shares), alpha, power) / subjects)


def smallest_imbalance(subjects: int, shares: Shares, group: int, alpha: float, power: float = 0.8) -> float | None:
    """Return the smallest share of *group* above the expected one that *subjects* show, the others sharing the rest.

    Args:
        subjects: counted.
        shares: expected.
        group: index of the group that has too many.
        alpha, power: as of `subjects_needed`.

    Returns:
        A share of 0 to 1 (0.51 where 0.5 was meant); None when even all subjects in that group would not be seen.

    Raises:
        ValueError: as of `smallest_effect`, or *group* is not one that can have subjects.

    Source: own. With the others in proportion, w = |p1 - p0| / sqrt(p0 (1 - p0)).
    """
    share = _share_of(shares, group)
    found = share + smallest_effect(subjects, shares, alpha, power) * math.sqrt(share * (1 - share))
    return found if found <= 1 else None


def smallest_loss(subjects: int, shares: Shares, group: int, alpha: float, power: float = 0.8) -> float | None:
    """Return the smallest share of one group's subjects whose loss shows, when nobody else is lost.

    Args:
        subjects: counted, after the loss.
        shares: expected before the loss.
        group: index of the group that loses.
        alpha, power: as of `subjects_needed`.

    Returns:
        A share of 0 to 1; None when even the loss of all of them would not be seen.

    Raises:
        ValueError: as of `smallest_effect`, or *group* is not one that can have subjects.

    Source: own, `loss_effect` solved for the loss: l = w / (sqrt(p_g (1 - p_g)) + w p_g).
    """
    share = _share_of(shares, group)
    effect = smallest_effect(subjects, shares, alpha, power)
    loss = effect / (math.sqrt(share * (1 - share)) + effect * share)
    return loss if loss <= 1 else None


def rate_variance(rate: float, between: float, impressions: float, impressions_variance: float) -> float:
    """Return the variance of one subject's part in a click-through rate, from its components.

    The same as `Moments.rate_variance`, foretold: a subject with i impressions clicks on each with their own
    propensity, and propensities do not depend on i.

    Args:
        rate: mean propensity, clicks per impression, 0 to 1.
        between: variance of the propensity between subjects, 0 to rate * (1 - rate). Of Beta(a, b):
            a b / ((a + b)^2 (a + b + 1)).
        impressions: mean per subject, above 0.
        impressions_variance: between subjects, 0 or more.

    Returns:
        Variance of a group's rate, times its number of subjects.

    Raises:
        ValueError: a component is outside its range.

    Source: own. (E[I] (r (1 - r) - b) + E[I^2] b) / E[I]^2, by the law of total variance of clicks - r * impressions.
    """
    require_share("a rate", rate)
    require_positive("impressions", impressions)
    if not 0 <= between <= rate * (1 - rate) or not 0 <= impressions_variance < math.inf:
        raise ValueError("a variance is outside its range")
    squared = impressions_variance + impressions**2
    return (impressions * (rate * (1 - rate) - between) + squared * between) / impressions**2


def rate_power(difference: float, variance: float, control: int, treatment: int, alpha: float = 0.05) -> float:
    """Return the power of `compare_rates` to see a *difference* between two groups.

    Args:
        difference: of clicks per impression; its sign does not matter.
        variance: of one subject's part, in both groups, as of `Moments.rate_variance` or `rate_variance`.
        control, treatment: subjects.
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
    """Return the smallest difference of click-through rates that two groups show; arguments as of `rate_power`.

    Raises:
        ValueError: as of `rate_power`, or *power* is not between *alpha* and 1.

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
        raise ValueError(f"a power of {power} is that of no effect at all when alpha is {alpha}")
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
        raise ValueError(f"group {group} is none that can have subjects")
    return float(numbers[group])


def _degrees(shares: Shares) -> int:
    degrees = int(np.count_nonzero(_some_share(shares))) - 1
    if degrees < 1:
        raise ValueError("a ratio needs two groups or more")
    return degrees
