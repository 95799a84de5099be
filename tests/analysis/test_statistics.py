import numpy as np
import pytest
from scipy import stats

from analysis.statistics import rate_test, ratio_power, ratio_test, share_interval
from metrics_platform.assignment import HASH_SPACE, assign_hashes, expected_shares


def test_the_ratio_test_is_pearsons_on_the_exact_shares() -> None:
    shares = expected_shares(3, 0.3).groups
    found = ratio_test([4000, 4100, 3900], shares)
    expected = [12_000 * float(share / sum(shares)) for share in shares]
    statistic = sum((o - e) ** 2 / e for o, e in zip([4000, 4100, 3900], expected, strict=True))
    assert found.statistic == pytest.approx(statistic, rel=1e-12)
    assert found.p_value == pytest.approx(stats.chi2.sf(statistic, 2), rel=1e-9)
    assert found.degrees_of_freedom == 2


def test_the_published_mismatch_is_called() -> None:
    found = ratio_test([1_302_187, 1_214_917], [0.5, 0.5])
    assert found.statistic == pytest.approx(3025.7, abs=0.05)
    assert found.p_value is not None
    assert found.p_value < 1e-300


def test_a_group_that_nobody_should_be_in_takes_no_part_and_a_subject_in_it_allows_no_test() -> None:
    assert ratio_test([50, 50, 0], [0.5, 0.5, 0]).degrees_of_freedom == 1
    assert ratio_test([50, 50, 1], [0.5, 0.5, 0]).p_value is None
    assert ratio_test([0, 0], [0.5, 0.5]).p_value is None
    assert ratio_test([5], [1.0]).p_value is None


def test_false_alarms_of_the_ratio_test_are_as_rare_as_its_level() -> None:
    generator = np.random.default_rng(1)
    shares = expected_shares(3, 0.5).groups
    alarms = 0
    for _ in range(4000):
        hashes = generator.integers(0, HASH_SPACE, 3000, dtype=np.uint32)
        group = assign_hashes(hashes, 3, 0.5).group
        p_value = ratio_test(np.bincount(group[group >= 0], minlength=3).tolist(), shares).p_value
        alarms += p_value is not None and p_value < 0.01
    assert stats.binomtest(alarms, 4000, 0.01).pvalue > 0.001


def test_power_is_what_simulation_gives() -> None:
    generator = np.random.default_rng(2)
    hits = sum(
        (ratio_test([count, 500 - count], [0.5, 0.5]).p_value or 1) < 0.001
        for count in generator.binomial(500, 0.6, 4000).tolist()
    )
    assert hits / 4000 == pytest.approx(ratio_power(500, [0.5, 0.5], 0.2, 0.001), abs=0.03)
    assert ratio_power(0, [0.5, 0.5], 0.2, 0.001) == ratio_power(10, [1.0], 0.2, 0.001) == 0


def test_the_rate_test_is_the_exact_binomial_one() -> None:
    # Two-sided by likelihood: all outcomes no more likely than 2 of 10 at one half.
    likely = stats.binom.pmf(np.arange(11), 10, 0.5)
    assert rate_test(2, 10, 0.5) == pytest.approx(likely[likely <= likely[2] * (1 + 1e-7)].sum())
    assert rate_test(0, 10, 0.0) == 1
    assert rate_test(1, 10, 0.0) == 0


def test_intervals_are_wilsons() -> None:
    z = stats.norm.ppf(0.975)
    share, n = 0.3, 200
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    found = share_interval(60, 200)
    assert (found.low, found.high) == pytest.approx((middle - half, middle + half))
    assert share_interval(0, 0) == (0.0, 1.0)
