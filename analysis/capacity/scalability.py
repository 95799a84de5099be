"""Universal scalability law, fitted to held steps.

    X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1))

X is the throughput at N concurrent requests, lambda the throughput of one request at a time, sigma the share of serial
work (contention), kappa the cost of coordination (coherency). Source: N. J.
Gunther, Guerrilla Capacity Planning, Springer 2007, chapters 4 to 6; the form with lambda as a parameter is that of
B. Schwartz, Practical Scalability Analysis with the Universal Scalability Law, 2015.

In an open-loop test N is a result: rate x mean service time (Little's law).
"""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeWarning, curve_fit
from scipy.stats import t as student

#: Least steps for a fit of three parameters and an estimate of its error.
MIN_STEPS = 6

#: Least ratio of the largest to the smallest concurrency; below it the law looks like a line.
_MIN_SPREAD = 3.0

#: Largest multiple of the measured concurrency at which a peak is reported.
_REACH = 10.0

_DRAWS = 2_000
_COVERAGE = 0.95


class Estimate(NamedTuple):
    """Estimate with its 95 % interval."""

    value: float
    low: float
    high: float


class Scalability(NamedTuple):
    """Fitted law.

    Attributes:
        single: lambda, events per second of one request at a time.
        contention, coherency: sigma and kappa.
        peak_rate: maximum throughput, events per second; None without a peak in reach.
        peak_concurrency: concurrency of the maximum; None without a peak in reach.
        measured_concurrency: largest measured concurrency.
        extrapolated: whether the peak is beyond the measured range.
        r_squared: share of the variance that the law explains.
        steps: number of fitted steps.
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
        """Return the predicted throughput at *concurrency*, events per second."""
        parameters = (self.single.value, self.contention.value, self.coherency.value)
        return float(law(np.array([concurrency]), *parameters)[0])


def law(n: NDArray[np.float64], single: float, contention: float, coherency: float) -> NDArray[np.float64]:
    """Return X(N), events per second, for each concurrency *n*."""
    return single * n / (1 + contention * (n - 1) + coherency * n * (n - 1))


def fit(concurrency: Sequence[float], throughput: Sequence[float]) -> Scalability | None:
    """Return the least-squares fit; None when the steps are too few or too similar.

    Intervals of the parameters use Student's t and the covariance at the optimum, cut at 0. Those of the peak use 2,000
    draws of the parameters from that covariance, with a fixed seed.

    Args:
        concurrency: N of each step.
        throughput: X of each step, events per second.
    """
    n, x = np.asarray(concurrency, np.float64), np.asarray(throughput, np.float64)
    usable = (n > 0) & (x > 0)
    n, x = n[usable], x[usable]
    if len(n) < MIN_STEPS or n.max() < _MIN_SPREAD * n.min():
        return None
    parameters = _fitted(n, x)
    if parameters is None:
        return None
    best, covariance = parameters
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
    """Return the best parameters and their covariance; None without a finite one."""
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
    """Return maximum throughput and its concurrency, with intervals; None when that is beyond *reach*."""
    rate, where = _peaks(best[None, :])
    if not where[0] <= reach:
        return None, None
    draws = np.random.default_rng(1).multivariate_normal(best, covariance, _DRAWS, method="svd")
    rates, concurrencies = _peaks(np.maximum(draws, 0.0))
    ends = [100 * (1 - _COVERAGE) / 2, 100 * (1 + _COVERAGE) / 2]
    # Draws without a peak are infinite, also in the interval.
    low, high = np.percentile(rates, ends, method="nearest")
    near, far = np.percentile(concurrencies, ends, method="nearest")
    return Estimate(float(rate[0]), float(low), float(high)), Estimate(float(where[0]), float(near), float(far))


def _peaks(parameters: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (maximum throughput, its concurrency) of each row of parameters; infinite without a maximum."""
    single, contention, coherency = parameters.T
    with np.errstate(divide="ignore", invalid="ignore"):
        where = np.sqrt(np.maximum(1 - contention, 0) / coherency)
        rate = law(where, single, contention, coherency)
        endless = np.where(contention > 0, single / contention, np.inf)
    return np.where(np.isfinite(where), rate, endless), where
