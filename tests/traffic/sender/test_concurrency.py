"""The limit on concurrent visits: further visits wait, then keep their pace, and count as late."""

from collections import Counter
from pathlib import Path

import pytest

from run_record.ledger.files import LedgerWriter, read_ledger
from run_record.load_report.counters import LoadCounters
from tests.plans import plan
from tests.traffic.sender.test_loop import ACCEPTED, Clock, FakePool
from traffic.sender.concurrency import ConcurrencyLimit
from traffic.sender.loop import SendLoop
from traffic.sender.queue import SendQueue

VISITS = 120


class LimitedRun:
    """A plan sent under a limit, and the number of concurrent visits at each step."""

    def __init__(self, folder: Path, limit: int, *, batch: int = 1, later_limit: int = 0, **changes: object) -> None:
        self.plan = plan(visitors=VISITS, arrivals_per_second=2000.0, **changes)  # type: ignore[arg-type]
        self.concurrency = ConcurrencyLimit(by_visit=batch == 1 and not self.plan.settings.paces_events, limit=limit)
        queue = SendQueue(self.plan, batch, bytes, self.concurrency.register_visits)
        for first in (0, None):
            queue.add_lease(first)
        clock, self.counters = Clock(), LoadCounters()
        self.pool = FakePool(clock, [ACCEPTED], folder / "w.ndjson", limit=1000)
        self.in_flight: list[int] = []
        with LedgerWriter(folder, "w") as writer:
            self.loop = SendLoop(
                queue, self.pool, writer, self.counters, zero_us=clock.us, started_ms=0, clock=clock,
                request_timeout_us=50_000, concurrency=self.concurrency,
            )  # fmt: skip
            while not self.loop.is_over:
                self.loop.step()
                self.in_flight.append(self.concurrency.in_flight)
                if later_limit and len(self.pool.sent) > 60:
                    self.concurrency.limit = later_limit


def test_concurrent_visits_stay_within_the_limit(tmp_path: Path) -> None:
    run = LimitedRun(tmp_path, 3)
    assert max(run.in_flight) == 3
    assert run.concurrency.waited > 50
    assert run.concurrency.in_flight == 0


def test_each_event_is_sent_once(tmp_path: Path) -> None:
    run = LimitedRun(tmp_path, 3)
    ledger = read_ledger(tmp_path)
    sent = list(zip(ledger.visit.tolist(), ledger.position.tolist(), strict=True))
    planned = [(event.visit, event.position) for event in run.plan.events(0, VISITS)]
    assert Counter(sent) == Counter(planned)
    # Waiting for a slot is not waiting for a connection: nothing is dropped.
    assert run.counters.sum_up().total("dropped") == 0


def test_a_visit_that_waited_keeps_its_pace(tmp_path: Path) -> None:
    LimitedRun(tmp_path, 3)
    ledger = read_ledger(tmp_path)
    late_ms: dict[int, list[int]] = {}
    for visit, late in zip(ledger.visit.tolist(), (ledger.sent_ms - ledger.intended_ms).tolist(), strict=True):
        late_ms.setdefault(visit, []).append(late)
    assert max(max(late) for late in late_ms.values()) > 1000
    # The poll of the stub takes up to 20 ms.
    assert all(max(late) - min(late) <= 40 for late in late_ms.values())


def test_waiting_counts_as_lag(tmp_path: Path) -> None:
    counts = LimitedRun(tmp_path, 3).counters.sum_up()
    assert max(counts.lag) > 1_000_000
    assert counts.total("late") > 100


def test_a_large_limit_delays_no_visit(tmp_path: Path) -> None:
    run = LimitedRun(tmp_path, VISITS)
    assert run.concurrency.waited == 0
    assert max(run.counters.sum_up().lag) < 100_000


def test_a_higher_limit_takes_effect_mid_run(tmp_path: Path) -> None:
    assert max(LimitedRun(tmp_path, 2, later_limit=9).in_flight) == 9


@pytest.mark.parametrize("changes", [{"events_per_second": 3000.0, "events": 300}, {"batch": 7}])
def test_requests_hold_slots_without_visits(tmp_path: Path, changes: dict[str, float]) -> None:
    run = LimitedRun(tmp_path, 2, **changes)  # type: ignore[arg-type]
    assert max(run.in_flight) == 2
    assert len(read_ledger(tmp_path).visit) == len(list(run.plan.events(0, VISITS)))


def test_waiting_requests_are_dropped_at_the_end(tmp_path: Path) -> None:
    run_plan = plan(visitors=VISITS, arrivals_per_second=2000.0)
    concurrency, clock, counters = ConcurrencyLimit(by_visit=True, limit=1), Clock(), LoadCounters()
    queue = SendQueue(run_plan, 1, bytes, concurrency.register_visits)
    queue.add_lease(0)
    pool = FakePool(clock, [ACCEPTED], tmp_path / "w.ndjson")
    with LedgerWriter(tmp_path, "w") as writer:
        loop = SendLoop(
            queue,
            pool,
            writer,
            counters,
            zero_us=clock.us,
            started_ms=0,
            clock=clock,
            request_timeout_us=50_000,
            concurrency=concurrency,
        )
        while concurrency.waited < 20:
            loop.step()
        loop.stop()
        while not loop.is_over:
            loop.step()
    counts = counters.sum_up()
    assert counts.total("dropped") >= 20
    assert counts.total("offered") == counts.total("sent") + counts.total("dropped")
