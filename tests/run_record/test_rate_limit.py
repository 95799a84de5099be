"""The governor: whatever is asked of it, the ceilings hold."""

import math

from hypothesis import given
from hypothesis import strategies as st

from run_record.rate_limit import RateLimiter
from run_record.target import Ceilings


def let_through(governor: RateLimiter, asks: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """Return (second, events) of all that goes, when each ask waits as long as it is told."""
    now = 0.0
    items: list[tuple[float, int]] = []
    for pause, events in asks:
        now += pause
        while (wait := governor.wait(events, now)) > 0:
            if math.isinf(wait):
                return items
            now += wait
        items.append((now, events))
    return items


asks = st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 3)), max_size=300)


@given(asks, st.floats(1, 500), st.integers(1, 400), st.floats(0.1, 100))
def test_no_second_has_more_than_the_rate(
    wanted: list[tuple[float, int]], rate: float, events: int, end: float
) -> None:
    missing = let_through(RateLimiter(Ceilings(rate, events, end)), wanted)
    assert sum(count for _, count in missing) <= events
    assert all(second <= end for second, _ in missing)
    for first, (begin, _) in enumerate(missing):
        within = sum(count for second, count in missing[first:] if second < begin + 1)
        # The hundredth that may be saved up, and the request that was let through on credit.
        assert within <= rate * 1.01 + 1 + 3


@given(asks)
def test_without_ceilings_nothing_waits(wanted: list[tuple[float, int]]) -> None:
    governor = RateLimiter.unlimited()
    assert all(governor.wait(events, second) == 0 for second, events in wanted)


def test_after_a_stall_the_backlog_goes_at_the_rate() -> None:
    missing = let_through(RateLimiter(Ceilings(rate=100)), [(0.01, 1)] * 100 + [(3.0, 1)] + [(0.0, 1)] * 299)
    backlog = [second for second, _ in missing[100:]]
    assert 2.9 < backlog[-1] - backlog[0] < 3.0


def test_two_senders_share() -> None:
    ceilings = Ceilings(rate=100, events=50)
    items = [let_through(RateLimiter(ceilings, share=0.5), [(0.0, 1)] * 60) for _ in range(2)]
    assert [len(item) for item in items] == [25, 25]


def test_a_large_batch_is_let_through_and_paid_for_afterwards() -> None:
    governor = RateLimiter(Ceilings(rate=10))
    assert governor.wait(50, 0.0) == 0
    assert governor.wait(50, 0.1) > 4
