"""Whether something hit one group more than the rest, or those who stayed less long."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics import shorter, unlike

MEMBERS = st.integers(0, 400).flatmap(lambda members: st.tuples(st.integers(0, members), st.just(members)))


def test_two_groups_are_compared_by_fishers_exact_test() -> None:
    expected = stats.fisher_exact(np.array([[3, 97], [20, 80]])).pvalue
    assert unlike([(3, 100), (20, 100)]) == pytest.approx(expected)
    assert unlike([(0, 30), (30, 30)]) < 1e-15


def test_each_group_is_compared_with_the_rest() -> None:
    tables = [[[30, 70], [20, 180]], [[10, 90], [40, 160]], [[10, 90], [40, 160]]]
    least = min(stats.fisher_exact(np.array(table)).pvalue for table in tables)
    assert unlike([(30, 100), (10, 100), (10, 100)]) == pytest.approx(3 * least)


@given(st.lists(MEMBERS, max_size=4))
def test_p_value_does_not_depend_on_order(counts: list[tuple[int, int]]) -> None:
    result = unlike(counts)
    assert 0 <= result <= 1
    assert result == pytest.approx(unlike(counts[::-1]))


def test_nothing_to_compare_is_no_difference() -> None:
    assert unlike([]) == unlike([(5, 10)]) == unlike([(0, 10), (0, 20)]) == unlike([(10, 10), (3, 3), (0, 0)]) == 1
    with pytest.raises(ValueError, match="hits"):
        unlike([(11, 10), (0, 10)])


def test_equal_rates_are_rarely_called() -> None:
    random = np.random.default_rng(5)
    hits = random.binomial(500, 0.03, size=(2_000, 2))
    called = sum(unlike([(int(one), 500), (int(other), 500)]) < 0.01 for one, other in hits)
    assert called <= 25


def test_shorter_is_the_mann_whitney_test() -> None:
    assert shorter([1, 2, 3], [4, 5, 6]) == pytest.approx(0.05)
    assert shorter([4, 5, 6], [1, 2, 3]) == pytest.approx(1.0)
    assert shorter([], [1]) == shorter([1], []) == 1
