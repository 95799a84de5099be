import importlib
import itertools
import math
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics import (
    Method,
    chi_square,
    deviation,
    exceeds_floor,
    holm,
    multinomial_test,
)
from contracts.assignment import HASH_SPACE, assign_hashes, expected_shares

HALVES = [0.5, 0.5]


def test_the_published_mismatch_is_called() -> None:
    # 1,302,187 against 1,214,917 sessions where as many were meant.
    test = multinomial_test([1_302_187, 1_214_917], HALVES)
    assert test.statistic == pytest.approx(3025.7, abs=0.05)
    assert test.method is Method.CHI_SQUARE
    assert test.p_value < 1e-300
    assert deviation([1_302_187, 1_214_917], HALVES).relative == pytest.approx((0.03467, -0.03467), abs=1e-5)


def test_large_counts_are_tested_as_scipy_does() -> None:
    shares = expected_shares(3, 0.3).groups
    test = multinomial_test([4000, 4100, 3900], shares)
    expected = [12_000 * float(share / sum(shares)) for share in shares]
    peer = stats.chisquare([4000, 4100, 3900], expected)
    assert test.statistic == pytest.approx(peer.statistic, rel=1e-9)
    assert test.p_value == pytest.approx(peer.pvalue, rel=1e-9)
    assert test.degrees_of_freedom == 2
    assert test.expected == pytest.approx(expected)


def test_sample_ratio_matches_tea_tasting() -> None:
    tea_tasting = importlib.import_module("tea_tasting")
    pyarrow = importlib.import_module("pyarrow")
    table = pyarrow.table({"variant": [0] * 5200 + [1] * 4800})
    ratio = tea_tasting.SampleRatio(1, method="norm", correction=False)
    peer = ratio.analyze(table, 0, 1, "variant")
    assert multinomial_test([5200, 4800], HALVES).p_value == pytest.approx(peer.pvalue, rel=1e-9)
    peer = tea_tasting.SampleRatio(1, method="binom").analyze(table.slice(5196, 7), 0, 1, "variant")
    assert multinomial_test([4, 3], HALVES).p_value == pytest.approx(peer.pvalue, rel=1e-9)


def test_small_groups_use_the_binomial_test() -> None:
    test = multinomial_test([7, 1], HALVES)
    assert test.method is Method.EXACT
    assert test.p_value == pytest.approx(stats.binomtest(7, 8, 0.5).pvalue, rel=1e-9)
    # The chi-square approximation gives half of it.
    assert chi_square(np.array([7, 1]), HALVES)[1] == pytest.approx(0.0339, abs=1e-4)


@pytest.mark.parametrize(
    ("counts", "shares"),
    [([3, 0, 1], [0.2, 0.3, 0.5]), ([0, 0, 6], [1, 1, 1]), ([1, 2, 0, 4], [0.1, 0.2, 0.3, 0.4])],
)
def test_few_of_several_groups_are_tested_exactly(counts: list[int], shares: list[float]) -> None:
    # By brute force: every sequence of subjects, one by one.
    weights = [share / sum(shares) for share in shares]
    likely: dict[tuple[int, ...], float] = {}
    for sequence in itertools.product(range(len(shares)), repeat=sum(counts)):
        outcome = tuple(sequence.count(group) for group in range(len(shares)))
        likely[outcome] = likely.get(outcome, 0) + math.prod(weights[group] for group in sequence)
    mine = likely[tuple(counts)]
    expected = sum(chance for chance in likely.values() if chance <= mine * (1 + 1e-7))
    test = multinomial_test(counts, shares)
    assert test.method is Method.EXACT
    assert test.p_value == pytest.approx(expected, rel=1e-9)


def test_drawn_outcomes_are_reproducible() -> None:
    counts, shares = [40_000, 40_100, 9], [0.5, 0.49999, 0.00001]
    test = multinomial_test(counts, shares)
    assert test.method is Method.DRAWN
    assert test == multinomial_test(counts, shares)
    # Nine where 0.8 are expected.
    assert test.p_value < 1e-4
    assert multinomial_test([40_000, 40_100, 1], shares).p_value > 0.1


