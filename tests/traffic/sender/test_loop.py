"""The engine: what it writes into the ledger, and what it counts, agree whatever the wire brings."""

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
    """Time that passes when something waits."""

    def __init__(self) -> None:
        self.us = 5_000_000

    def __call__(self) -> int:
        return self.us


class Wire:
    """Answers a while later, as a list of answers says, over and over; has few connections."""

    def __init__(self, clock: Clock, answers: Sequence[Response | str], ledger: Path, most: int = 20) -> None:
        self._clock, self._answers, self._ledger, self._most = clock, answers, ledger, most
        self._waiting: list[tuple[int, object, bytes]] = []
        self._number = 0
        self.sent: list[bytes] = []

    @property
    def under_way(self) -> int:
        return len(self._waiting)

    @property
    def free(self) -> int:
        return self._most - len(self._waiting)

    def send(self, requests: Iterable[bytes], tags: Iterable[object]) -> None:
        for request, tag in zip(requests, tags, strict=True):
            assert self.free > 0
            self._waiting.append((self._clock.us, tag, request))
            self.sent.append(request)
        # Written before the wire.
        rows = map(orjson.loads, self._ledger.read_bytes().splitlines())
        assert sum(len(row["intended"]) for row in rows if "intents" in row) >= len(self.sent)

    def poll(self, timeout_s: float) -> list[RequestResult]:
        self._clock.us += max(200, round(timeout_s * 1e6))
        done = [item for item in self._waiting if item[0] <= self._clock.us - 3000]
        self._waiting = self._waiting[len(done) :]
        items = []
        for sent_us, tag, _ in done:
            answer = self._answers[self._number % len(self._answers)]
            self._number += 1
            if isinstance(answer, str):
                items.append(RequestResult([tag], [sent_us], None, answer, "by the test", self._clock.us))
            elif items and items[-1].response is answer:
                items[-1] = items[-1]._replace(tags=[*items[-1].tags, tag], sent_us=[*items[-1].sent_us, sent_us])
            else:
                items.append(RequestResult([tag], [sent_us], answer, "", "", self._clock.us))
        return items

    def abandon(self) -> list[RequestResult]:
        return []

    def reap(self) -> None:
        """Nobody loses patience here."""


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
def test_ledger_and_tally_agree(
    tmp_path: Path, batch: int, answers: list[Response | str], outcomes: set[EventOutcome], errors: set[str]
) -> None:
    run_plan = plan(visitors=512, events_per_second=2000.0, events=600)
    agenda = SendQueue(run_plan, batch, bytes)
    for lend in (0, 256, None):
        agenda.lend(lend)
    clock, tally = Clock(), LoadCounters()
    wire = Wire(clock, answers, tmp_path / "w.ndjson")
    with LedgerWriter(tmp_path, "w") as writer:
        engine = SendLoop(
            agenda,
            wire,
            writer,
            tally,
            zero_us=clock.us,
            started_ms=EPOCH_MS,
            clock=clock,
            request_timeout_us=60_000_000,
        )
        while not engine.is_over:
            engine.step()
    message, ledger = tally.sum_up(), read_ledger(tmp_path)
    planned = list(run_plan.events(0, 512))
    assert (message.total("offered"), message.total("sent"), message.total("dropped")) == (
        len(planned),
        len(planned),
        0,
    )
    assert list(zip(ledger.visit, ledger.position, strict=True)) == [(each.visit, each.position) for each in planned]
    assert ledger.intended_ms.min() >= EPOCH_MS
    if batch == 1:
        assert ledger.intended_ms.tolist() == [EPOCH_MS + each.offset_ms for each in planned]
    assert {OUTCOMES[code] for code in ledger.outcome} == outcomes
    accepted = int((ledger.outcome == OUTCOMES.index(EventOutcome.OK)).sum())
    assert message.total("accepted") == accepted
    assert set(message.errors) == errors
    assert sum(message.errors.values()) == message.total("failed")
    answered = int((ledger.status > 0).sum())
    assert message.total("answered") == answered
    assert message.requests == len(wire.sent) == -(-len(planned) // batch)
    # Every answer took three milliseconds or a little longer, and the ledger knows when it came.
    assert message.histogram("service").get_min_value() >= 2_900
    assert (ledger.answered_ms - ledger.sent_ms).min() >= 2


def test_what_waits_too_long_for_a_connection_is_dropped_and_nothing_twice(tmp_path: Path) -> None:
    run_plan = plan(visitors=256, events_per_second=2000.0, events=300)
    agenda = SendQueue(run_plan, 1, bytes)
    agenda.lend(0)
    agenda.lend(None)
    clock, tally = Clock(), LoadCounters()
    wire = Wire(clock, [ACCEPTED], tmp_path / "w.ndjson", most=1)
    with LedgerWriter(tmp_path, "w") as writer:
        engine = SendLoop(
            agenda, wire, writer, tally, zero_us=clock.us, started_ms=0, clock=clock, request_timeout_us=50_000
        )
        while not engine.is_over:
            engine.step()
    message = tally.sum_up()
    assert message.total("dropped") > 20
    assert (
        message.total("sent") + message.total("dropped")
        == message.total("offered")
        == len(list(run_plan.events(0, 256)))
    )
    assert message.errors["dropped"] == message.total("dropped") == message.total("failed")
    assert len(set(wire.sent)) == len(wire.sent) == message.total("sent")


def test_told_to_stop_it_takes_up_nothing_more(tmp_path: Path) -> None:
    run_plan = plan(visitors=256, events_per_second=2000.0, events=300)
    agenda = SendQueue(run_plan, 1, bytes)
    agenda.lend(0)
    clock, tally = Clock(), LoadCounters()
    wire = Wire(clock, [ACCEPTED], tmp_path / "w.ndjson")
    with LedgerWriter(tmp_path, "w") as writer:
        engine = SendLoop(
            agenda, wire, writer, tally, zero_us=clock.us, started_ms=0, clock=clock, request_timeout_us=50_000
        )
        while len(wire.sent) < 40:
            engine.step()
        engine.stop()
        sent = len(wire.sent)
        while not engine.is_over:
            engine.step()
    message = tally.sum_up()
    assert len(wire.sent) == sent == message.total("answered")
    assert message.total("offered") == sent + message.total("dropped") < 100
