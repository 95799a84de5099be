"""The universal scalability law, fitted to held steps.

    X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1))

X is the throughput at N requests under way, lambda what one alone gets done a second, sigma the share of work that
cannot go on side by side (contention), kappa the cost of keeping each other informed (coherency). Source: N. J.
Gunther, Guerrilla Capacity Planning, Springer 2007, chapters 4 to 6; the form with lambda as a parameter is that of
B. Schwartz, Practical Scalability Analysis with the Universal Scalability Law, 2015.

In an open model N is not set but comes about: it is taken as rate x mean service time (Little's law).
"""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeWarning, curve_fit
from scipy.stats import t as student

#: Three parameters are fitted; with fewer steps than this there is nothing left to judge the fit by.
MIN_STEPS = 6

#: The law is of parallel work: where all steps had about the same concurrency it cannot be told apart from a line.
_MIN_SPREAD = 3.0

#: A peak at more than so many times the measured concurrency is no finding at all, and is not told.
_REACH = 10.0

_DRAWS = 2_000
_COVERAGE = 0.95


class Estimate(NamedTuple):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class Scalability(NamedTuple):
    """A fitted law.

    Attributes:
        single: lambda, events a second of one request at a time.
        contention, coherency: sigma and kappa.
        peak_rate: the most that the law allows, events a second; None when it has no peak in reach.
        peak_concurrency: the concurrency at which that is; None when it has no peak in reach.
        measured_concurrency: the largest concurrency that was measured.
        extrapolated: whether the peak is beyond what was measured, so that it is a guess.
        r_squared: share of the variance that the law explains.
        steps: how many were fitted.
    """

    single: Estimate
    contention: Estimate
    coherency: Estimate
    peak_rate: Estimate | None
    peak_concurrency: Estimate | None
    measured_concurrency: float
    extrapolated: bool
    r_squared: float
    steps: int

    def at(self, concurrency: float) -> float:
        """Return the throughput that the law gives at *concurrency*."""
        parameters = (self.single.value, self.contention.value, self.coherency.value)
        return float(law(np.array([concurrency]), *parameters)[0])


def law(n: NDArray[np.float64], single: float, contention: float, coherency: float) -> NDArray[np.float64]:
    """Return X(N), events a second, for each concurrency *n*."""
    return single * n / (1 + contention * (n - 1) + coherency * n * (n - 1))


def fit(concurrency: Sequence[float], throughput: Sequence[float]) -> Scalability | None:
    """Return the law that fits best (least squares), None where the steps are too few or too much alike.

    Intervals of the parameters are those of Student's t with the covariance at the optimum, cut at 0; those of the peak
    come from 2,000 draws of the parameters from that covariance (always the same ones).

    Args:
        concurrency: N of each step.
        throughput: X of each step, events a second.
    """
    n, x = np.asarray(concurrency, np.float64), np.asarray(throughput, np.float64)
    usable = (n > 0) & (x > 0)
    n, x = n[usable], x[usable]
    if len(n) < MIN_STEPS or n.max() < _MIN_SPREAD * n.min():
        return None
    found = _fitted(n, x)
    if found is None:
        return None
    best, covariance = found
    factor = float(student.ppf((1 + _COVERAGE) / 2, len(n) - len(best)))
    errors = np.sqrt(np.diag(covariance)) * factor
    single, contention, coherency = (
        Estimate(float(value), max(0.0, float(value - error)), float(value + error))
        for value, error in zip(best, errors, strict=True)
    )
    measured = float(n.max())
    peak_rate, peak_concurrency = _peak(best, covariance, measured * _REACH)
    left = x - law(n, *best)
    return Scalability(
        single, contention, coherency, peak_rate, peak_concurrency, measured,
        extrapolated=peak_concurrency is not None and peak_concurrency.value > measured,
        r_squared=1 - float(left @ left) / float(((x - x.mean()) ** 2).sum()),
        steps=len(n),
    )  # fmt: skip


def _fitted(n: NDArray[np.float64], x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the best parameters and their covariance, None when there is no finite one."""
    lowest = int(np.argmin(n))
    start = (float(x[lowest] / n[lowest]), 0.01, 1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("error", OptimizeWarning)
        try:
            best, covariance = curve_fit(law, n, x, p0=start, bounds=(0, np.inf), x_scale=start, max_nfev=10_000)
        except (OptimizeWarning, RuntimeError):
            return None
    return (best, covariance) if np.isfinite(covariance).all() else None


def _peak(
    best: NDArray[np.float64], covariance: NDArray[np.float64], reach: float
) -> tuple[Estimate, Estimate] | tuple[None, None]:
    """Return the most the law allows and where, with intervals; nothing where that is beyond *reach*."""
    rate, where = _peaks(best[None, :])
    if not where[0] <= reach:
        return None, None
    draws = np.random.default_rng(1).multivariate_normal(best, covariance, _DRAWS, method="svd")
    rates, places = _peaks(np.maximum(draws, 0.0))
    ends = [100 * (1 - _COVERAGE) / 2, 100 * (1 + _COVERAGE) / 2]
    # Draws without a peak are infinite, and stay so in the interval.
    low, high = np.percentile(rates, ends, method="nearest")
    near, far = np.percentile(places, ends, method="nearest")
    return Estimate(float(rate[0]), float(low), float(high)), Estimate(float(where[0]), float(near), float(far))


def _peaks(parameters: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (highest throughput, concurrency there) of each row of parameters; infinite where it only grows."""
    single, contention, coherency = parameters.T
    with np.errstate(divide="ignore", invalid="ignore"):
        where = np.sqrt(np.maximum(1 - contention, 0) / coherency)
        rate = law(where, single, contention, coherency)
        endless = np.where(contention > 0, single / contention, np.inf)
    return np.where(np.isfinite(where), rate, endless), where
