"""Sample ratio, looked at while the run goes on, as often as one likes."""

from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy import special

from analysis.statistics.argument_checks import Floats, Shares, conditional_shares, require_level, require_positive

#: Sharpest at about 80,000 subjects when alpha is 0.05; see `concentration_for`.
DEFAULT_CONCENTRATION = 10_000.0


class SequentialTest(NamedTuple):
    """What each look at a growing experiment says; arrays of shape (..., looks).

    Attributes:
        log_e_value: natural logarithm of the e-value: how many times better than the expected shares the data are
            foretold by shares near them. May fall again.
        p_value: the least 1 / e-value so far, at most 1: may be compared with alpha at every look. Never rises.
    """

    log_e_value: Floats
    p_value: Floats

    @property
    def e_value(self) -> Floats:
        """The e-values; infinite where they are too large for a float."""
        with np.errstate(over="ignore"):
            return np.exp(self.log_e_value)

    def first_look(self, alpha: float) -> NDArray[np.int64]:
        """Return the index of the first look at which the p-value is at most *alpha*, -1 where there is none.

        Raises:
            ValueError: *alpha* is not between 0 and 1.
        """
        require_level("alpha", alpha)
        called = self.p_value <= alpha
        return np.where(called.any(axis=-1), called.argmax(axis=-1), -1).astype(np.int64)


def sequential_test(
    counts: NDArray[np.integer], shares: Shares, concentration: float = DEFAULT_CONCENTRATION
) -> SequentialTest:
    """Test counts that grow against the expected *shares*, valid at all looks together.

    The Bayes factor of a Dirichlet(concentration * shares) mixture of multinomials against the expected multinomial,

        log E = lgamma(c) - lgamma(c + n) + sum_g [lgamma(c s_g + x_g) - lgamma(c s_g) - x_g log s_g]

    is a martingale that begins at 1 when the shares are as expected, so it ever reaches 1 / alpha with a probability
    of at most alpha (Ville): peeking costs nothing, and no plan of looks is needed.

    Args:
        counts: subjects so far, shape (..., looks, groups); cumulative, so they never fall from look to look.
        shares: expected, one a group; need not sum to 1. A group whose share is 0 takes no part, and from the first
            subject in it on the e-value is infinite.
        concentration: how near the expected shares the alternatives are sought: a share s of them varies by about
            sqrt(s (1 - s) / concentration) (half a percentage point at 50 % and the default). Small values look for
            gross faults and call them after a few dozen subjects, large ones for slight faults in large experiments;
            any value fixed before the first look is valid. Lindon & Malek's uniform prior (the number of groups) has
            a power of 0.79 for 50.2 to 49.8 in 1.6 million subjects, where 10,000 has 0.98.

    Returns:
        One value a look.

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
    """Return the concentration at which `sequential_test` is sharpest around *subjects*.

    About subjects / 8 at alpha = 0.05 and subjects / 17 at 0.001, with two groups. The choice is forgiving: a
    concentration ten times too large or too small costs a few per cent of power.

    Raises:
        ValueError: no subjects, fewer than two groups, or *alpha* not between 0 and 1.

    Source: own. With c = concentration, n = subjects and d = groups - 1, the chi-square statistic that the test calls
    is, for large counts, (1 + c/n) (2 log(1/alpha) + d log(1 + n/c)); this is where it is least.
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
        raise ValueError(f"counts have the shape (..., looks, groups), with {groups} groups")
    if counts.dtype.kind not in "iu" or np.any(counts < 0):
        raise ValueError("counts are whole numbers, 0 or more")
    if np.any(np.diff(counts.astype(np.int64), axis=-2) < 0):
        raise ValueError("counts are cumulative, and fall")
