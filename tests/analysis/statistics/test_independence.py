import hashlib
import importlib
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import stats

from analysis.statistics import independence_test, uniformity_test
from contracts.assignment import HASH_SPACE, assign_many, expected_shares
from contracts.generation import Generation

TABLE = np.array([[900, 1000, 1100], [1050, 1020, 930]])


def test_the_table_is_tested_by_g() -> None:
    test = independence_test(TABLE)
    expected = stats.contingency.expected_freq(TABLE)
    g = 2 * (TABLE * np.log(TABLE / expected)).sum()
    assert test.statistic == pytest.approx(g, rel=1e-9)
    assert test.p_value == pytest.approx(stats.chi2.sf(g, 2), rel=1e-9)
    assert test.smallest_expected == pytest.approx(expected.min())


def test_pearsons_statistic_is_that_of_statsmodels() -> None:
    peer = importlib.import_module("statsmodels.stats.contingency_tables").Table(TABLE, shift_zeros=False)
    test = independence_test(TABLE)
    pearson = independence_test(TABLE, "pearson")
    assert pearson.statistic == pytest.approx(peer.test_nominal_association().statistic, rel=1e-9)
    assert pearson.p_value == pytest.approx(peer.test_nominal_association().pvalue, rel=1e-9)
    assert test.cramers_v == pytest.approx(np.sqrt(pearson.statistic / TABLE.sum()), rel=1e-9)


def test_experiments_with_one_name_are_fully_dependent() -> None:
    # Names that begin with a digit can hash alike: the same groups for everybody.
    users = np.arange(1, 4001)
    one = assign_many(Generation.XLAB, users * 10 + 2, "3-x", ["a", "b"], 1.0).group
    other = assign_many(Generation.XLAB, users, "23-x", ["a", "b"], 1.0).group
    test = independence_test(stats.contingency.crosstab(one, other).count)
    assert test.p_value < 1e-300
    assert test.cramers_v == pytest.approx(1)


@pytest.mark.parametrize("generation", list(Generation))
def test_experiments_with_other_names_are_independent(generation: Generation) -> None:
    users = np.arange(1, 40_001)
    one = assign_many(generation, users, "dogfood-ctr", ["a", "b", "c"], 1.0).group
    other = assign_many(generation, users, "another", ["a", "b"], 1.0).group
    test = independence_test(stats.contingency.crosstab(one, other).count)
    assert test.p_value > 0.001
    assert test.cramers_v < 0.02


def test_false_alarms_are_as_rare_as_the_level() -> None:
    generator = np.random.default_rng(6)
    tables = generator.multinomial(3000, np.full(6, 1 / 6), size=2000).reshape(-1, 2, 3)
    alarms = sum(independence_test(table).p_value < 0.05 for table in tables)
    assert stats.binomtest(alarms, 2000, 0.05).pvalue > 0.001


@given(arrays(np.int64, (3, 4), elements=st.integers(0, 200)), st.permutations(range(3)), st.permutations(range(4)))
def test_order_of_groups_does_not_matter(table: NDArray[np.int64], rows: list[int], columns: list[int]) -> None:
    test = independence_test(table)
    assert 0 <= test.p_value <= 1
    assert -1e-9 <= test.cramers_v <= 1 + 1e-9
    for turned in (table[rows][:, columns], table.T, np.vstack([table, np.zeros((1, 4), dtype=np.int64)])):
        assert independence_test(turned) == pytest.approx(test, rel=1e-6, abs=1e-9)


def test_a_table_of_one_row_is_no_evidence() -> None:
    assert independence_test(np.array([[5, 9], [0, 0]])).p_value == 1
    assert independence_test(np.zeros((2, 2), dtype=np.int64)).p_value == 1


@pytest.mark.parametrize("table", [np.array([1, 2]), np.array([[1, -2], [3, 4]]), np.array([[0.5, 1], [1, 1]])])
def test_tables_that_are_none_are_refused(table: NDArray[np.int64]) -> None:
    with pytest.raises(ValueError, match=r"dimensions|whole"):
        independence_test(table)


