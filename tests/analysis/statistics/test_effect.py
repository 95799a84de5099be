import importlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from analysis.statistics import (
    Moments,
    click_through_rate,
    compare_rates,
    enough_clicks,
    equality_test,
    moments,
    moments_of_sums,
    rate_variance,
)

Ints = NDArray[np.int64]


def visitors(generator: np.random.Generator, subjects: int, a: float = 1, b: float = 19) -> tuple[Ints, Ints]:
    """Return clicks and impressions of subjects who differ: Beta(a, b) propensities, 9 impressions on average."""
    impressions = generator.geometric(1 / 9, subjects)
    return generator.binomial(impressions, generator.beta(a, b, subjects)), impressions


def test_the_comparison_is_that_of_tea_tasting() -> None:
    tea_tasting = importlib.import_module("tea_tasting")
    pyarrow = importlib.import_module("pyarrow")
    generator = np.random.default_rng(1)
    control, treatment = visitors(generator, 3000), visitors(generator, 2900, 1.1)
    table = pyarrow.table(
        {
            "variant": [0] * 3000 + [1] * 2900,
            "clicks": np.concatenate([control[0], treatment[0]]),
            "impressions": np.concatenate([control[1], treatment[1]]),
        }
    )
    metric = tea_tasting.RatioOfMeans("clicks", "impressions", use_t=False, equal_var=False, confidence_level=0.9)
    peer = metric.analyze(table, 0, 1, "variant")
    result = compare_rates(moments(*control), moments(*treatment), confidence=0.9)
    assert click_through_rate(moments(*control)).value == pytest.approx(peer.control, rel=1e-9)
    assert click_through_rate(moments(*treatment)).value == pytest.approx(peer.treatment, rel=1e-9)
    assert result.difference.value == pytest.approx(peer.effect_size, rel=1e-9)
    assert result.difference.interval == pytest.approx((peer.effect_size_ci_lower, peer.effect_size_ci_upper), rel=1e-9)
    assert result.lift is not None
    assert result.lift.value == pytest.approx(peer.rel_effect_size, rel=1e-9)
    assert result.lift.interval == pytest.approx(
        (peer.rel_effect_size_ci_lower, peer.rel_effect_size_ci_upper), rel=1e-9
    )
    assert result.statistic == pytest.approx(peer.statistic, rel=1e-9)
    assert result.p_value == pytest.approx(peer.pvalue, rel=1e-9)


def test_interval_matches_statsmodels_on_residuals() -> None:
    # The delta method is a mean of residuals clicks - rate * impressions over the mean of impressions.
    clicks, impressions = visitors(np.random.default_rng(2), 500)
    rate = clicks.sum() / impressions.sum()
    weights = importlib.import_module("statsmodels.stats.weightstats")
    low, high = weights.DescrStatsW(rate + (clicks - rate * impressions) / impressions.mean()).zconfint_mean(alpha=0.1)
    assert click_through_rate(moments(clicks, impressions), 0.9).interval == pytest.approx((low, high), rel=1e-9)


def test_moments_are_numpys() -> None:
    clicks, impressions = visitors(np.random.default_rng(4), 700)
    result = moments(clicks, impressions)
    covariance = np.cov(clicks, impressions)
    assert result == pytest.approx(
        (700, clicks.mean(), impressions.mean(), covariance[0, 0], covariance[1, 1], covariance[0, 1]), rel=1e-9
    )
    scaled = clicks - result.rate * impressions
    assert result.rate_variance == pytest.approx(np.var(scaled, ddof=1) / impressions.mean() ** 2, rel=1e-9)


def test_large_sums_lose_nothing() -> None:
    # Ten billion impressions of subjects who differ by one: floats would have lost the variance.
    half, many = 5_000, 1_000_001
    result = moments_of_sums(
        2 * half,
        2 * half,
        half * (many + many - 1),
        2 * half,
        half * (many**2 + (many - 1) ** 2),
        half * (many + many - 1),
    )
    assert result.impressions_variance == pytest.approx(0.25 * 2 * half / (2 * half - 1), rel=1e-12)
    assert (result.clicks_variance, result.covariance) == (0, 0)


def test_differing_subjects_keep_the_level() -> None:
    generator = np.random.default_rng(5)
    runs, subjects = 4000, 1000
    by_subject, pooled = 0, 0
    for _ in range(runs):
        groups = [visitors(generator, subjects) for _ in range(2)]
        control, treatment = (moments(*group) for group in groups)
        by_subject += (compare_rates(control, treatment).p_value or 0) < 0.05
        counted = [(int(clicks.sum()), int(impressions.sum())) for clicks, impressions in groups]
        rate = sum(clicks for clicks, _ in counted) / sum(seen for _, seen in counted)
        error = math.sqrt(rate * (1 - rate) * sum(1 / seen for _, seen in counted))
        pooled += abs(treatment.rate - control.rate) > 1.959964 * error
    assert 0.04 <= by_subject / runs <= 0.06
    assert pooled / runs == pytest.approx(0.13, abs=0.02)


def test_equality_test_pools_the_variance() -> None:
    generator = np.random.default_rng(15)
    groups = [visitors(generator, subjects) for subjects in (300, 900)]
    clicks, seen = (np.concatenate(column) for column in zip(*groups, strict=True))
    rest = clicks - clicks.sum() / seen.sum() * seen
    error = np.std(rest, ddof=1) / seen.mean() * math.sqrt(1 / 300 + 1 / 900)
    rates = [group[0].sum() / group[1].sum() for group in groups]
    expected = 2 * stats.norm.sf(abs(rates[0] - rates[1]) / error)
    one, other = (moments(*group) for group in groups)
    assert equality_test(one, other) == pytest.approx(expected, rel=1e-9)
    assert equality_test(other, one) == pytest.approx(expected, rel=1e-9)