def test_drawn_and_listed_agree() -> None:
    counts, shares = [30, 24, 6], [0.47, 0.47, 0.06]
    listed = multinomial_test(counts, shares)
    drawn = np.random.default_rng(7).multinomial(60, shares, size=40_000)
    mine = stats.multinomial.logpmf(counts, 60, shares)
    share = np.mean(stats.multinomial.logpmf(drawn, 60, shares) <= mine + 1e-7)
    assert listed.method is Method.EXACT
    assert listed.p_value == pytest.approx(share, abs=0.01)


def test_subject_in_impossible_group_fails() -> None:
    assert multinomial_test([500, 520, 0], [1, 1, 0]).degrees_of_freedom == 1
    assert multinomial_test([500, 520, 0], [1, 1, 0]).p_value == multinomial_test([500, 520], HALVES).p_value
    test = multinomial_test([500, 500, 1], [1, 1, 0])
    assert test[:2] == (math.inf, 0.0)
    assert (test.method, test.impossible) == (Method.IMPOSSIBLE, 1)


def test_counts_that_say_nothing_are_no_evidence() -> None:
    assert multinomial_test([0, 0], HALVES).p_value == 1
    assert multinomial_test([5], [0.3]).p_value == 1
    assert multinomial_test([5, 0], [0.3, 0]).p_value == 1


@pytest.mark.parametrize(
    ("counts", "shares"),
    [
        ([1, 2], [0.5]),
        ([-1, 2], HALVES),
        ([1, 2], [0.5, -0.1]),
        ([1, 2], [0.5, math.nan]),
        ([1, 2], [0.5, math.inf]),
        ([1, 2], [0, 0]),
        ([], []),
    ],
)
def test_nonsense_is_refused(counts: list[int], shares: list[float]) -> None:
    with pytest.raises(ValueError, match=r"shares|counts|share"):
        multinomial_test(counts, shares)


def test_counts_that_are_not_whole_are_refused() -> None:
    with pytest.raises(ValueError, match="whole"):
        multinomial_test(np.array([1.5, 2]), HALVES)


groups = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9)), min_size=2, max_size=4)


@given(groups, st.randoms(use_true_random=False), st.integers(1, 1000))
def test_order_and_scale_of_shares_do_not_matter(drawn: list[tuple[int, int]], random: Random, scale: int) -> None:
    if not any(share for _, share in drawn):
        return
    first = multinomial_test([count for count, _ in drawn], [Fraction(share) for _, share in drawn])
    random.shuffle(drawn)
    other = multinomial_test([count for count, _ in drawn], [share * scale for _, share in drawn])
    assert 0 <= first.p_value <= 1
    assert (first.method, first.impossible) == (other.method, other.impossible)
    assert first.statistic == pytest.approx(other.statistic, rel=1e-6, abs=1e-9)
    # Draws differ from order to order.
    assert first.p_value == pytest.approx(other.p_value, rel=1e-6, abs=0.01 if first.method is Method.DRAWN else 1e-9)


@given(st.lists(st.integers(10, 1000), min_size=2, max_size=6), st.integers(2, 20))
def test_more_of_the_same_imbalance_is_more_evidence(counts: list[int], times: int) -> None:
    shares = [1.0] * len(counts)
    first, more = multinomial_test(counts, shares), multinomial_test([count * times for count in counts], shares)
    assert more.statistic == pytest.approx(first.statistic * times, rel=1e-9, abs=1e-9)
    grown = [count * times for count in counts]
    assert deviation(grown, shares).effect == pytest.approx(deviation(counts, shares).effect, abs=1e-12)
    # The statistic is subjects times w squared: power rests on that.
    assert sum(counts) * deviation(counts, shares).effect ** 2 == pytest.approx(first.statistic, rel=1e-9, abs=1e-9)


