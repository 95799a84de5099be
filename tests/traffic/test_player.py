import json
from pathlib import Path

import pytest

from metrics_platform.intake import EventOutcome
from run_record.ledger import OUTCOMES, LedgerWriter, read_ledger
from tests.plans import plan
from traffic.leases import Leaser
from traffic.player import HttpAnswer, Player
from traffic.schedule import Schedule

ACCEPTED = HttpAnswer(201, "All events were accepted.", b"")


class Clock:
    """Seconds that pass only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def player(folder: Path, clock: Clock, *, batch: int = 1, visitors: int = 200) -> Player:
    schedule = Schedule(plan(visitors=visitors), Leaser(visitors, step=16))
    ledger = LedgerWriter(folder, "w")
    return Player(schedule, ledger, started_ms=1_000_000, batch_size=batch, sleep=clock.sleep, clock=clock)


def test_the_schedule_is_the_whole_plan_in_the_order_of_times() -> None:
    made = plan(visitors=300)
    schedule = Schedule(made, Leaser(300, step=7))
    events = list(iter(schedule.next, None))
    assert sorted(event.id for event in events) == sorted(event.id for event in made.events(0, 300))
    assert [event.offset_ms for event in events] == sorted(event.offset_ms for event in events)
    assert schedule.next() is None


def test_workers_that_share_leases_send_everything_once() -> None:
    leaser = Leaser(300, step=16)
    schedules = [Schedule(plan(visitors=300), leaser) for _ in range(3)]
    ids: list[str] = []
    left = set(range(3))
    while left:
        for index in list(left):
            event = schedules[index].next()
            if event is None:
                left.discard(index)
            else:
                ids.append(event.id)
    assert sorted(ids) == sorted(event.id for event in plan().events(0, 300))


def test_leases_are_all_visits_once() -> None:
    leaser = Leaser(10, step=4)
    assert list(iter(leaser, None)) == [(0, 4), (4, 4), (8, 2)]


def test_each_event_is_sent_at_its_intended_time_and_the_ledger_is_written_first(tmp_path: Path) -> None:
    clock = Clock()
    playing = player(tmp_path, clock)
    posted: list[str] = []

    def post(body: bytes) -> HttpAnswer:
        rows = (tmp_path / "w.ndjson").read_bytes().splitlines()
        assert json.loads(rows[-1])["intent"] == len(posted)
        posted.append(json.loads(body)["meta"]["id"])
        return ACCEPTED

    while playing.play_next(post):
        pass
    events = {event.id: event for event in plan(visitors=200).events(0, 200)}
    assert sorted(posted) == sorted(events)
    sent = read_ledger(tmp_path)
    assert (sent.sent_ms == sent.intended_ms).all()
    assert {OUTCOMES[code] for code in sent.outcome} == {EventOutcome.OK}
    assert sum(clock.slept) == pytest.approx(max(event.offset_ms for event in events.values()) / 1000)


def test_a_generator_that_falls_behind_does_not_wait_and_says_how_late_it_is(tmp_path: Path) -> None:
    clock = Clock()
    playing = player(tmp_path, clock)

    def slow(body: bytes) -> HttpAnswer:
        clock.now += 10
        return ACCEPTED

    while playing.play_next(slow):
        pass
    sent = read_ledger(tmp_path)
    assert (sent.sent_ms - sent.intended_ms).max() > 60_000


def test_a_batch_is_one_array_and_each_event_has_its_own_answer(tmp_path: Path) -> None:
    playing = player(tmp_path, Clock(), batch=8)
    sizes: list[int] = []

    def post(body: bytes) -> HttpAnswer:
        events = json.loads(body)
        sizes.append(len(events) if isinstance(events, list) else 1)
        if sizes[1:]:
            return ACCEPTED
        failure = {"status": "invalid", "event": events[3], "context": {"errorsText": "no"}}
        return HttpAnswer(207, "…", json.dumps({"invalid": [failure], "error": []}).encode())

    answers = playing.play_next(post)
    assert answers is not None
    assert [answer.outcome.value for answer in answers] == ["ok"] * 3 + ["invalid"] + ["ok"] * 4
    while playing.play_next(post):
        pass
    assert set(sizes[:-1]) == {8}
    assert len(read_ledger(tmp_path).visit) == sum(sizes)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (HttpAnswer(None, "no answer: timeout", b""), "indeterminate"),
        (HttpAnswer(202, "1 events hastily received.", b""), "indeterminate"),
        (HttpAnswer(301, "Moved", b""), "indeterminate"),
        (HttpAnswer(500, "…", b""), "error"),
    ],
)
def test_what_is_not_accepted_is_not_called_delivered(tmp_path: Path, answer: HttpAnswer, outcome: str) -> None:
    found = player(tmp_path, Clock()).play_next(lambda body: answer)
    assert found is not None
    assert [item.outcome.value for item in found] == [outcome]
