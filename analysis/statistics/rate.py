"""Sample rate: are as many in the sample as should be, and if not, what would explain it?"""

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

import scipy

from analysis.statistics.argument_checks import require_level, require_part, require_share

CONFIGURED = "configured"
SQUARED = "squared"

#: A likelihood this many times that of the next best explanation is strong evidence (Royall, 1997, chapter 1).
STRONG = 32.0


class RateVerdict(StrEnum):
    """What is known of a rate.

    AS_CONFIGURED: chance explains it. EXPLAINED: one explanation fits, and strongly better than the others.
    AMBIGUOUS: several fit about as well. UNEXPLAINED: none fits.
    """

    AS_CONFIGURED = "as-configured"
    EXPLAINED = "explained"
    AMBIGUOUS = "ambiguous"
    UNEXPLAINED = "unexplained"


class RateFit(NamedTuple):
    """How well one rate explains a count.

    Attributes:
        name: of the explanation.
        rate: that it expects.
        log_likelihood: natural logarithm of the binomial probability of the count; minus infinity when it cannot be.
        p_value: of the exact two-sided binomial test.
    """

    name: str
    rate: float
    log_likelihood: float
    p_value: float


class RateExplanation(NamedTuple):
    """What explains a rate.

    Attributes:
        finding: see `Finding`.
        names: of the explanations that hold: one when EXPLAINED, several when AMBIGUOUS, else none.
        fits: all explanations, the likeliest first; those alike in the order in which they were given.
    """

    finding: RateVerdict
    names: tuple[str, ...]
    fits: tuple[RateFit, ...]


def rate_test(count: int, total: int, rate: float) -> float:
    """Return the two-sided p-value of *count* out of *total* when *rate* is expected (exact binomial test).

    Two-sided by likelihood: the probability of all counts that are no more likely than this one. 1 when *total* is 0.

    Raises:
        ValueError: *count* is not between 0 and *total*, or *rate* not between 0 and 1.

    Source: Clopper & Pearson (1934) for the binomial; the sum over less likely counts is Fisher's; computed by scipy.
    """
    require_part(count, total)
    require_share("a rate", rate)
    return float(scipy.stats.binomtest(count, total, rate).pvalue) if total else 1.0


def explain_rate(
    count: int, total: int, rate: float, others: Mapping[str, float] | None = None, alpha: float = 0.001
) -> RateExplanation:
    """Find which simple explanation fits *count* out of *total* best, when *rate* was configured.

    Compared are the configured rate, its square (sampled twice, independently) and *others*. The rule:

    1. If the binomial test of the configured rate gives *alpha* or more, the rate is as configured, and nothing needs
       to be explained.
    2. Otherwise the explanations whose own test gives *alpha* or more are those that fit. None: unexplained.
    3. Of those, all whose likelihood is within a factor of `STRONG` of the best one's hold. One: explained; several:
       ambiguous. Equal rates (the default's and a wiki's) can never be told apart.

    Args:
        count: in the sample.
        total: who came.
        rate: configured for this wiki, 0 to 1; exact shares (`expected_shares`) are better than the nominal rate.
        others: rates of other explanations by name, such as the default's and those of other wikis.
        alpha: level of the tests.

    Raises:
        ValueError: as of `rate_test`; nobody came; or a name of *others* is taken ("configured", "squared").

    Source: likelihood ratios of point hypotheses: Royall (1997), Statistical Evidence, chapter 1.
    """
    require_level("alpha", alpha)
    if total < 1:
        raise ValueError("nobody came, so there is no rate")
    given = dict(others or {})
    if {CONFIGURED, SQUARED} & given.keys():
        raise ValueError(f"the names {CONFIGURED!r} and {SQUARED!r} are taken")
    rates = {CONFIGURED: rate, SQUARED: rate**2} | given
    fits = sorted((_fit(name, count, total, of) for name, of in rates.items()), key=lambda fit: -fit.log_likelihood)
    finding, names = _judge(fits, alpha)
    return RateExplanation(finding, names, tuple(fits))


def _fit(name: str, count: int, total: int, rate: float) -> RateFit:
    p_value = rate_test(count, total, rate)
    return RateFit(name, rate, float(scipy.stats.binom.logpmf(count, total, rate)), p_value)


def _judge(fits: list[RateFit], alpha: float) -> tuple[RateVerdict, tuple[str, ...]]:
    fitting = [fit for fit in fits if fit.p_value >= alpha]
    if any(fit.name == CONFIGURED for fit in fitting):
        return RateVerdict.AS_CONFIGURED, ()
    if not fitting:
        return RateVerdict.UNEXPLAINED, ()
    least = fitting[0].log_likelihood - math.log(STRONG)
    names = tuple(fit.name for fit in fitting if fit.log_likelihood > least)
    return (RateVerdict.EXPLAINED if len(names) == 1 else RateVerdict.AMBIGUOUS), names
