import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import integrate, stats

from analysis.statistics import chi_square, concentration_for, sequential_test

HALVES = [0.5, 0.5]


def grown(runs: int, looks: int, subjects: int, shares: list[float], seed: int) -> NDArray[np.int64]:
    """Return cumulative counts of *runs* experiments that were looked at *looks* times, shape (runs, looks, groups)."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(subjects // looks, shares, size=(runs, looks)).cumsum(axis=1)


def test_the_e_value_is_the_bayes_factor() -> None:
    # Two groups: the mixture is an integral over a beta distribution.
    share, concentration, few, many = 0.3, 20.0, 18, 25

    def weighed(p: float) -> float:
        prior = stats.beta.pdf(p, concentration * share, concentration * (1 - share))
        return float(prior * (p / share) ** few * ((1 - p) / (1 - share)) ** many)

    expected, _ = integrate.quad(weighed, 0, 1, epsabs=0, epsrel=1e-12)
    test = sequential_test(np.array([[few, many]]), [share, 1 - share], concentration)
    assert test.e_value[0] == pytest.approx(expected, rel=1e-9)


def test_e_value_matches_scipys_dirichlet_multinomial() -> None:
    counts, shares = np.array([[3, 4, 9], [30, 41, 60]]), np.array([0.2, 0.3, 0.5])
    expected = stats.dirichlet_multinomial.logpmf(counts, 50 * shares, counts.sum(axis=1)) - stats.multinomial.logpmf(
        counts, counts.sum(axis=1), shares
    )
    assert sequential_test(counts, shares.tolist(), 50).log_e_value == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_each_subject_multiplies_the_e_value() -> None:
    # The form in which Lindon & Malek give it; its expectation is 1 after any history.
    shares, concentration = np.array([0.2, 0.3, 0.5]), 50.0
    generator = np.random.default_rng(5)
    counts = np.eye(3, dtype=np.int64)[generator.integers(0, 3, 200)].cumsum(axis=0)
    before = np.vstack([np.zeros((1, 3)), counts[:-1]])
    foretold = (concentration * shares + before) / (concentration + before.sum(axis=1, keepdims=True))
    arrived = np.diff(counts, axis=0, prepend=0).astype(bool)
    steps = np.log((foretold / shares)[arrived])
    test = sequential_test(counts, shares.tolist(), concentration)
    assert test.log_e_value == pytest.approx(steps.cumsum(), rel=1e-9, abs=1e-9)
    assert ((foretold / shares) * shares).sum(axis=1) == pytest.approx(1)


def test_hundred_looks_keep_the_level() -> None:
    counts = grown(4_000, 100, 1_000_000, HALVES, seed=1)
    _, p_value = chi_square(counts, HALVES)
    assert np.mean((p_value < 0.05).any(axis=1)) == pytest.approx(0.377, abs=0.025)
    alarms = sequential_test(counts, HALVES).first_look(0.05) >= 0
    assert np.mean(alarms) <= 0.05


@pytest.mark.parametrize("concentration", [2.0, 100.0, 100_000.0])
def test_any_concentration_keeps_the_level(concentration: float) -> None:
    counts = grown(2_000, 200, 200_000, [0.2, 0.3, 0.5], seed=2)
    alarms = sequential_test(counts, [0.2, 0.3, 0.5], concentration).first_look(0.05) >= 0
    assert np.mean(alarms) <= 0.05


@pytest.mark.parametrize("share", [0.502, 0.498])
def test_the_published_slight_imbalance_is_seen_and_soon(share: float) -> None:
    counts = grown(2_000, 100, 1_637_070, [share, 1 - share], seed=round(share * 1000))
    look = sequential_test(counts, HALVES).first_look(0.05)
    assert np.mean(look >= 0) >= 0.97
    at = np.where(look >= 0, look + 1, np.inf) / 100
    assert np.median(at) == pytest.approx(0.3, abs=0.05)


def test_a_uniform_prior_sees_less_of_it() -> None:
    counts = grown(2_000, 100, 1_637_070, [0.502, 0.498], seed=3)
    look = sequential_test(counts, HALVES, concentration=2).first_look(0.05)
    assert np.mean(look >= 0) == pytest.approx(0.79, abs=0.03)


def test_the_best_concentration_needs_the_least_imbalance() -> None:
    assert concentration_for(80_000, 0.05) == pytest.approx(80_000 / 8.2, rel=0.01)
    assert concentration_for(80_000, 0.001) == pytest.approx(80_000 / 16.7, rel=0.01)
    for groups, subjects, alpha in [(2, 50_000, 0.05), (4, 9_000, 0.001)]:
        best = concentration_for(subjects, alpha, groups)

        def called(concentration: float, n: int = subjects, d: int = groups - 1, level: float = alpha) -> float:
            share = concentration / n
            return (1 + share) * (2 * math.log(1 / level) + d * math.log1p(1 / share))

        assert called(best) < min(called(best * 1.1), called(best * 0.9))


def test_the_called_statistic_is_the_documented_one() -> None:
    n, concentration = 400_000, 10_000
    called = (1 + concentration / n) * (2 * math.log(20) + math.log1p(n / concentration))
    off = round(math.sqrt(called * n) / 2)
    log_e_value = sequential_test(np.array([[n // 2 + off, n // 2 - off]]), HALVES, concentration).log_e_value
    assert log_e_value[0] == pytest.approx(math.log(20), abs=0.01)


counts_of_looks = arrays(np.int64, (6, 3), elements=st.integers(0, 5000)).map(lambda steps: steps.cumsum(axis=0))


@given(counts_of_looks, st.permutations(range(3)), st.floats(0.1, 1e6))
def test_p_values_never_rise(counts: NDArray[np.int64], order: list[int], concentration: float) -> None:
    shares = [0.2, 0.3, 0.5]
    test = sequential_test(counts, shares, concentration)
    assert np.all((test.p_value >= 0) & (test.p_value <= 1))
    assert np.all(np.diff(test.p_value) <= 0)
    assert np.all(test.p_value <= np.exp(-np.maximum(test.log_e_value, 0)) * (1 + 1e-12))
    other = sequential_test(counts[:, order], [shares[index] for index in order], concentration)
    assert other.log_e_value == pytest.approx(test.log_e_value, rel=1e-6, abs=1e-6)
    alone = np.stack([sequential_test(counts[: look + 1], shares, concentration).p_value[-1] for look in range(6)])
    assert alone == pytest.approx(test.p_value)


def test_impossible_subject_is_infinite_evidence() -> None:
    test = sequential_test(np.array([[0, 0, 0], [50, 50, 0], [50, 50, 1], [60, 60, 1]]), [1, 1, 0])
    assert test.log_e_value[0] == 0
    assert test.p_value.tolist() == [1.0, 1.0, 0.0, 0.0]
    assert test.first_look(0.05) == 2
    assert test.e_value[-1] == np.inf
    assert sequential_test(np.array([[50, 50]]), HALVES).first_look(0.05) == -1


def test_huge_e_values_are_infinite() -> None:
    test = sequential_test(np.array([[2_000_000, 1_000_000]]), HALVES)
    assert test.log_e_value[0] > 1000
    assert test.e_value[0] == np.inf


@pytest.mark.parametrize(
    ("counts", "shares", "concentration"),
    [
        ([1, 2], HALVES, 1.0),
        ([[1, 2, 3]], HALVES, 1.0),
        ([[5, 5], [4, 9]], HALVES, 1.0),
        ([[-1, 5]], HALVES, 1.0),
        ([[1.5, 5]], HALVES, 1.0),
        ([[1, 5]], [0.0, 0.0], 1.0),
        ([[1, 5]], HALVES, 0.0),
        ([[1, 5]], HALVES, math.inf),
    ],
)
def test_nonsense_is_refused(counts: list[list[int]], shares: list[float], concentration: float) -> None:
    with pytest.raises(ValueError, match=r"counts|share|concentration"):
        sequential_test(np.array(counts), shares, concentration)


def test_levels_and_sizes_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="alpha"):
        sequential_test(np.array([[1, 5]]), HALVES).first_look(1.0)
    with pytest.raises(ValueError, match="two groups"):
        concentration_for(100, 0.05, 1)
    with pytest.raises(ValueError, match="subjects"):
        concentration_for(0, 0.05)


def test_large_counts_lose_no_digits_that_matter() -> None:
    # Log-gammas of millions are subtracted from each other; sums of logarithms, exactly rounded, say the same.
    counts, concentration = (1_204_000, 1_196_000), 10_000.0
    grown_logs = (math.log1p(step / (concentration / 2)) for count in counts for step in range(count))
    total_logs = (-math.log1p(step / concentration) for step in range(sum(counts)))
    # Both products are in units of the prior, and the halves' units cancel against the expected shares.
    exact = math.fsum(grown_logs) + math.fsum(total_logs)
    test = sequential_test(np.array([counts]), HALVES, concentration)
    assert test.log_e_value[0] == pytest.approx(exact, abs=1e-6)
