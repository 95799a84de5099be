"""Tests of independence between the groups of two experiments, and of uniform hashes."""

from typing import Literal, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from analysis.statistics.argument_checks import Counts, Floats, require_positive, whole_counts
from contracts.assignment import HASH_SPACE


class IndependenceTest(NamedTuple):
    """Result of a test that rows and columns of a table are independent.

    Attributes:
        statistic: G, or Pearson's chi-square.
        p_value: 0 to 1.
        degrees_of_freedom: (rows - 1) (columns - 1), without empty rows and columns.
        cramers_v: size of the association, 0 to 1 (sqrt(chi-square / subjects / (smaller side - 1))).
        smallest_expected: smallest expected count of a cell; below 5 the p-value is rough.
    """

    statistic: float
    p_value: float
    degrees_of_freedom: int
    cramers_v: float
    smallest_expected: float


class UniformityTest(NamedTuple):
    """Result of tests that whole numbers are spread evenly over a range.

    Attributes:
        chi_square: Pearson's statistic over the bins.
        chi_square_p: its p-value; sensitive to clumps anywhere.
        distance: largest distance between the observed and the uniform distribution function, 0 to 1.
        distance_p: its p-value; sensitive to slow drifts over the whole range.
    """

    chi_square: float
    chi_square_p: float
    distance: float
    distance_p: float


def independence_test(
    table: NDArray[np.integer], statistic: Literal["log-likelihood", "pearson"] = "log-likelihood"
) -> IndependenceTest:
    """Test whether the groups of two experiments are independent of each other.

    Args:
        table: number of subjects in both experiments, shape (groups of one, groups of the other). Rows and columns
            without subjects are left out.
        statistic: "log-likelihood" (the G-test) or "pearson"; no continuity correction.

    Returns:
        p = 1 when fewer than two rows or two columns have subjects.

    Raises:
        ValueError: *table* does not have two dimensions, or a count is negative or not whole.

    Source: Sokal & Rohlf (1981), chapter 17; Cramér (1946), section 21.9; computed by scipy.
    """
    counts = whole_counts(table)
    if counts.ndim != 2:
        raise ValueError("a cross table has two dimensions")
    counts = counts[counts.any(axis=1)][:, counts.any(axis=0)]
    if min(counts.shape) < 2:
        return IndependenceTest(0.0, 1.0, 0, 0.0, 0.0)
    test = scipy.stats.chi2_contingency(counts, correction=False, lambda_=statistic)
    return IndependenceTest(
        max(float(test.statistic), 0.0),
        float(test.pvalue),
        int(test.dof),
        float(scipy.stats.contingency.association(counts, method="cramer")),
        float(np.min(test.expected_freq)),
    )


def uniformity_test(hashes: Counts, space: int = HASH_SPACE, bins: int = 256) -> UniformityTest:
    """Test whether *hashes* are spread evenly over 0 to *space* - 1.

    The 24-bit hash is uniform over all subjects. Over the sampled ones it is not: there, test the hash minus the first
    hash of its group, with the number of hashes of a group as *space*.

    Args:
        hashes: whole numbers, shape (n,), one for each subject.
        space: number of possible values.
        bins: number of bins of the chi-square, 2 to *space*. They are as equal as *space* allows, and their exact sizes
            are used. With more than a fifth of the number of hashes the p-value is rough.

    Raises:
        ValueError: no hashes, one outside the space, or too few or too many bins.

    Source: Pearson (1900). The distance is that of Kolmogorov and Smirnov, on the steps of the discrete distribution.
    Its p-value is that of the continuous distribution, which is never too small for a discrete one (Noether, 1963).
    """
    numbers = whole_counts(hashes)
    require_positive("space", space)
    if numbers.ndim != 1 or not numbers.size or numbers.max() >= space:
        raise ValueError(f"at least one hash, each from 0 to {space - 1}")
    if not 2 <= bins <= space:
        raise ValueError(f"2 to {space} bins, not {bins}")
    counts = np.bincount(numbers * bins // space, minlength=bins)
    chi_square = scipy.stats.chisquare(counts, _bin_shares(space, bins) * numbers.size)
    distance = _distance(np.sort(numbers), space)
    return UniformityTest(
        float(chi_square.statistic),
        float(chi_square.pvalue),
        distance,
        float(scipy.stats.kstwo.sf(distance, numbers.size)),
    )


def _bin_shares(space: int, bins: int) -> Floats:
    """Return the share of whole numbers below *space* that fall into each bin."""
    edges = -(-np.arange(bins + 1, dtype=np.int64) * space // bins)
    return np.diff(edges) / space


def _distance(ordered: NDArray[np.int64], space: int) -> float:
    """Return the largest distance, taken at and just before each step."""
    steps = np.arange(ordered.size + 1) / ordered.size
    above = steps[1:] - (ordered + 1) / space
    below = ordered / space - steps[:-1]
    return float(max(above.max(), below.max(), 0.0))
