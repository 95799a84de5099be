import importlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics import rate_test


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.001, 0.999))
def test_the_rate_test_is_the_exact_binomial_one(part: tuple[int, int], rate: float) -> None:
    count, total = part
    likely = stats.binom.pmf(np.arange(total + 1), total, rate)
    test = rate_test(count, total, rate)
    assert 0 <= test <= 1
    assert test == pytest.approx(min(likely[likely <= likely[count] * (1 + 1e-7)].sum(), 1), rel=1e-7, abs=1e-12)
    assert test == pytest.approx(rate_test(total - count, total, 1 - rate), rel=1e-6, abs=1e-12)


def test_the_rate_test_is_that_of_statsmodels() -> None:
    binom_test = importlib.import_module("statsmodels.stats.proportion").binom_test
    for count, total, rate in [(2, 10, 0.5), (480, 10_000, 0.05), (10_100, 100_000, 0.1)]:
        assert rate_test(count, total, rate) == pytest.approx(float(binom_test(count, total, rate)), rel=1e-9)


def test_edges_of_the_rate() -> None:
    assert rate_test(0, 0, 0.3) == 1
    assert rate_test(0, 10, 0.0) == rate_test(10, 10, 1.0) == 1
    assert rate_test(1, 10, 0.0) == rate_test(9, 10, 1.0) == 0


@pytest.mark.parametrize(("count", "total", "rate"), [(1, 0, 0.1), (-1, 5, 0.1), (1, 5, 1.1), (1, 5, math.nan)])
def test_invalid_arguments_are_refused(count: int, total: int, rate: float) -> None:
    with pytest.raises(ValueError, match=r"count|rate"):
        rate_test(count, total, rate)
