"""Tests of the sample ratio, the size of an imbalance, and the correction for several tests."""

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
    counts_and_shares,
    require_positive,
    require_share,
)

#: Least expected count of every group for the chi-square approximation (Cochran, 1954).
SMALL_EXPECTED = 5.0

#: Most possible outcomes that are enumerated; beyond that they are drawn at random.
MAX_OUTCOMES = 200_000

_DRAWS = 99_999

# The same outcome, summed in another order, may differ in its last digits; scipy's binomtest allows the same.
_TIE = 1e-7


class Method(StrEnum):
    """Method behind a p-value. IMPOSSIBLE: a subject was counted in a group with a share of 0."""

    CHI_SQUARE = "chi-square"
    EXACT = "exact"
    DRAWN = "drawn"
    IMPOSSIBLE = "impossible"


class MultinomialTest(NamedTuple):
    """Result of a test of counts against expected shares.

    Attributes:
        statistic: Pearson's chi-square, with any method; infinite when the counts are impossible.
        p_value: 0 to 1.
        degrees_of_freedom: number of groups with a share above 0, minus one.
        method: method behind the p-value.
        expected: expected count of each group.
        impossible: number of subjects in groups with a share of 0.
    """

    statistic: float
    p_value: float
    degrees_of_freedom: int
    method: Method
    expected: tuple[float, ...]
    impossible: int


class Deviation(NamedTuple):
    """Size of the deviation of counts from their expectation, without regard to significance.

    Attributes:
        effect: Cohen's w, sqrt(sum((observed share - expected share)^2 / expected share)); infinite when a group with a
            share of 0 has subjects.
        relative: observed / expected - 1 for each group; -0.02 is 2 % too few. For a group with a share of 0: 0 without
            subjects, else infinite.
    """

    effect: float
    relative: tuple[float, ...]


def multinomial_test(observed: Counts, shares: Shares) -> MultinomialTest:
    """Test *observed* counts against the expected *shares*; with an exact test when counts are small.

    Pearson's chi-square when every group is expected to have `SMALL_EXPECTED` or more. Otherwise the exact test: the
    probability of all outcomes that are at most as likely as the observed one. With two groups it is the binomial test.
    With more, the outcomes are enumerated, or, beyond `MAX_OUTCOMES`, drawn 99,999 times from a fixed seed.

    Args:
        observed: number of subjects of each group.
        shares: at least 0, need not sum to 1. Exact ones: `contracts.assignment.expected_shares`. A group with a share
            of 0 adds no degree of freedom, and a single subject in it gives p = 0.

    Returns:
        p = 1 without subjects or with one possible group: evidence neither of a fault nor of its absence.

    Raises:
        ValueError: the lengths differ, a count is negative or not whole, a share negative or not finite, or all 0.

    Source: Pearson (1900); exact test: Cressie & Read (1989), International Statistical Review 57:19-43; p-values of
    draws, (1 + hits) / (1 + draws): Davison & Hinkley (1997), chapter 4.
    """
    counts, expected = counts_and_shares(observed, shares)
    possible = expected > 0
    if not possible.any():
        raise ValueError("no group has a share above 0")
    total = int(counts.sum())
    degrees = int(possible.sum()) - 1
    expected_counts = tuple((expected * total).tolist())
    impossible = int(counts[~possible].sum())
    if impossible:
        return MultinomialTest(math.inf, 0.0, degrees, Method.IMPOSSIBLE, expected_counts, impossible)
    if not degrees or not total:
        return MultinomialTest(0.0, 1.0, degrees, Method.EXACT, expected_counts, 0)
    kept, likely = counts[possible], expected[possible]
    pearson = scipy.stats.chisquare(kept, likely * total)
    p_value, method = float(pearson.pvalue), Method.CHI_SQUARE
    if (likely * total).min() < SMALL_EXPECTED:
        p_value, method = _exact(kept, likely)
    return MultinomialTest(float(pearson.statistic), p_value, degrees, method, expected_counts, 0)


def chi_square(observed: NDArray[np.integer], shares: Shares) -> tuple[Floats, Floats]:
    """Return Pearson's chi-square and its p-value for many outcomes, vectorised.

    Args:
        observed: counts, shape (..., groups); at least one subject in each outcome.
        shares: share of each group, above 0.

    Returns:
        Two arrays of shape (...).

    Raises:
        ValueError: an outcome without subjects, a share of 0, fewer than two groups, or shapes that do not fit.

    Source: Pearson (1900), Philosophical Magazine 50:157-175; computed by scipy.
    """
    _, expected = counts_and_shares(np.zeros(observed.shape[-1], dtype=np.int64), shares)
    totals = observed.sum(axis=-1, keepdims=True)
    if expected.size < 2 or not expected.all() or not np.all(totals > 0):
        raise ValueError("two groups or more must have shares above 0, and every outcome a subject")
    result = scipy.stats.chisquare(observed, expected * totals, axis=-1)
    return np.asarray(result.statistic, dtype=np.float64), np.asarray(result.pvalue, dtype=np.float64)


def deviation(observed: Counts, shares: Shares) -> Deviation:
    """Return the size of the deviation of *observed* counts from the expected *shares*.

    Raises:
        ValueError: all counts are 0, or as for `multinomial_test`.

    Source: Cohen (1988), chapter 7.
    """
    counts, expected = counts_and_shares(observed, shares)
    if not counts.sum() or not expected.any():
        raise ValueError("all counts are 0, or no group has a share above 0")
    actual = counts / counts.sum()
    relative = [
        count / share - 1 if share else (math.inf if count else 0.0)
        for count, share in zip(actual.tolist(), expected.tolist(), strict=True)
    ]
    if math.inf in relative:
        return Deviation(math.inf, tuple(relative))
    possible = expected > 0
    squares = (actual[possible] - expected[possible]) ** 2 / expected[possible]
    return Deviation(float(np.sqrt(squares.sum())), tuple(relative))


def exceeds_floor(observed: Counts, shares: Shares, floor: float) -> bool:
    """Return whether any group deviates from its expectation by the share *floor* or more (0.005 is half a per cent).

    For very large counts the chi-square test detects imbalances that do not affect any decision; then require the floor
    as well. With two equal groups of fewer than 27,000 subjects together, every imbalance that the test detects at
    0.001 also meets a floor of 2 %.

    Raises:
        ValueError: *floor* is not above 0, or as for `deviation`.

    Source: derived here. With two equal groups of n together the test detects deviations of z / sqrt(n), z = 3.29.
    """
    require_positive("floor", floor)
    return any(abs(relative) >= floor for relative in deviation(observed, shares).relative)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return *p_values* adjusted for multiple tests: comparing them with alpha has a family-wise error of alpha.

    The order is kept; an empty sequence stays empty. No independence is assumed.

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
    # A fixed seed, because the same rows must give the same verdict.
    drawn = np.random.default_rng(0).multinomial(total, shares, size=_DRAWS)
    hits = np.count_nonzero(scipy.stats.multinomial.logpmf(drawn, total, shares) <= mine + _TIE)
    return (1 + hits) / (1 + _DRAWS), Method.DRAWN


def _outcomes(total: int, groups: int) -> NDArray[np.int64]:
    """Return all distributions of *total* subjects over *groups*, shape (outcomes, groups), by stars and bars."""
    bars = np.array(list(itertools.combinations(range(total + groups - 1), groups - 1)), dtype=np.int64)
    ends = np.full((len(bars), 1), total + groups - 1, dtype=np.int64)
    return np.diff(bars, axis=1, prepend=-1, append=ends) - 1
