"""Sample ratio: are the groups as large as they should be, and if not, does it matter?"""

import itertools
import math
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from analysis.statistics.argument_checks import (
    Counts,
    Floats,
    Shares,
    one_count_a_share,
    require_positive,
    require_share,
)

#: Below this expected count in any group the chi-square approximation is not trusted (Cochran, 1954).
SMALL_EXPECTED = 5.0

#: Up to this many possible outcomes are listed one by one; more are drawn.
MAX_OUTCOMES = 200_000

_DRAWS = 99_999

# The same outcome, summed in another order, may differ in its last digits; scipy's binomtest allows the same.
_TIE = 1e-7


class RatioTest(NamedTuple):
    """A chi-square test of counts against expected shares; None where the counts allow no test."""

    statistic: float | None
    p_value: float | None
    degrees_of_freedom: int


class Method(StrEnum):
    """How a p-value was found. IMPOSSIBLE: somebody was counted where nobody can be."""

    CHI_SQUARE = "chi-square"
    EXACT = "exact"
    DRAWN = "drawn"
    IMPOSSIBLE = "impossible"


class MultinomialTest(NamedTuple):
    """A test of counts against expected shares.

    Attributes:
        statistic: Pearson's, whatever the method; infinite when the counts are impossible.
        p_value: 0 to 1.
        degrees_of_freedom: groups that can have subjects, less one.
        method: that gave the p-value.
        expected: counts, one a group.
        impossible: how many were counted in groups whose share is 0.
    """

    statistic: float
    p_value: float
    degrees_of_freedom: int
    method: Method
    expected: tuple[float, ...]
    impossible: int


class Deviation(NamedTuple):
    """How far counts are from what is expected, whatever chance has to say.

    Attributes:
        effect: Cohen's w, sqrt(sum((observed share - expected share)^2 / expected share)); infinite when somebody was
            counted in a group whose share is 0.
        relative: observed / expected - 1, one a group; -0.02 is 2 % too few. Of a group whose share is 0: 0 when
            nobody was counted, else infinite.
    """

    effect: float
    relative: tuple[float, ...]


def ratio_test(observed: Counts, shares: Shares) -> RatioTest:
    """Test *observed* counts against the *shares* expected of them (Pearson's chi-square, at any size).

    Args:
        observed: counts, one a group.
        shares: at least 0, need not sum to 1 (they are made conditional on being counted). A group whose share is
            0 takes no part and costs no degree of freedom.

    Returns:
        None for statistic and p-value when fewer than two groups can be compared, nothing was counted, or a group
        with share 0 was counted, which no chance explains; `multinomial_test` tells those three apart.

    Raises:
        ValueError: the lengths differ, a count is negative or not whole, a share negative or not finite.

    Source: Pearson (1900), Philosophical Magazine 50:157-175; computed by scipy.
    """
    counts, expected = one_count_a_share(observed, shares)
    possible = expected > 0
    degrees = max(int(possible.sum()) - 1, 0)
    if not degrees or not counts.sum() or counts[~possible].any():
        return RatioTest(None, None, degrees)
    result = scipy.stats.chisquare(counts[possible], expected[possible] * counts.sum())
    return RatioTest(float(result.statistic), float(result.pvalue), degrees)


def multinomial_test(observed: Counts, shares: Shares) -> MultinomialTest:
    """Test *observed* counts against the *shares* expected of them, exactly when they are few.

    Pearson's chi-square when every group is expected to have `SMALL_EXPECTED` or more. Otherwise the exact test: the
    probability of all outcomes that are no more likely than the observed one; with two groups it is the binomial
    test, with more the outcomes are listed, or, beyond `MAX_OUTCOMES`, drawn 99,999 times from a fixed seed.

    Args:
        observed: counts of subjects, one a group.
        shares: at least 0, need not sum to 1. Exact ones: `contracts.assignment.expected_shares`. A group
            whose share is 0 costs no degree of freedom, and a single subject in it gives p = 0.

    Returns:
        p = 1 when nothing was counted or only one group can have subjects: that is no evidence of a fault, nor of
        its absence.

    Raises:
        ValueError: the lengths differ, a count is negative or not whole, a share negative or not finite, or all 0.

    Source: Pearson (1900); exact test: Cressie & Read (1989), International Statistical Review 57:19-43; p-values of
    draws, (1 + hits) / (1 + draws): Davison & Hinkley (1997), chapter 4.
    """
    counts, expected = one_count_a_share(observed, shares)
    possible = expected > 0
    if not possible.any():
        raise ValueError("no group has a share above 0")
    total = int(counts.sum())
    degrees = int(possible.sum()) - 1
    told = tuple((expected * total).tolist())
    impossible = int(counts[~possible].sum())
    if impossible:
        return MultinomialTest(math.inf, 0.0, degrees, Method.IMPOSSIBLE, told, impossible)
    if not degrees or not total:
        return MultinomialTest(0.0, 1.0, degrees, Method.EXACT, told, 0)
    kept, likely = counts[possible], expected[possible]
    pearson = scipy.stats.chisquare(kept, likely * total)
    p_value, method = float(pearson.pvalue), Method.CHI_SQUARE
    if (likely * total).min() < SMALL_EXPECTED:
        p_value, method = _exact(kept, likely)
    return MultinomialTest(float(pearson.statistic), p_value, degrees, method, told, 0)


