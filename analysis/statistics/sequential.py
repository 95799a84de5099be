"""Sequential test of the sample ratio, valid at every look during a run."""

from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy import special

from analysis.statistics.argument_checks import Floats, Shares, conditional_shares, require_level, require_positive

#: Most powerful at about 80,000 subjects when alpha is 0.05; see `concentration_for`.
DEFAULT_CONCENTRATION = 10_000.0


class SequentialTest(NamedTuple):
    """Result of a sequential test at each look; arrays of shape (..., looks).

    Attributes:
        log_e_value: natural logarithm of the e-value, the likelihood ratio of shares near the expected ones against the
            expected ones. Can fall again.
        p_value: smallest 1 / e-value so far, at most 1. Valid at every look; never rises.
    """

    log_e_value: Floats
    p_value: Floats

    @property
    def e_value(self) -> Floats:
        """E-values; infinite when too large for a float."""
        with np.errstate(over="ignore"):
            return np.exp(self.log_e_value)

    def first_look(self, alpha: float) -> NDArray[np.int64]:
        """Return the index of the first look at which the p-value is at most *alpha*; -1 without one.

        Raises:
            ValueError: *alpha* is not between 0 and 1.
        """
        require_level("alpha", alpha)
        rejected = self.p_value <= alpha
        return np.where(rejected.any(axis=-1), rejected.argmax(axis=-1), -1).astype(np.int64)


def sequential_test(
    counts: NDArray[np.integer], shares: Shares, concentration: float = DEFAULT_CONCENTRATION
) -> SequentialTest:
    """Test counts that grow against the expected *shares*, valid at all looks together.

    The Bayes factor of a Dirichlet(concentration * shares) mixture of multinomials against the expected multinomial,

        log E = lgamma(c) - lgamma(c + n) + sum_g [lgamma(c s_g + x_g) - lgamma(c s_g) - x_g log s_g]

    is a martingale that begins at 1 when the shares are as expected. So the probability that it ever reaches 1 /
    alpha is at most alpha (Ville): repeated looks keep the level, and need no plan.

    Args:
        counts: subjects so far, shape (..., looks, groups); cumulative, so they never fall from look to look.
        shares: expected share of each group; need not sum to 1. A group with a share of 0 is left out, and from its
            first subject on the e-value is infinite.
        concentration: closeness of the alternatives to the expected shares: a share s varies by about
            sqrt(s (1 - s) / concentration), half a percentage point at 50 % and the default. Small values detect gross
            faults after a few dozen subjects, large ones slight faults in large experiments. Any value fixed before the
            first look is valid. Lindon & Malek's uniform prior (the number of groups) has a power of 0.79 for 50.2 to
            49.8 in 1.6 million subjects, 10,000 has 0.98.

    Returns:
        A value for each look.

    Raises:
        ValueError: shapes do not fit, a count is negative, not whole or falls, no share is above 0, or
            *concentration* is not above 0.

    Source: Lindon & Malek (2022), Anytime-Valid Inference for Multinomial Count Data, NeurIPS, arXiv 2011.03567.
    """
    expected = conditional_shares(shares)
    require_positive("concentration", concentration)
    _require_growing(counts, expected.size)
    possible = expected > 0
    if not possible.any():
        raise ValueError("no group has a share above 0")
    numbers, likely = counts[..., possible].astype(np.float64), expected[possible]
    prior = concentration * likely
    grown = special.gammaln(prior + numbers) - special.gammaln(prior) - numbers * np.log(likely)
    total = special.gammaln(prior.sum() + numbers.sum(axis=-1)) - special.gammaln(prior.sum())
    log_e_value = np.where(counts[..., ~possible].any(axis=-1), np.inf, grown.sum(axis=-1) - total)
    best = np.maximum.accumulate(log_e_value, axis=-1)
    return SequentialTest(log_e_value, np.exp(-np.maximum(best, 0.0)))


def concentration_for(subjects: int, alpha: float, groups: int = 2) -> float:
    """Return the concentration at which `sequential_test` is most powerful around *subjects*.

    About subjects / 8 at alpha = 0.05 and subjects / 17 at 0.001, with two groups. A concentration ten times too
    large or too small loses a few per cent of power.

    Raises:
        ValueError: no subjects, fewer than two groups, or *alpha* not between 0 and 1.

    Source: derived here. With c = concentration, n = subjects and d = groups - 1, the smallest chi-square statistic
        that
    the test rejects is, for large counts, (1 + c/n) (2 log(1/alpha) + d log(1 + n/c)); this c minimises it.
    """
    require_positive("subjects", subjects)
    require_level("alpha", alpha)
    if groups < 2:
        raise ValueError("a ratio needs two groups or more")
    degrees = groups - 1

    def slope(inverse: float) -> float:
        return float(2 * np.log(1 / alpha) + degrees * (np.log1p(inverse) - inverse))

    return subjects / float(scipy.optimize.brentq(slope, 1e-9, 1e9))


def _require_growing(counts: NDArray[np.integer], groups: int) -> None:
    if counts.ndim < 2 or counts.shape[-1] != groups:
        raise ValueError(f"counts must have the shape (..., looks, groups), with {groups} groups")
    if counts.dtype.kind not in "iu" or np.any(counts < 0):
        raise ValueError("counts must be whole numbers, 0 or more")
    if np.any(np.diff(counts.astype(np.int64), axis=-2) < 0):
        raise ValueError("counts must be cumulative, but they fall")
