"""The rate limiter: the ceilings hold for any requests."""

import math

from hypothesis import given
from hypothesis import strategies as st

from run_record.rate_limit import RateLimiter
from run_record.target import Ceilings


def admitted(limiter: RateLimiter, requests: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """Return (second, events) of all admitted requests, when each waits for its time."""
    now = 0.0
    items: list[tuple[float, int]] = []
    for pause, events in requests:
        now += pause
        while (wait := limiter.wait(events, now)) > 0:
            if math.isinf(wait):
                return items
            now += wait
        items.append((now, events))
    return items


requests = st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 3)), max_size=300)


@given(requests, st.floats(1, 500), st.integers(1, 400), st.floats(0.1, 100))
def test_no_second_has_more_than_the_rate(
    wanted: list[tuple[float, int]], rate: float, events: int, end: float
) -> None:
    missing = admitted(RateLimiter(Ceilings(rate, events, end)), wanted)
    assert sum(count for _, count in missing) <= events
    assert all(second <= end for second, _ in missing)
    for first, (begin, _) in enumerate(missing):
        within = sum(count for second, count in missing[first:] if second < begin + 1)
        # The hundredth that may be saved up, and the request that was let through on credit.
        assert within <= rate * 1.01 + 1 + 3


@given(requests)
def test_without_ceilings_nothing_waits(wanted: list[tuple[float, int]]) -> None:
    limiter = RateLimiter.unlimited()
    assert all(limiter.wait(events, second) == 0 for second, events in wanted)


def test_the_backlog_after_a_stall_keeps_the_rate() -> None:
    missing = admitted(RateLimiter(Ceilings(rate=100)), [(0.01, 1)] * 100 + [(3.0, 1)] + [(0.0, 1)] * 299)
    backlog = [second for second, _ in missing[100:]]
    assert 2.9 < backlog[-1] - backlog[0] < 3.0


def test_two_senders_share() -> None:
    ceilings = Ceilings(rate=100, events=50)
    items = [admitted(RateLimiter(ceilings, share=0.5), [(0.0, 1)] * 60) for _ in range(2)]
    assert [len(item) for item in items] == [25, 25]


def test_a_large_batch_delays_the_next_one() -> None:
    limiter = RateLimiter(Ceilings(rate=10))
    assert limiter.wait(50, 0.0) == 0
    assert limiter.wait(50, 0.1) > 4