def chi_square(observed: NDArray[np.integer], shares: Shares) -> tuple[Floats, Floats]:
    """Return Pearson's statistic and its p-value of many outcomes at once.

    Args:
        observed: counts, shape (..., groups); somebody in each outcome.
        shares: above 0, one a group.

    Returns:
        Two arrays of shape (...).

    Raises:
        ValueError: an outcome without subjects, a share of 0, fewer than two groups, or shapes that do not fit.

    Source: as of `ratio_test`.
    """
    _, expected = one_count_a_share(np.zeros(observed.shape[-1], dtype=np.int64), shares)
    totals = observed.sum(axis=-1, keepdims=True)
    if expected.size < 2 or not expected.all() or not np.all(totals > 0):
        raise ValueError("two groups or more with shares above 0, and somebody in each outcome")
    result = scipy.stats.chisquare(observed, expected * totals, axis=-1)
    return np.asarray(result.statistic, dtype=np.float64), np.asarray(result.pvalue, dtype=np.float64)


def deviation(observed: Counts, shares: Shares) -> Deviation:
    """Return how far *observed* counts are from the expected *shares*, in size, not in significance.

    Raises:
        ValueError: nothing was counted, or as of `multinomial_test`.

    Source: Cohen (1988), chapter 7.
    """
    counts, expected = one_count_a_share(observed, shares)
    if not counts.sum() or not expected.any():
        raise ValueError("nothing was counted, or no group has a share above 0")
    found = counts / counts.sum()
    relative = [
        count / share - 1 if share else (math.inf if count else 0.0)
        for count, share in zip(found.tolist(), expected.tolist(), strict=True)
    ]
    if math.inf in relative:
        return Deviation(math.inf, tuple(relative))
    possible = expected > 0
    squares = (found[possible] - expected[possible]) ** 2 / expected[possible]
    return Deviation(float(np.sqrt(squares.sum())), tuple(relative))


def exceeds_floor(observed: Counts, shares: Shares, floor: float) -> bool:
    """Return whether any group is larger or smaller than expected by *floor* or more (0.005 is half a per cent).

    For very large counts, where the chi-square test calls what no decision would hang on: call a mismatch when the
    test and the floor both say so. In two equal groups of fewer than 27,000 subjects together, whatever the test calls
    at 0.001 also meets a floor of 2 %.

    Raises:
        ValueError: *floor* is not above 0, or as of `deviation`.

    Source: own. In two equal groups of n together the chi-square test calls deviations of z / sqrt(n), z = 3.29.
    """
    require_positive("floor", floor)
    return any(abs(relative) >= floor for relative in deviation(observed, shares).relative)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return *p_values* adjusted for being several: below alpha, they are so with a family-wise error of alpha.

    In the order given; empty gives empty. No independence is assumed.

    Raises:
        ValueError: a p-value is not between 0 and 1.

    Source: Holm (1979), Scandinavian Journal of Statistics 6:65-70.
    """
    for p_value in p_values:
        require_share("a p-value", p_value)
    order = np.argsort(p_values, kind="stable")
    steps = np.arange(len(p_values), 0, -1)
    stepped = np.minimum(np.maximum.accumulate(np.asarray(p_values, dtype=np.float64)[order] * steps), 1.0)
    adjusted = np.empty(len(p_values))
    adjusted[order] = stepped
    return tuple(adjusted.tolist())


def _exact(counts: NDArray[np.int64], shares: Floats) -> tuple[float, Method]:
    total = int(counts.sum())
    if counts.size == 2:
        return float(scipy.stats.binomtest(int(counts[0]), total, float(shares[0])).pvalue), Method.EXACT
    mine = scipy.stats.multinomial.logpmf(counts, total, shares)
    if math.comb(total + counts.size - 1, counts.size - 1) <= MAX_OUTCOMES:
        likely = scipy.stats.multinomial.logpmf(_outcomes(total, counts.size), total, shares)
        return min(float(np.exp(likely[likely <= mine + _TIE]).sum()), 1.0), Method.EXACT
    # A fixed seed: the same rows must give the same verdict.
    drawn = np.random.default_rng(0).multinomial(total, shares, size=_DRAWS)
    hits = np.count_nonzero(scipy.stats.multinomial.logpmf(drawn, total, shares) <= mine + _TIE)
    return (1 + hits) / (1 + _DRAWS), Method.DRAWN


def _outcomes(total: int, groups: int) -> NDArray[np.int64]:
    """Return all ways to put *total* subjects into *groups*, shape (outcomes, groups): bars between stars."""
    bars = np.array(list(itertools.combinations(range(total + groups - 1), groups - 1)), dtype=np.int64)
    ends = np.full((len(bars), 1), total + groups - 1, dtype=np.int64)
    return np.diff(bars, axis=1, prepend=-1, append=ends) - 1