def test_the_hash_is_uniform_in_both_generations() -> None:
    for generation in Generation:
        hashes = assign_many(generation, np.arange(1, 100_001), "dogfood-ctr", ["a"], 1.0).hash24
        test = uniformity_test(hashes)
        assert test.chi_square_p > 0.001
        assert test.distance_p > 0.001


def test_sampled_hashes_are_uniform_within_their_group() -> None:
    assigned = assign_many(Generation.XLAB, np.arange(1, 100_001), "dogfood-ctr", ["a", "b", "c"], 0.1)
    shares = expected_shares(3, 0.1).groups
    assert uniformity_test(assigned.hash24[assigned.in_sample], bins=64).chi_square_p < 1e-300
    for group, share in enumerate(shares):
        first = -(-group * HASH_SPACE // 3)
        space = int(share * Fraction(HASH_SPACE))
        hashes = assigned.hash24[assigned.group == group].astype(np.int64) - first
        test = uniformity_test(hashes, space=space, bins=64)
        assert min(test.chi_square_p, test.distance_p) > 0.001


def test_drifts_and_clumps_are_detected() -> None:
    generator = np.random.default_rng(8)
    drift = (generator.beta(1, 1.06, 20_000) * HASH_SPACE).astype(np.int64)
    assert uniformity_test(drift).distance_p < 1e-4
    # Every second bin is a tenth too full: no drift, and no distance to speak of.
    clumps = generator.integers(0, HASH_SPACE >> 8, 20_000) + (
        generator.choice(256, 20_000, p=np.tile([1.1, 0.9], 128) / 256) << 16
    )
    test = uniformity_test(clumps)
    assert test.chi_square_p < 1e-4
    assert test.distance_p > 0.01


def test_hexadecimal_read_as_decimal_is_seen() -> None:
    # A plausible blunder: seven decimal digits of the digest instead of six hexadecimal ones.
    digests = [hashlib.sha256(b"%d" % number).digest() for number in range(5000)]
    hashes = np.array([int.from_bytes(digest[:8]) % 10**7 for digest in digests])
    assert uniformity_test(hashes).chi_square_p < 1e-300


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40))
def test_distance_is_the_largest_cdf_difference(drawn: list[int]) -> None:
    hashes = np.array(drawn)
    places = np.arange(10)
    observed = (hashes[:, None] <= places).mean(axis=0)
    test = uniformity_test(hashes, space=10, bins=5)
    assert test.distance == pytest.approx(np.abs(observed - (places + 1) / 10).max(), abs=1e-12)
    assert test.chi_square == pytest.approx(stats.chisquare(np.bincount(hashes // 2, minlength=5)).statistic)
    assert 0 <= test.distance_p <= 1
    # Turned upside down, it is the same.
    turned = uniformity_test(9 - hashes, space=10, bins=5)
    assert turned == pytest.approx(test, rel=1e-9, abs=1e-9)


def test_unequal_bins_have_exact_expectations() -> None:
    test = uniformity_test(np.arange(10), space=10, bins=4)
    # The bins hold 3, 2, 3 and 2 of the ten values.
    assert test.chi_square == pytest.approx(0)
    assert test.distance == pytest.approx(0)


def test_24_bit_steps_do_not_matter() -> None:
    generator = np.random.default_rng(9)
    uniform = generator.random(10_000)
    peer = stats.kstest(uniform, "uniform")
    test = uniformity_test((uniform * HASH_SPACE).astype(np.int64))
    assert test.distance == pytest.approx(peer.statistic, abs=2 / HASH_SPACE)
    assert test.distance_p == pytest.approx(peer.pvalue, rel=1e-4)


@pytest.mark.parametrize(
    ("hashes", "space", "bins"),
    [([], 10, 2), ([10], 10, 2), ([-1], 10, 2), ([1], 10, 1), ([1], 10, 11), ([1], 0, 2), ([[1, 2]], 10, 2)],
)
def test_hashes_that_are_none_are_refused(hashes: list[int], space: int, bins: int) -> None:
    with pytest.raises(ValueError, match=r"hash|bins|space|whole"):
        uniformity_test(hashes, space, bins)
