"""The sender's engine below a ceiling: what is held back goes later, what may never go is dropped and counted."""

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
    """Time that passes when something waits."""

    def __init__(self) -> None:
        self.us = 0

    def __call__(self) -> int:
        return self.us


class Wire:
    """Answers everything at once, and notes when it was sent."""

    free, under_way = 1000, 0

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
        """Nothing waits here."""


class Paper:
    """A ledger that is thrown away."""

    def reserve(self, count: int) -> int:
        return 0

    def append(self, row: bytes) -> None:
        assert isinstance(row, bytes)


def play(ceilings: Ceilings) -> tuple[Wire, LoadCounters, list[PlannedEvent]]:
    """Play 300 events, which are due at 1,000 a second."""
    run_plan = plan(visitors=4096, events_per_second=1000.0, events=300)
    agenda = SendQueue(run_plan, 1, bytes)
    agenda.lend(0)
    agenda.lend(None)
    clock = Clock()
    wire, tally = Wire(clock), LoadCounters()
    engine = SendLoop(
        agenda, wire, Paper(), tally, zero_us=0, started_ms=0, clock=clock,
        request_timeout_us=60_000_000, governor=RateLimiter(ceilings),
    )  # fmt: skip
    while not engine.is_over:
        engine.step()
        assert clock.us < 60_000_000
    return wire, tally, list(run_plan.events(0, 4096))


def test_the_rate_is_held_whatever_is_due() -> None:
    wire, _, events = play(Ceilings(rate=100))
    assert len(wire.sent_us) == len(events) == 300
    span_s = (wire.sent_us[-1] - wire.sent_us[0]) / 1e6
    assert 2.9 < span_s < 3.3
    assert all(sum(first <= other < first + 1_000_000 for other in wire.sent_us) <= 102 for first in wire.sent_us[::10])


def test_what_is_above_the_number_of_events_is_dropped_and_said() -> None:
    wire, tally, _ = play(Ceilings(events=120))
    assert len(wire.sent_us) == 120
    message = tally.sum_up()
    assert message.errors["ceiling"] == 180
    assert sum(second.dropped for second in message.seconds.values()) == 180


def test_nothing_is_sent_after_the_end() -> None:
    wire, tally, _ = play(Ceilings(seconds=0.1))
    assert 90 <= len(wire.sent_us) <= 101
    assert tally.sum_up().errors["ceiling"] == 300 - len(wire.sent_us)


def test_without_ceilings_everything_goes_when_it_is_due() -> None:
    wire, tally, events = play(Ceilings())
    assert len(wire.sent_us) == len(events)
    assert not tally.sum_up().errors