def test_single_look_keeps_its_level() -> None:
    generator = np.random.default_rng(11)
    hashes = generator.integers(0, HASH_SPACE, (20_000, 1000), dtype=np.uint32)
    group = assign_hashes(hashes, 3, 0.5).group
    counts = np.stack([np.count_nonzero(group == index, axis=1) for index in range(3)], axis=-1)
    _, p_value = chi_square(counts, expected_shares(3, 0.5).groups)
    assert np.mean(p_value < 0.001) <= 0.0015
    assert stats.binomtest(int(np.count_nonzero(p_value < 0.05)), 20_000, 0.05).pvalue > 0.001
    one = multinomial_test(counts[0], expected_shares(3, 0.5).groups)
    assert p_value[0] == pytest.approx(one.p_value, rel=1e-12)


def test_exact_test_keeps_its_level() -> None:
    # Two groups, one of them hardly ever: 30 subjects of whom 0.3 are expected there.
    shares = [0.99, 0.01]
    chance = stats.binom.pmf(np.arange(31), 30, 0.01)
    called = [multinomial_test([30 - few, few], shares).p_value < 0.01 for few in range(31)]
    by_chi_square = [chi_square(np.array([30 - few, few]), shares)[1] < 0.01 for few in range(31)]
    assert chance[np.array(called)].sum() <= 0.01
    assert chance[np.array(by_chi_square)].sum() > 0.03


def test_many_outcomes_at_once_need_subjects_in_each() -> None:
    with pytest.raises(ValueError, match="subject"):
        chi_square(np.array([[1, 2], [0, 0]]), HALVES)
    with pytest.raises(ValueError, match="two groups"):
        chi_square(np.array([[1, 2]]), [1.0, 0.0])


def test_floor_ignores_slight_imbalances() -> None:
    counts = [5_010_000, 4_990_000]
    assert multinomial_test(counts, HALVES).p_value < 0.001
    assert not exceeds_floor(counts, HALVES, 0.005)
    assert exceeds_floor(counts, HALVES, 0.002)
    assert exceeds_floor([5, 5, 1], [1, 1, 0], 0.5)
    with pytest.raises(ValueError, match="floor"):
        exceeds_floor(counts, HALVES, 0)


def test_floor_never_decides_below_27000_subjects() -> None:
    for total in (1_000, 20_000, 27_000):
        low = next(
            few for few in range(total // 2, 0, -1) if multinomial_test([few, total - few], HALVES).p_value < 0.001
        )
        assert exceeds_floor([low, total - low], HALVES, 0.02)


def test_deviation_is_cohens_w_and_relative() -> None:
    result = deviation([510, 490, 0], [0.5, 0.5, 0])
    assert result.effect == pytest.approx(0.02)
    assert result.relative == pytest.approx((0.02, -0.02, 0))
    assert deviation([510, 489, 1], [0.5, 0.5, 0]).effect == math.inf
    with pytest.raises(ValueError, match="all counts are 0"):
        deviation([0, 0], HALVES)


def test_the_effect_is_that_of_statsmodels() -> None:
    sizes = importlib.import_module("statsmodels.stats.gof").chisquare_effectsize
    assert deviation([30, 50, 20], [1, 1, 1]).effect == pytest.approx(sizes([1, 1, 1], [30, 50, 20]), rel=1e-9)


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holms_correction_lies_between_none_and_bonferronis(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for p_value, item in zip(p_values, adjusted, strict=True):
        assert p_value <= item <= min(p_value * len(p_values), 1)
    assert holm(p_values[::-1]) == adjusted[::-1]
    assert [adjusted[index] for index in np.argsort(p_values, kind="stable")] == sorted(adjusted)


def test_holms_correction_is_that_of_statsmodels() -> None:
    multipletests = importlib.import_module("statsmodels.stats.multitest").multipletests
    generator = np.random.default_rng(10)
    for size in range(1, 12):
        p_values = (generator.random(size) ** 3).round(2).tolist()
        assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1], rel=1e-9, abs=1e-12)


def test_holms_correction_refuses_what_is_no_p_value() -> None:
    assert holm([]) == ()
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    with pytest.raises(ValueError, match="p-value"):
        holm([0.1, 1.1])
    with pytest.raises(ValueError, match="p-value"):
        holm([math.nan])