def test_unequal_group_sizes_keep_the_level() -> None:
    generator = np.random.default_rng(16)
    runs, own, pooled = 4000, 0, 0
    for _ in range(runs):
        one, other = (moments(*visitors(generator, subjects)) for subjects in (60, 600))
        own += (compare_rates(one, other).p_value or 0) < 0.01
        pooled += (equality_test(one, other) or 0) < 0.01
    assert pooled / runs <= 0.015
    assert own / runs > 0.018


def test_lost_clicks_differ_from_a_small_group() -> None:
    generator = np.random.default_rng(17)
    clicks, seen = visitors(generator, 400)
    lost = moments(np.zeros_like(clicks), seen)
    assert (equality_test(moments(clicks, seen), lost) or 1) < 1e-6
    assert equality_test(lost, lost) is None
    assert enough_clicks((400, 400), 20)
    assert not enough_clicks((400, 400), 19)
    assert not enough_clicks((10, 4000), 1000)
    assert not enough_clicks((400, 400), 0)


def test_intervals_cover_as_often_as_they_say() -> None:
    generator = np.random.default_rng(6)
    rates, differences, lifts, runs = 0, 0, 0, 1500
    for _ in range(runs):
        control, treatment = moments(*visitors(generator, 800)), moments(*visitors(generator, 800, 1.5, 18.5))
        one, result = click_through_rate(control), compare_rates(control, treatment)
        assert result.lift is not None
        rates += one.interval.low <= 0.05 <= one.interval.high
        differences += result.difference.interval.low <= 0.025 <= result.difference.interval.high
        lifts += result.lift.interval.low <= 0.5 <= result.lift.interval.high
    for covered in (rates, differences, lifts):
        assert covered / runs == pytest.approx(0.95, abs=0.02)


def test_the_variance_components_foretell_the_variance() -> None:
    clicks, impressions = visitors(np.random.default_rng(7), 400_000)
    between = 19 / (20**2 * 21)
    foretold = rate_variance(0.05, between, 9, (1 - 1 / 9) * 81)
    assert moments(clicks, impressions).rate_variance == pytest.approx(foretold, rel=0.02)


def test_groups_without_clicks_have_no_lift() -> None:
    nothing, something = moments([0, 0, 0], [1, 2, 3]), moments([0, 1, 0], [1, 2, 3])
    assert compare_rates(nothing, nothing)[1:] == (None, None, None)
    assert compare_rates(nothing, something).lift is None
    assert compare_rates(something, nothing).lift is None
    assert compare_rates(nothing, something).p_value is not None
    assert click_through_rate(nothing).interval == (0, 0)


subjects = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 50)), min_size=2, max_size=40)


def of(group: list[tuple[int, int]]) -> Moments:
    """Return the moments of (clicks, impressions) pairs."""
    return moments([clicks for clicks, _ in group], [seen for _, seen in group])


@given(subjects, subjects)
def test_exchanged_groups_negate_the_difference(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    result, turned = compare_rates(of(one), of(other)), compare_rates(of(other), of(one))
    assert result.difference.value == -turned.difference.value
    assert result.p_value == turned.p_value
    assert result.p_value is None or 0 <= result.p_value <= 1
    assert result.difference.interval.low <= result.difference.value <= result.difference.interval.high
    if result.lift is not None:
        assert turned.lift is not None
        assert result.lift.interval.low >= -1
        assert (1 + result.lift.value) * (1 + turned.lift.value) == pytest.approx(1)
        assert (1 + result.lift.interval.low) * (1 + turned.lift.interval.high) == pytest.approx(1)


@given(subjects, st.integers(2, 9))
def test_more_subjects_narrow_the_interval(group: list[tuple[int, int]], times: int) -> None:
    result = of(group)
    assert of(group[::-1]) == result
    more = of(group * times)
    assert more.rate == pytest.approx(result.rate)
    size = len(group)
    kept = (size - 1) / size * (size * times) / (size * times - 1)
    assert more.rate_variance == pytest.approx(result.rate_variance * kept, rel=1e-6, abs=1e-9)
    assert click_through_rate(more).standard_error <= click_through_rate(result).standard_error + 1e-9


@pytest.mark.parametrize(
    ("clicks", "impressions"),
    [([1], [1]), ([1, 2], [1]), ([-1, 2], [1, 1]), ([0, 0], [0, 0]), ([[1]], [[1]]), ([0.5, 1], [1, 1])],
)
def test_subjects_that_are_none_are_refused(clicks: list[int], impressions: list[int]) -> None:
    with pytest.raises(ValueError, match=r"subject|whole"):
        moments(clicks, impressions)


@pytest.mark.parametrize(
    "sums", [(2, -1, 5, 1, 13, 0), (2, 3, 5, 1, 13, 8), (2, 3, 5, 5, 1, 8), (2, 3, 5, 5, 13, 80), (2, 3, 5, 5, 13, -1)]
)
def test_sums_that_no_subjects_can_have_are_refused(sums: tuple[int, int, int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="no subjects"):
        moments_of_sums(*sums)


def test_levels_that_are_none_are_refused() -> None:
    group = moments([0, 1], [1, 2])
    for confidence in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match="confidence"):
            click_through_rate(group, confidence)
