"""The universal scalability law, beside published figures and laws that are known."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from analysis.capacity.scalability import fit, law


def test_a_published_fit() -> None:
    """SPEC SDM 91 on a 16-way server, as published with the R package `usl` (CRAN, data set specsdm91).

    The package gives sigma 0.0277, kappa 0.000104, and a peak of 1,884 at 96.5 users.
    """
    users = [1, 18, 36, 72, 108, 144, 216]
    scripts = [64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775.0, 1702.2]
    test = fit(users, scripts)
    assert test is not None
    assert test.contention.value == pytest.approx(0.0277, rel=0.01)
    assert test.coherency.value == pytest.approx(0.000104, rel=0.01)
    assert test.peak_rate is not None
    assert test.peak_concurrency is not None
    assert test.peak_rate.value == pytest.approx(1884, rel=0.001)
    assert test.peak_concurrency.value == pytest.approx(96.5, rel=0.001)
    assert not test.extrapolated
    assert test.peak_rate.low < test.peak_rate.value < test.peak_rate.high


@given(st.floats(5, 500), st.floats(0.005, 0.3), st.floats(1e-4, 1e-2), st.integers(0, 1000))
def test_a_known_law_is_found_again(single: float, contention: float, coherency: float, seed: int) -> None:
    n = np.array([0.5, 1, 2, 4, 8, 16, 32, 64, 128])
    noise = np.random.default_rng(seed).normal(1, 0.002, len(n))
    test = fit(n.tolist(), (law(n, single, contention, coherency) * noise).tolist())
    assert test is not None
    assert test.single.value == pytest.approx(single, rel=0.05)
    assert test.contention.value == pytest.approx(contention, rel=0.3, abs=0.01)
    peak = float(np.sqrt((1 - contention) / coherency))
    assume(peak < 100)
    assert test.peak_concurrency is not None
    assert test.peak_concurrency.value == pytest.approx(peak, rel=0.15)


def test_intervals_cover_what_is_true() -> None:
    n = np.geomspace(1, 100, 12)
    covered = 0
    for seed in range(200):
        x = law(n, 50, 0.05, 0.001) * np.random.default_rng(seed).normal(1, 0.02, len(n))
        test = fit(n.tolist(), x.tolist())
        assert test is not None
        covered += test.contention.low <= 0.05 <= test.contention.high
    # 95 % of 200 is 190; fewer than 175 or so would be no accident.
    assert covered >= 175


def test_a_peak_beyond_what_was_measured_is_marked() -> None:
    n = np.array([1, 2, 3, 4, 6, 8, 10, 12.0])
    test = fit(n.tolist(), law(n, 100, 0.02, 0.002).tolist())
    assert test is not None
    assert test.extrapolated
    assert test.measured_concurrency == 12
    assert test.at(4) == pytest.approx(float(law(np.array([4.0]), 100, 0.02, 0.002)[0]), rel=1e-3)


def test_no_peak_is_told_where_there_is_none() -> None:
    n = np.array([1, 2, 4, 8, 16, 32.0])
    rng = np.random.default_rng(3)
    test = fit(n.tolist(), (100 * n * rng.normal(1, 0.001, len(n))).tolist())
    assert test is None or test.peak_rate is None or test.extrapolated


@pytest.mark.parametrize(
    ("n", "x"),
    [([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]), ([1.0] * 8, [10.0] * 8), ([0] * 8, [1] * 8), ([], [])],
)
def test_too_little_is_not_fitted(n: list[float], x: list[float]) -> None:
    assert fit(n, x) is None
