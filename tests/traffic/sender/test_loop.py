"""The send loop: ledger and counts agree for every kind of answer."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson
import pytest

from contracts.intake import EventOutcome
from run_record.ledger.files import LedgerWriter, read_ledger
from run_record.ledger.rows import OUTCOMES
from run_record.load_report.counters import LoadCounters
from tests.plans import EPOCH_MS, plan
from traffic.sender.connection_pool import RequestResult
from traffic.sender.http import Response
from traffic.sender.loop import SendLoop
from traffic.sender.queue import SendQueue

ACCEPTED = Response(201, "All good", b"", reusable=True)


class Clock:
    """A clock that moves only while the loop waits."""

    def __init__(self) -> None:
        self.us = 5_000_000

    def __call__(self) -> int:
        return self.us


class FakePool:
    """A pool with few connections that answers 3 ms later, from a repeated list of answers."""

    def __init__(self, clock: Clock, answers: Sequence[Response | str], ledger: Path, limit: int = 20) -> None:
        self._clock, self._answers, self._ledger, self._limit = clock, answers, ledger, limit
        self._waiting: list[tuple[int, object, bytes]] = []
        self._number = 0
        self.sent: list[bytes] = []

    @property
    def in_flight(self) -> int:
        return len(self._waiting)

    @property
    def free(self) -> int:
        return self._limit - len(self._waiting)

    def send(self, requests: Iterable[bytes], tags: Iterable[object]) -> None:
        for request, tag in zip(requests, tags, strict=True):
            assert self.free > 0
            self._waiting.append((self._clock.us, tag, request))
            self.sent.append(request)
        # The ledger has the intents already.
        rows = map(orjson.loads, self._ledger.read_bytes().splitlines())
        assert sum(len(row["intended"]) for row in rows if "intents" in row) >= len(self.sent)

    def poll(self, timeout_s: float) -> list[RequestResult]:
        self._clock.us += max(200, round(timeout_s * 1e6))
        done = [item for item in self._waiting if item[0] <= self._clock.us - 3000]
        self._waiting = self._waiting[len(done) :]
        results = []
        for sent_us, tag, _ in done:
            answer = self._answers[self._number % len(self._answers)]
            self._number += 1
            if isinstance(answer, str):
                results.append(RequestResult([tag], [sent_us], None, answer, "by the test", self._clock.us))
            elif results and results[-1].response is answer:
                results[-1] = results[-1]._replace(
                    tags=[*results[-1].tags, tag], sent_us=[*results[-1].sent_us, sent_us]
                )
            else:
                results.append(RequestResult([tag], [sent_us], answer, "", "", self._clock.us))
        return results

    def abandon(self) -> list[RequestResult]:
        return []

    def reap(self) -> None:
        """Requests do not time out here."""


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize(
    ("answers", "outcomes", "errors"),
    [
        ([ACCEPTED], {EventOutcome.OK}, set()),
        ([ACCEPTED, ACCEPTED, "reset"], {EventOutcome.OK, EventOutcome.INDETERMINATE}, {"reset"}),
        ([ACCEPTED, Response(400, "bad", b"", True)], {EventOutcome.OK, EventOutcome.INVALID}, {"400"}),
        ([Response(202, "hasty", b"", True), ACCEPTED], {EventOutcome.OK, EventOutcome.INDETERMINATE}, set()),
    ],
)
def test_ledger_and_counters_agree(
    tmp_path: Path, batch: int, answers: list[Response | str], outcomes: set[EventOutcome], errors: set[str]
) -> None:
    run_plan = plan(visitors=512, events_per_second=2000.0, events=600)
    queue = SendQueue(run_plan, batch, bytes)
    for first in (0, 256, None):
        queue.add_lease(first)
    clock, counters = Clock(), LoadCounters()
    pool = FakePool(clock, answers, tmp_path / "w.ndjson")
    with LedgerWriter(tmp_path, "w") as writer:
        loop = SendLoop(
            queue,
            pool,
            writer,
            counters,
            zero_us=clock.us,
            started_ms=EPOCH_MS,
            clock=clock,
            request_timeout_us=60_000_000,
        )
        while not loop.is_over:
            loop.step()
    counts, ledger = counters.sum_up(), read_ledger(tmp_path)
    planned = list(run_plan.events(0, 512))
    assert (counts.total("offered"), counts.total("sent"), counts.total("dropped")) == (
        len(planned),
        len(planned),
        0,
    )
    assert list(zip(ledger.visit, ledger.position, strict=True)) == [(event.visit, event.position) for event in planned]
    assert ledger.intended_ms.min() >= EPOCH_MS
    if batch == 1:
        assert ledger.intended_ms.tolist() == [EPOCH_MS + event.offset_ms for event in planned]
    assert {OUTCOMES[code] for code in ledger.outcome} == outcomes
    accepted = int((ledger.outcome == OUTCOMES.index(EventOutcome.OK)).sum())
    assert counts.total("accepted") == accepted
    assert set(counts.errors) == errors
    assert sum(counts.errors.values()) == counts.total("failed")
    answered = int((ledger.status > 0).sum())
    assert counts.total("answered") == answered
    assert counts.requests == len(pool.sent) == -(-len(planned) // batch)
    # Every answer took 3 ms or a little longer.
    assert counts.histogram("service").get_min_value() >= 2_900
    assert (ledger.answered_ms - ledger.sent_ms).min() >= 2


def test_requests_without_connection_are_dropped_in_time(tmp_path: Path) -> None:
    run_plan = plan(visitors=256, events_per_second=2000.0, events=300)
    queue = SendQueue(run_plan, 1, bytes)
    queue.add_lease(0)
    queue.add_lease(None)
    clock, counters = Clock(), LoadCounters()
    pool = FakePool(clock, [ACCEPTED], tmp_path / "w.ndjson", limit=1)
    with LedgerWriter(tmp_path, "w") as writer:
        loop = SendLoop(
            queue, pool, writer, counters, zero_us=clock.us, started_ms=0, clock=clock, request_timeout_us=50_000
        )
        while not loop.is_over:
            loop.step()
    counts = counters.sum_up()
    assert counts.total("dropped") > 20
    assert (
        counts.total("sent") + counts.total("dropped") == counts.total("offered") == len(list(run_plan.events(0, 256)))
    )
    assert counts.errors["dropped"] == counts.total("dropped") == counts.total("failed")
    assert len(set(pool.sent)) == len(pool.sent) == counts.total("sent")


def test_stopped_loop_sends_nothing_more(tmp_path: Path) -> None:
    run_plan = plan(visitors=256, events_per_second=2000.0, events=300)
    queue = SendQueue(run_plan, 1, bytes)
    queue.add_lease(0)
    clock, counters = Clock(), LoadCounters()
    pool = FakePool(clock, [ACCEPTED], tmp_path / "w.ndjson")
    with LedgerWriter(tmp_path, "w") as writer:
        loop = SendLoop(
            queue, pool, writer, counters, zero_us=clock.us, started_ms=0, clock=clock, request_timeout_us=50_000
        )
        while len(pool.sent) < 40:
            loop.step()
        loop.stop()
        sent = len(pool.sent)
        while not loop.is_over:
            loop.step()
    counts = counters.sum_up()
    assert len(pool.sent) == sent == counts.total("answered")
    assert counts.total("offered") == sent + counts.total("dropped") < 100
