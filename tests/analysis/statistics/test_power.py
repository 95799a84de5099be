import importlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics import (
    Moments,
    chi_square,
    compare_rates,
    deviation,
    imbalance_effect,
    loss_effect,
    moments,
    rate_power,
    rate_variance,
    ratio_power,
    smallest_difference,
    smallest_effect,
    smallest_imbalance,
    smallest_loss,
    subjects_needed,
)

HALVES = [0.5, 0.5]
PUBLISHED = [(0.51, 42_687), (0.52, 10_672), (0.55, 1_708)]


@pytest.mark.parametrize(("share", "subjects"), PUBLISHED)
def test_the_published_numbers_of_subjects(share: float, subjects: int) -> None:
    assert subjects_needed(imbalance_effect(HALVES, [share, 1 - share]), HALVES, 0.001) == subjects


@pytest.mark.parametrize(("share", "subjects"), PUBLISHED)
def test_published_subject_numbers_have_their_power(share: float, subjects: int) -> None:
    # All outcomes, one by one. Subjects come whole, so the power is a saw of teeth around 80 %.
    few = np.arange(subjects + 1)
    _, p_value = chi_square(np.stack([few, subjects - few], axis=-1), HALVES)
    power = stats.binom.pmf(few, subjects, share)[p_value < 0.001].sum()
    assert power == pytest.approx(0.8, abs=0.012)


@pytest.mark.parametrize(("share", "subjects"), PUBLISHED)
def test_the_published_numbers_of_subjects_by_simulation(share: float, subjects: int) -> None:
    generator = np.random.default_rng(round(share * 100))
    few = generator.binomial(subjects, share, 20_000)
    _, p_value = chi_square(np.stack([few, subjects - few], axis=-1), HALVES)
    assert np.mean(p_value < 0.001) == pytest.approx(0.8, abs=0.02)


def test_power_and_subjects_are_those_of_statsmodels() -> None:
    peer = importlib.import_module("statsmodels.stats.power").GofChisquarePower()
    for groups, effect, alpha in [(2, 0.02, 0.001), (3, 0.1, 0.05), (5, 0.03, 0.01)]:
        shares = [1.0] * groups
        assert ratio_power(9000, shares, effect, alpha) == pytest.approx(
            peer.power(effect, 9000, alpha, n_bins=groups), rel=1e-9
        )
        needed = peer.solve_power(effect_size=effect, alpha=alpha, power=0.8, n_bins=groups)
        assert subjects_needed(effect, shares, alpha) == math.ceil(needed)


def test_difference_power_matches_statsmodels_and_tea_tasting() -> None:
    normal = importlib.import_module("statsmodels.stats.power").NormalIndPower()
    variance, control, treatment = 0.04, 900, 1100
    expected = normal.power(0.01 / math.sqrt(variance), control, 0.05, ratio=treatment / control)
    assert rate_power(0.01, variance, control, treatment) == pytest.approx(expected, rel=1e-9)
    smallest = smallest_difference(variance, control, treatment)
    peer = normal.solve_power(nobs1=control, alpha=0.05, power=0.8, ratio=treatment / control)
    assert smallest / math.sqrt(variance) == pytest.approx(peer, rel=1e-7)


def test_effects_of_imbalance_are_those_of_statsmodels() -> None:
    sizes = importlib.import_module("statsmodels.stats.gof").chisquare_effectsize
    cases: list[tuple[list[float], list[float]]] = [([1, 1], [0.51, 0.49]), ([0.2, 0.3, 0.5], [0.25, 0.3, 0.45])]
    for meant, item in cases:
        assert imbalance_effect(meant, item) == pytest.approx(sizes(meant, item), rel=1e-9)
        assert imbalance_effect(meant, item) == pytest.approx(deviation([round(100 * s) for s in item], meant).effect)


def test_a_loss_is_the_imbalance_that_it_leaves() -> None:
    cases: list[tuple[list[float], int, float]] = [
        (HALVES, 0, 0.03),
        ([0.2, 0.3, 0.5], 2, 0.5),
        ([1, 1, 0], 1, 1.0),
        (HALVES, 1, 0.0),
    ]
    for shares, group, loss in cases:
        left = [share * (1 - loss * (index == group)) for index, share in enumerate(shares)]
        assert loss_effect(shares, group, loss) == pytest.approx(imbalance_effect(shares, left), rel=1e-9)


@given(st.lists(st.floats(0.05, 1), min_size=2, max_size=5), st.integers(200, 10**7), st.data())
def test_smallest_effect_has_the_requested_power(shares: list[float], subjects: int, data: st.DataObject) -> None:
    group = data.draw(st.integers(0, len(shares) - 1))
    alpha, power = data.draw(st.sampled_from([(0.05, 0.8), (0.001, 0.9)]))
    effect = smallest_effect(subjects, shares, alpha, power)
    assert ratio_power(subjects, shares, effect, alpha) == pytest.approx(power, rel=1e-9)
    assert subjects - 1 <= subjects_needed(effect, shares, alpha, power) <= subjects + 1
    loss = smallest_loss(subjects, shares, group, alpha, power)
    if loss is not None:
        assert loss_effect(shares, group, loss) == pytest.approx(effect, rel=1e-9)
    share = smallest_imbalance(subjects, shares, group, alpha, power)
    if share is not None:
        meant = shares[group] / sum(shares)
        actual = [one * (1 - share) / (1 - meant) for one in (np.array(shares) / sum(shares)).tolist()]
        actual[group] = share
        assert imbalance_effect(shares, actual) == pytest.approx(effect, rel=1e-6)


