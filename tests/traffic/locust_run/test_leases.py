from hypothesis import given
from hypothesis import strategies as st

from traffic.locust_run.leases import Leaser


def test_leases_are_all_things_once() -> None:
    leaser = Leaser(10, step=4)
    assert list(iter(lambda: leaser.lend("a"), None)) == [(0, 4), (4, 4), (8, 2)]


@given(
    st.integers(0, 300),
    st.integers(1, 16),
    st.integers(1, 16),
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=80),
)
def test_workers_that_share_get_everything_once(count: int, step: int, turn: int, asks: list[str]) -> None:
    leaser = Leaser(count, step, turn)
    members = frozenset("abcd")
    lent = [lease for worker in asks if (lease := leaser.lend(worker, members))]
    # Then three of them are gone.
    lent += iter(lambda: leaser.lend("a"), None)
    assert sorted(index for first, many in lent for index in range(first, first + many)) == list(range(count))


def test_a_turn_is_shared_among_those_that_take_part_and_again_when_one_joins_or_leaves() -> None:
    leaser, all_three = Leaser(10_000, step=1, turn=12), frozenset("abc")
    for worker in "ab" * 50:
        leaser.lend(worker, all_three)
    took = dict.fromkeys("abc", 0)
    for worker in "abc" * 40:
        assert leaser.lend(worker, all_three)
        took[worker] += 1
    assert set(took.values()) <= set(range(36, 45))
    left = [lease for worker in "ab" * 30 if (lease := leaser.lend(worker, frozenset("ab")))]
    assert len({first for first, _ in left}) == 60
    # What had been dealt to the one that left is among what the others got; nothing was skipped.
    rest = list(iter(lambda: leaser.lend("a", frozenset("ab")), None)) + list(
        iter(lambda: leaser.lend("b", frozenset("ab")), None)
    )
    assert 100 + 120 + len(left) + len(rest) == 10_000
