import importlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics import newcombe, share_interval, wilson


def parts() -> st.SearchStrategy[tuple[int, int]]:
    """Return (count, total) with 0 <= count <= total and 1 <= total."""
    return st.integers(1, 5000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@given(parts(), st.floats(0.01, 0.999))
def test_wilson_solves_the_score_test(part: tuple[int, int], confidence: float) -> None:
    # By its definition: the ends are the shares at which the score test is just significant.
    count, total = part
    result, z = wilson(count, total, confidence), stats.norm.ppf((1 + confidence) / 2)
    assert 0 <= result.low <= count / total + 1e-12
    assert count / total - 1e-12 <= result.high <= 1
    for end in result:
        assert (count / total - end) ** 2 == pytest.approx(z * z * end * (1 - end) / total, abs=1e-9)


def test_wilson_and_newcombe_are_those_of_statsmodels() -> None:
    proportion = importlib.import_module("statsmodels.stats.proportion")
    for count, total in [(0, 10), (3, 10), (10, 10), (60, 200), (1_302_187, 2_517_104)]:
        assert wilson(count, total) == pytest.approx(
            proportion.proportion_confint(count, total, method="wilson"), abs=1e-9
        )
    for one, other in [((56, 70), (48, 80)), ((9, 10), (3, 10)), ((0, 20), (10, 10)), ((5000, 90_000), (4900, 91_000))]:
        peer = proportion.confint_proportions_2indep(*one, *other, method="newcomb", alpha=0.1)
        assert newcombe(*one, *other, confidence=0.9) == pytest.approx(peer, abs=1e-9)


def test_the_published_examples() -> None:
    # Newcombe (1998), table II, method 10: 56/70 - 48/80, 9/10 - 3/10 and 10/10 - 0/20.
    assert newcombe(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert newcombe(9, 10, 3, 10) == pytest.approx((0.1705, 0.8090), abs=5e-5)
    assert newcombe(10, 10, 0, 20) == pytest.approx((0.6791, 1.0000), abs=5e-5)


@given(parts(), parts())
def test_a_difference_turns_its_sign_with_its_groups(one: tuple[int, int], other: tuple[int, int]) -> None:
    result, turned = newcombe(*one, *other), newcombe(*other, *one)
    assert result == pytest.approx((-turned.high, -turned.low), abs=1e-12)
    assert -1 - 1e-12 <= result.low <= one[0] / one[1] - other[0] / other[1] <= result.high <= 1 + 1e-12


def test_nothing_to_go_by_leaves_everything_open() -> None:
    assert wilson(0, 0) == share_interval(0, 0) == (0.0, 1.0)
    assert newcombe(0, 0, 5, 9) == newcombe(5, 9, 0, 0) == (-1.0, 1.0)
    assert share_interval(60, 200) == wilson(60, 200, 0.95)


def test_wilson_covers_as_often_as_it_says() -> None:
    totals, share = 50, 0.04
    chance = stats.binom.pmf(np.arange(totals + 1), totals, share)
    inside = [wilson(count, totals).low <= share <= wilson(count, totals).high for count in range(totals + 1)]
    assert chance[np.array(inside)].sum() == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(
    ("count", "total", "confidence"), [(-1, 5, 0.95), (6, 5, 0.95), (1, 5, 1.0), (1, 5, 0.0), (0, 0, 2.0)]
)
def test_nonsense_is_refused(count: int, total: int, confidence: float) -> None:
    with pytest.raises(ValueError, match=r"count|confidence"):
        wilson(count, total, confidence)
    with pytest.raises(ValueError, match=r"count|confidence"):
        newcombe(1, 2, count, total, confidence)
