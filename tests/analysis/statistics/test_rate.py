import importlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics import RateVerdict, explain_rate, rate_test
from contracts.assignment import expected_shares


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


def test_sampling_twice_is_named() -> None:
    # A tenth of a tenth of 100,000.
    explanation = explain_rate(1_013, 100_000, 0.1, {"default": 0.05, "dewiki": 0.5})
    assert explanation.finding is RateVerdict.EXPLAINED
    assert explanation.names == ("squared",)
    assert [fit.name for fit in explanation.fits] == ["squared", "default", "configured", "dewiki"]
    assert explanation.fits[0].p_value == pytest.approx(rate_test(1_013, 100_000, 0.01))
    assert explanation.fits[0].log_likelihood == pytest.approx(stats.binom.logpmf(1_013, 100_000, 0.01))


def test_another_wikis_rate_is_named() -> None:
    explanation = explain_rate(50_100, 100_000, 0.1, {"default": 0.05, "dewiki": 0.5})
    assert (explanation.finding, explanation.names) == (RateVerdict.EXPLAINED, ("dewiki",))


def test_what_chance_explains_needs_no_explanation_even_if_another_fits_better() -> None:
    explanation = explain_rate(1_030, 10_000, 0.1, {"default": 0.103})
    assert (explanation.finding, explanation.names) == (RateVerdict.AS_CONFIGURED, ())
    assert explanation.fits[0].name == "default"


def test_explanations_that_cannot_be_told_apart_are_both_named() -> None:
    explanation = explain_rate(5_010, 10_000, 0.1, {"default": 0.5, "dewiki": 0.5, "frwiki": 0.2})
    assert (explanation.finding, explanation.names) == (RateVerdict.AMBIGUOUS, ("default", "dewiki"))
    near = explain_rate(5_010, 10_000, 0.1, {"default": 0.5, "dewiki": 0.505})
    assert near.finding is RateVerdict.AMBIGUOUS


def test_a_rate_that_nothing_explains_is_called_so() -> None:
    explanation = explain_rate(3_000, 10_000, 0.1, {"default": 0.5})
    assert (explanation.finding, explanation.names) == (RateVerdict.UNEXPLAINED, ())


def test_a_rate_of_one_is_its_own_square_and_cannot_be() -> None:
    explanation = explain_rate(990, 1_000, 1.0)
    assert explanation.finding is RateVerdict.UNEXPLAINED
    assert {fit.log_likelihood for fit in explanation.fits} == {-math.inf}


def test_the_exact_share_is_what_should_be_expected() -> None:
    shares = expected_shares(3, 0.1)
    exact = float(1 - shares.not_in_sample)
    assert exact == pytest.approx(0.1, abs=1e-6)
    assert explain_rate(10_000, 100_000, exact).finding is RateVerdict.AS_CONFIGURED


def test_how_often_the_right_explanation_is_found() -> None:
    generator = np.random.default_rng(4)
    others = {"default": 0.05, "dewiki": 0.012}
    items = [explain_rate(count, 20_000, 0.1, others) for count in generator.binomial(20_000, 0.01, 1000).tolist()]
    named = [one.names == ("squared",) for one in items]
    wrong = [one.finding is RateVerdict.EXPLAINED and one.names != ("squared",) for one in items]
    # 0.012 is a near miss of 0.01: mostly told apart, and hardly ever wrongly.
    assert np.mean(named) > 0.3
    assert np.mean(wrong) < 1 / 32
    assert all("squared" in one.names for one in items if one.finding is RateVerdict.AMBIGUOUS)


#: Rates as a config has them; scipy cannot do with a rate such as 1e-308.
shares = st.integers(0, 10_000).map(lambda n: n / 10_000)
rates = st.dictionaries(st.sampled_from(["default", "dewiki", "frwiki"]), shares)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), shares, rates)
def test_the_order_of_explanations_does_not_matter(
    part: tuple[int, int], rate: float, others: dict[str, float]
) -> None:
    explanation = explain_rate(*part, rate, others)
    turned = explain_rate(*part, rate, dict(reversed(others.items())))
    assert (explanation.finding, set(explanation.names)) == (turned.finding, set(turned.names))
    assert len(explanation.fits) == 2 + len(others)
    assert (len(explanation.names) == 1) == (explanation.finding is RateVerdict.EXPLAINED)


@pytest.mark.parametrize(
    ("count", "total", "rate", "others"),
    [
        (1, 0, 0.1, {}),
        (0, 0, 0.1, {}),
        (-1, 5, 0.1, {}),
        (1, 5, 1.1, {}),
        (1, 5, math.nan, {}),
        (1, 5, 0.1, {"default": 2.0}),
        (1, 5, 0.1, {"squared": 0.2}),
    ],
)
def test_nonsense_is_refused(count: int, total: int, rate: float, others: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"count|rate|taken"):
        explain_rate(count, total, rate, others)