@given(st.permutations([0.2, 0.3, 0.5]), st.floats(0.001, 0.5), st.floats(0.1, 100))
def test_order_and_scale_of_shares_do_not_matter(shares: list[float], effect: float, scale: float) -> None:
    scaled = [share * scale for share in shares]
    assert subjects_needed(effect, scaled, 0.01) == subjects_needed(effect, [0.2, 0.3, 0.5], 0.01)
    assert loss_effect(scaled, shares.index(0.3), 0.1) == pytest.approx(loss_effect([0.2, 0.3, 0.5], 1, 0.1))


def test_simulated_loss_is_detected() -> None:
    # 20,000 of 40,000 meant in each; the second group loses what 80 % of runs should show.
    generator = np.random.default_rng(12)
    loss = smallest_loss(40_000, HALVES, 1, 0.001)
    assert loss == pytest.approx(0.0405, abs=0.0005)
    assert loss is not None
    few = generator.binomial(40_000, (1 - loss) / (2 - loss), 20_000)
    _, p_value = chi_square(np.stack([40_000 - few, few], axis=-1), HALVES)
    assert np.mean(p_value < 0.001) == pytest.approx(0.8, abs=0.012)


def test_what_cannot_be_seen_is_none() -> None:
    assert smallest_imbalance(3, HALVES, 0, 0.001) is None
    assert smallest_loss(3, HALVES, 0, 0.001) is None
    assert smallest_imbalance(1000, HALVES, 0, 0.001) == pytest.approx(0.565, abs=0.001)


def test_simulated_difference_has_the_predicted_power() -> None:
    # Beta(1, 19) propensities and geometric impressions, 9 on average, in groups of 2,000 subjects.
    generator = np.random.default_rng(13)
    variance = rate_variance(0.05, 19 / (400 * 21), 9, 72)
    difference = smallest_difference(variance, 2000, 2000)

    def group(rate: float) -> Moments:
        impressions = generator.geometric(1 / 9, 2000)
        propensities = generator.beta(20 * rate, 20 * (1 - rate), 2000)
        return moments(generator.binomial(impressions, propensities), impressions)

    seen, runs = 0, 1000
    for _ in range(runs):
        result = compare_rates(group(0.05 - difference / 2), group(0.05 + difference / 2))
        seen += (result.p_value or 1) < 0.05
    assert seen / runs == pytest.approx(0.8, abs=0.04)


def test_power_without_effect_is_alpha() -> None:
    assert ratio_power(5000, HALVES, 0, 0.01) == pytest.approx(0.01, rel=1e-9)
    assert rate_power(0, 0.04, 50, 50, 0.01) == pytest.approx(0.01, rel=1e-9)
    assert ratio_power(5000, [1.0, 0.0], 0.5, 0.01) == 0
    assert ratio_power(10**9, HALVES, 0.5, 0.001) == 1


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.5, 50), st.floats(0, 500))
def test_variance_grows_with_what_subjects_differ_by(rate: float, part: float, mean: float, spread: float) -> None:
    between = part * rate * (1 - rate)
    result = rate_variance(rate, between, mean, spread)
    assert result >= 0
    if spread + mean**2 >= mean:
        assert result >= rate_variance(rate, 0, mean, spread) * (1 - 1e-12)
    # All subjects alike: the binomial, of as many trials as impressions.
    assert rate_variance(rate, 0, mean, spread) == pytest.approx(rate * (1 - rate) / mean)


@pytest.mark.parametrize(
    ("effect", "shares", "alpha", "power"),
    [
        (0, HALVES, 0.05, 0.8),
        (-1, HALVES, 0.05, 0.8),
        (math.nan, HALVES, 0.05, 0.8),
        (0.1, [1.0], 0.05, 0.8),
        (0.1, [1.0, 0.0], 0.05, 0.8),
        (0.1, [0, 0], 0.05, 0.8),
        (0.1, HALVES, 0, 0.8),
        (0.1, HALVES, 0.05, 1.0),
        (0.1, HALVES, 0.05, 0.05),
    ],
)
def test_plans_that_are_none_are_refused(effect: float, shares: list[float], alpha: float, power: float) -> None:
    with pytest.raises(ValueError, match=r"effect|groups|share|alpha|power"):
        subjects_needed(effect, shares, alpha, power)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="no subject is left"):
        loss_effect([1.0], 0, 1.0)
    for group in (-1, 2):
        with pytest.raises(ValueError, match="group"):
            loss_effect(HALVES, group, 0.1)
    with pytest.raises(ValueError, match="loss"):
        loss_effect(HALVES, 0, 1.1)
    with pytest.raises(ValueError, match="actual"):
        imbalance_effect([1, 0], [1, 1])
    with pytest.raises(ValueError, match="subjects"):
        smallest_effect(0, HALVES, 0.05)
    with pytest.raises(ValueError, match="effect"):
        ratio_power(10, HALVES, -0.1, 0.05)
    with pytest.raises(ValueError, match="variance"):
        rate_power(0.1, 0, 5, 5)
    with pytest.raises(ValueError, match="treatment"):
        smallest_difference(0.1, 5, 0)
    with pytest.raises(ValueError, match="variance"):
        rate_variance(0.5, 0.3, 1, 1)
    with pytest.raises(ValueError, match="impressions"):
        rate_variance(0.5, 0.1, 0, 1)
