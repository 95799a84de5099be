"""Leases: every item is leased once, and workers share turns."""

from hypothesis import given
from hypothesis import strategies as st

from traffic.locust_run.leases import Leaser


def test_every_item_is_leased_once() -> None:
    leaser = Leaser(10, step=4)
    assert list(iter(lambda: leaser.lend("a"), None)) == [(0, 4), (4, 4), (8, 2)]


@given(
    st.integers(0, 300),
    st.integers(1, 16),
    st.integers(1, 16),
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=80),
)
def test_workers_share_every_item_once(count: int, step: int, turn: int, asks: list[str]) -> None:
    leaser = Leaser(count, step, turn)
    members = frozenset("abcd")
    lent = [lease for worker in asks if (lease := leaser.lend(worker, members))]
    # Then three of them have left.
    lent += iter(lambda: leaser.lend("a"), None)
    assert sorted(index for first, size in lent for index in range(first, first + size)) == list(range(count))


def test_turns_are_shared_as_workers_join_and_leave() -> None:
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
    # The others also got the ranges dealt to the worker that left: no item is missing.
    rest = list(iter(lambda: leaser.lend("a", frozenset("ab")), None)) + list(
        iter(lambda: leaser.lend("b", frozenset("ab")), None)
    )
    assert 100 + 120 + len(left) + len(rest) == 10_000
