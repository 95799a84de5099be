"""The send loop under a target's ceilings: requests are delayed, or dropped and counted."""

from collections.abc import Iterable, Sequence

from personas.plan.blocks import PlannedEvent
from run_record.load_report.counters import LoadCounters
from run_record.rate_limit import RateLimiter
from run_record.target import Ceilings
from tests.plans import plan
from traffic.sender.connection_pool import RequestResult
from traffic.sender.http import Response
from traffic.sender.loop import SendLoop
from traffic.sender.queue import SendQueue


class Clock:
    """A clock that moves only while the loop waits."""

    def __init__(self) -> None:
        self.us = 0

    def __call__(self) -> int:
        return self.us


class FakePool:
    """A pool that answers immediately and records the times of sending."""

    free, in_flight = 1000, 0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._answers: list[RequestResult] = []
        self.sent_us: list[int] = []

    def send(self, requests: Iterable[bytes], tags: Iterable[object]) -> None:
        for request, tag in zip(requests, tags, strict=True):
            assert request
            now = self._clock.us
            self.sent_us.append(now)
            self._answers.append(RequestResult([tag], [now], Response(201, "Created", b"", True), "", "", now))

    def poll(self, timeout_s: float) -> Sequence[RequestResult]:
        self._clock.us += max(100, round(timeout_s * 1e6))
        answers, self._answers = self._answers, []
        return answers

    def abandon(self) -> list[RequestResult]:
        return []

    def reap(self) -> None:
        """Requests do not time out here."""


class NullLedger:
    """A ledger that discards its rows."""

    def reserve(self, count: int) -> int:
        return 0

    def append(self, row: bytes) -> None:
        assert isinstance(row, bytes)


def play(ceilings: Ceilings) -> tuple[FakePool, LoadCounters, list[PlannedEvent]]:
    """Send 300 events, due at 1,000 per second."""
    run_plan = plan(visitors=4096, events_per_second=1000.0, events=300)
    queue = SendQueue(run_plan, 1, bytes)
    queue.add_lease(0)
    queue.add_lease(None)
    clock = Clock()
    pool, counters = FakePool(clock), LoadCounters()
    loop = SendLoop(
        queue, pool, NullLedger(), counters, zero_us=0, started_ms=0, clock=clock,
        request_timeout_us=60_000_000, rate_limiter=RateLimiter(ceilings),
    )  # fmt: skip
    while not loop.is_over:
        loop.step()
        assert clock.us < 60_000_000
    return pool, counters, list(run_plan.events(0, 4096))


def test_the_rate_stays_below_its_ceiling() -> None:
    pool, _, events = play(Ceilings(rate=100))
    assert len(pool.sent_us) == len(events) == 300
    span_s = (pool.sent_us[-1] - pool.sent_us[0]) / 1e6
    assert 2.9 < span_s < 3.3
    assert all(sum(first <= other < first + 1_000_000 for other in pool.sent_us) <= 102 for first in pool.sent_us[::10])


def test_events_above_the_ceiling_are_dropped() -> None:
    pool, counters, _ = play(Ceilings(events=120))
    assert len(pool.sent_us) == 120
    counts = counters.sum_up()
    assert counts.errors["ceiling"] == 180
    assert sum(second.dropped for second in counts.seconds.values()) == 180


def test_nothing_is_sent_after_the_maximum_duration() -> None:
    pool, counters, _ = play(Ceilings(seconds=0.1))
    assert 90 <= len(pool.sent_us) <= 101
    assert counters.sum_up().errors["ceiling"] == 300 - len(pool.sent_us)


def test_without_ceilings_every_event_is_sent() -> None:
    pool, counters, events = play(Ceilings())
    assert len(pool.sent_us) == len(events)
    assert not counters.sum_up().errors
