"""Are two experiments' groups independent of each other, and are the hashes uniform?"""

from typing import Literal, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from analysis.statistics.argument_checks import Counts, Floats, require_positive, whole_counts
from contracts.assignment import HASH_SPACE


class IndependenceTest(NamedTuple):
    """A test that rows and columns of a table are independent.

    Attributes:
        statistic: G, or Pearson's chi-square.
        p_value: 0 to 1.
        degrees_of_freedom: (rows - 1) (columns - 1), of the rows and columns that are not empty.
        cramers_v: size of the association, 0 to 1 (sqrt(chi-square / subjects / (smaller side - 1))).
        smallest_expected: count of a cell; below 5 the p-value is a rough one.
    """

    statistic: float
    p_value: float
    degrees_of_freedom: int
    cramers_v: float
    smallest_expected: float


class UniformityTest(NamedTuple):
    """Tests that whole numbers are spread evenly over a range.

    Attributes:
        chi_square: Pearson's statistic over the bins.
        chi_square_p: its p-value; sees clumps anywhere.
        distance: largest distance between the observed and the uniform distribution function, 0 to 1.
        distance_p: its p-value; sees slow drifts over the whole range.
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
        table: subjects who are in both experiments, shape (groups of one, groups of the other). Rows and columns
            without subjects take no part.
        statistic: "log-likelihood" (the G-test) or "pearson"; no continuity correction.

    Returns:
        p = 1 when fewer than two rows or two columns have subjects.

    Raises:
        ValueError: *table* has not two dimensions, or a count is negative or not whole.

    Source: Sokal & Rohlf (1981), chapter 17; Cramér (1946), section 21.9; computed by scipy.
    """
    counts = whole_counts(table)
    if counts.ndim != 2:
        raise ValueError("a cross table has two dimensions")
    counts = counts[counts.any(axis=1)][:, counts.any(axis=0)]
    if min(counts.shape) < 2:
        return IndependenceTest(0.0, 1.0, 0, 0.0, 0.0)
    found = scipy.stats.chi2_contingency(counts, correction=False, lambda_=statistic)
    return IndependenceTest(
        max(float(found.statistic), 0.0),
        float(found.pvalue),
        int(found.dof),
        float(scipy.stats.contingency.association(counts, method="cramer")),
        float(np.min(found.expected_freq)),
    )


def uniformity_test(hashes: Counts, space: int = HASH_SPACE, bins: int = 256) -> UniformityTest:
    """Test whether *hashes* are spread evenly over 0 to *space* - 1.

    Of all who came, the 24-bit hash is uniform. Of those in the sample it is not: test the hash less the first hash
    of its group instead, with the number of hashes that a group has as *space*.

    Args:
        hashes: whole numbers, shape (n,), of independent subjects; a subject counts once.
        space: how many values there are.
        bins: of the chi-square, 2 to *space*; as equal as *space* allows, and exact where they are not. No more than a
            fifth of the hashes, or the p-value is a rough one.

    Raises:
        ValueError: no hashes, one outside the space, or too few or too many bins.

    Source: Pearson (1900). The distance is Kolmogorov's and Smirnov's on the steps of the discrete distribution; its
    p-value is that of the continuous one, which for a discrete one is never too small (Noether, 1963).
    """
    numbers = whole_counts(hashes)
    require_positive("space", space)
    if numbers.ndim != 1 or not numbers.size or numbers.max() >= space:
        raise ValueError(f"at least one hash, each from 0 to {space - 1}")
    if not 2 <= bins <= space:
        raise ValueError(f"2 to {space} bins, not {bins}")
    found = np.bincount(numbers * bins // space, minlength=bins)
    chi_square = scipy.stats.chisquare(found, _bin_shares(space, bins) * numbers.size)
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
