"""A limit of visits at the same time: the others wait, keep their own pace afterwards, and count as late."""

from collections import Counter
from pathlib import Path

import pytest

from run_record.ledger.files import LedgerWriter, read_ledger
from run_record.load_report.counters import LoadCounters
from tests.plans import plan
from tests.traffic.sender.test_loop import ACCEPTED, Clock, Wire
from traffic.sender.concurrency import ConcurrencyLimit
from traffic.sender.loop import SendLoop
from traffic.sender.queue import SendQueue

VISITS = 120


class Played:
    """A plan played under a limit, and how many visits were under way at each step."""

    def __init__(self, folder: Path, limit: int, *, batch: int = 1, later: int = 0, **changes: object) -> None:
        self.plan = plan(visitors=VISITS, arrivals_per_second=2000.0, **changes)  # type: ignore[arg-type]
        self.places = ConcurrencyLimit(by_visit=batch == 1 and not self.plan.settings.paces_events, limit=limit)
        agenda = SendQueue(self.plan, batch, bytes, self.places.register_worker)
        for lend in (0, None):
            agenda.lend(lend)
        clock, self.tally = Clock(), LoadCounters()
        self.wire = Wire(clock, [ACCEPTED], folder / "w.ndjson", most=1000)
        self.under_way: list[int] = []
        with LedgerWriter(folder, "w") as writer:
            self.engine = SendLoop(
                agenda, self.wire, writer, self.tally, zero_us=clock.us, started_ms=0, clock=clock,
                request_timeout_us=50_000, places=self.places,
            )  # fmt: skip
            while not self.engine.is_over:
                self.engine.step()
                self.under_way.append(self.places.under_way)
                if later and len(self.wire.sent) > 60:
                    self.places.limit = later


def test_no_more_visits_than_places(tmp_path: Path) -> None:
    played = Played(tmp_path, 3)
    assert max(played.under_way) == 3
    assert played.places.waited > 50
    assert played.places.under_way == 0


def test_everything_is_sent_once_in_its_visits_order(tmp_path: Path) -> None:
    played = Played(tmp_path, 3)
    ledger = read_ledger(tmp_path)
    sent = list(zip(ledger.visit.tolist(), ledger.position.tolist(), strict=True))
    planned = [(event.visit, event.position) for event in played.plan.events(0, VISITS)]
    assert Counter(sent) == Counter(planned)
    # Waiting for a place is not waiting for a connection: nothing is given up.
    assert played.tally.sum_up().total("dropped") == 0


def test_a_visit_that_waited_keeps_its_pace(tmp_path: Path) -> None:
    Played(tmp_path, 3)
    ledger = read_ledger(tmp_path)
    late_ms: dict[int, list[int]] = {}
    for visit, late in zip(ledger.visit.tolist(), (ledger.sent_ms - ledger.intended_ms).tolist(), strict=True):
        late_ms.setdefault(visit, []).append(late)
    assert max(max(late) for late in late_ms.values()) > 1000
    # The poll of the stub takes up to 20 ms.
    assert all(max(late) - min(late) <= 40 for late in late_ms.values())


def test_waiting_counts_as_lag(tmp_path: Path) -> None:
    message = Played(tmp_path, 3).tally.sum_up()
    assert max(message.lag) > 1_000_000
    assert message.total("late") > 100


def test_enough_places_hold_nobody_back(tmp_path: Path) -> None:
    played = Played(tmp_path, VISITS)
    assert played.places.waited == 0
    assert max(played.tally.sum_up().lag) < 100_000


def test_more_places_take_effect_mid_run(tmp_path: Path) -> None:
    assert max(Played(tmp_path, 2, later=9).under_way) == 9


@pytest.mark.parametrize("changes", [{"events_per_second": 3000.0, "events": 300}, {"batch": 7}])
def test_requests_take_places_where_visits_do_not(tmp_path: Path, changes: dict[str, float]) -> None:
    played = Played(tmp_path, 2, **changes)  # type: ignore[arg-type]
    assert max(played.under_way) == 2
    assert len(read_ledger(tmp_path).visit) == len(list(played.plan.events(0, VISITS)))


def test_what_waits_at_the_end_is_counted_as_dropped(tmp_path: Path) -> None:
    run_plan = plan(visitors=VISITS, arrivals_per_second=2000.0)
    places, clock, tally = ConcurrencyLimit(by_visit=True, limit=1), Clock(), LoadCounters()
    agenda = SendQueue(run_plan, 1, bytes, places.register_worker)
    agenda.lend(0)
    wire = Wire(clock, [ACCEPTED], tmp_path / "w.ndjson")
    with LedgerWriter(tmp_path, "w") as writer:
        engine = SendLoop(
            agenda,
            wire,
            writer,
            tally,
            zero_us=clock.us,
            started_ms=0,
            clock=clock,
            request_timeout_us=50_000,
            places=places,
        )
        while places.waited < 20:
            engine.step()
        engine.stop()
        while not engine.is_over:
            engine.step()
    message = tally.sum_up()
    assert message.total("dropped") >= 20
    assert message.total("offered") == message.total("sent") + message.total("dropped")
