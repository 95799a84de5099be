"""Counters and aggregation of all workers, and the verdict on the generator."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.intake import EventAnswer, EventOutcome
from run_record.end_reason import End
from run_record.ledger.files import LedgerWriter, Span, read_ledger
from run_record.ledger.rows import count_sent
from run_record.load_report.aggregator import LoadAggregator, LoadPlan, MalformedReportError, workers_needed
from run_record.load_report.counters import LoadCounters, LoadCounts
from run_record.load_report.machine_usage import Machine
from run_record.load_report.report import Lag, LoadReport, WorkerLoad

PLAN = LoadPlan(
    event_rate=100.0, arrival_rate=0.0, pace="constant", shape="constant", events=0, stopped_early=False, seconds=10.0
)

#: Intended time, lag, service time (microseconds) of a request.
requests = st.lists(
    st.tuples(st.integers(0, 5_000_000), st.integers(1, 90_000), st.integers(1, 3_000_000)), min_size=1, max_size=60
)


def report(counts: LoadCounts, cpu: float = 0.5) -> dict[str, object]:
    return {"tally": counts.to_json(), "cpu": cpu}


def record(counters: LoadCounters, requests: list[tuple[int, int, int]], events: int = 1) -> None:
    for intended, lag, service in requests:
        counters.taken([intended], intended + lag, events)
        counters.done([intended], [intended + lag], intended + lag + service, events, events, 0)


def counted(requests: list[tuple[int, int, int]], events: int = 1) -> LoadCounts:
    counters = LoadCounters()
    record(counters, requests, events)
    return counters.sum_up()


def close(aggregator: LoadAggregator, **changes: object) -> LoadReport:
    return aggregator.close(replace(PLAN, **changes))  # type: ignore[arg-type]  # of any field


@settings(max_examples=10, deadline=None)
@given(requests, st.integers(1, 50), st.integers(1, 4))
def test_reports_of_several_workers_add_up(drawn: list[tuple[int, int, int]], events: int, workers: int) -> None:
    alone, shared = LoadAggregator(), LoadAggregator()
    alone.add_report("one", "here", report(counted(drawn, events)))
    for position in range(workers):
        if own := drawn[position::workers]:
            half = len(own) // 2
            for part in (own[:half], own[half:]):
                shared.add_report(f"w{position}", "here", report(counted(part, events)))
    one, several = close(alone), close(shared)
    for name in ("offered", "sent", "answered", "late", "dropped", "accepted", "requests"):
        assert getattr(one, name) == getattr(several, name)
    assert (one.latency_ms, one.service_ms, one.lag_ms) == (several.latency_ms, several.service_ms, several.lag_ms)
    assert one.offered == len(drawn) * events
    assert one.late == events * sum(lag > 100_000 for _, lag, _ in drawn)


@settings(max_examples=25, deadline=None)
@given(requests)
def test_percentiles_have_three_significant_digits(drawn: list[tuple[int, int, int]]) -> None:
    aggregator = LoadAggregator()
    aggregator.add_report("w", "here", report(counted(drawn)))
    load = close(aggregator)
    latency = sorted(lag + service for _, lag, service in drawn)
    for share, item in ((50, load.latency_ms.p50), (95, load.latency_ms.p95), (99, load.latency_ms.p99)):
        exact = latency[max(0, int(share / 100 * len(latency) + 0.5) - 1)] / 1000
        assert item == pytest.approx(exact, rel=0.001, abs=0.0011)
    assert load.latency_ms.max == pytest.approx(latency[-1] / 1000, rel=0.001, abs=0.0011)


def test_sum_up_resets_and_separates_dropped_from_unanswered() -> None:
    counters = LoadCounters()
    counters.taken([0, 10], 20, 5)
    counters.done([0], [-1], -1, 5, 0, 5)
    counters.done([10], [20], -1, 5, 0, 5)
    counters.error("dropped", 5)
    message = counters.sum_up()
    assert tuple(message.seconds[0].counts().values()) == (10, 5, 0, 0, 5, 0, 10)
    assert message.requests == 1
    assert message.histogram("latency").total_count == 0
    assert not counters.sum_up().seconds


@pytest.mark.parametrize(
    ("lag_us", "cpu", "changes", "says"),
    [
        (1_000, 0.5, {}, None),
        (150_000, 0.5, {}, "p99 lag 150 ms (limit 100 ms)"),
        (150_000, 0.9, {}, "use 2 workers"),
        (150_000, 0.5, {"event_rate": 0.0, "arrival_rate": 10.0}, None),
        (1_000, 0.96, {}, "used 96% of its core"),
        (1_000, 0.96, {"event_rate": 0.0, "arrival_rate": 10.0}, None),
        (1_000, 0.5, {"events": 21}, "1 of 21 events were never offered"),
        (1_000, 0.5, {"events": 21, "stopped_early": True}, None),
    ],
)
def test_a_generator_at_its_limits_is_invalid(
    lag_us: int, cpu: float, changes: dict[str, object], says: str | None
) -> None:
    aggregator = LoadAggregator()
    aggregator.add_report("w", "here", report(counted([(second * 100_000, lag_us, 1000) for second in range(20)]), cpu))
    load = close(aggregator, **changes)
    assert (load.invalid == ()) is (says is None)
    assert says is None or says in load.invalid[0]
    # For visits a busy core is not a fault, but leads to advice.
    assert (load.workers_needed is not None) is (cpu >= 0.9)


@pytest.mark.parametrize(
    ("load_max", "steal", "cpu", "needed", "says"),
    [
        (25.0, 0.0, 0.03, None, "p99 lag 99 s (limit 5 s): load 25 on 2 cores; use a quieter machine"),
        (1.0, 0.4, 0.5, None, "40% of the CPU taken by other machines; use a quieter machine"),
        (25.0, 0.0, 0.97, 3, "the busiest worker used 97% of a core; use 3 workers"),
        (0.5, 0.0, 0.03, None, "used 3% of a core, load 0.5 on 2 cores; run again"),
    ],
)
def test_a_fault_names_the_bottleneck(load_max: float, steal: float, cpu: float, needed: int | None, says: str) -> None:
    aggregator = LoadAggregator()
    aggregator.add_report(
        "w", "here", report(counted([(second * 100_000, 99_000_000, 1000) for second in range(20)]), cpu)
    )
    machine = Machine(cores=2, load_mean=load_max, load_max=load_max, steal=steal, used=2.0, parts={"sender": cpu})
    load = aggregator.close(replace(PLAN, event_rate=0.0, arrival_rate=10.0, seconds=60.0), machine)
    assert says in load.invalid[0]
    assert load.workers_needed == needed
    assert load.machine == machine


def test_a_run_without_workers_is_invalid() -> None:
    assert close(LoadAggregator()).invalid == ("no worker of the generator reported",)


@pytest.mark.parametrize(("late", "hopeless"), [(0, False), (10, False), (12, True), (40, True)])
def test_a_hopeless_schedule_is_detected(late: int, hopeless: bool) -> None:
    aggregator = LoadAggregator()
    delays = [6_000_000] * late + [1_000] * (50 - late)
    aggregator.add_report(
        "w", "here", report(counted([(1000 * position, lag, 1000) for position, lag in enumerate(delays)]))
    )
    assert aggregator.is_hopeless(0.0, 1_000) is hopeless
    assert not aggregator.is_hopeless(0.0, 0)


def test_a_busy_second_is_not_yet_a_busy_worker() -> None:
    aggregator = LoadAggregator()
    for cpu in (1.0, *[0.5] * 11):
        aggregator.add_report("w", "here", report(counted([(0, 1, 1)]), cpu))
    assert close(aggregator).workers[0].cpu == pytest.approx(0.55)


def test_a_lost_worker_is_counted_from_its_ledger(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path, "w") as ledger:
        first = ledger.intend([Span(0, 0, 3)], intended_ms=1_000, sent_ms=1_005)
        ledger.intend([Span(1, 0, 2)], intended_ms=2_500, sent_ms=2_700)
        ledger.answered(first, [EventAnswer(EventOutcome.OK)] * 3, status=201, at_ms=1_025)
    aggregator = LoadAggregator()
    aggregator.add_report("w", "here", report(counted([(0, 1, 1)])))
    aggregator.mark_lost("w", read_ledger(tmp_path), 1_000)
    load = close(aggregator)
    assert (load.offered, load.sent, load.answered, load.accepted, load.late) == (5, 5, 3, 3, 2)
    assert load.latency_ms.max == pytest.approx(25, rel=0.001)
    assert [worker.alive for worker in load.workers] == [False]
    assert load.invalid == ("w was lost",)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.floats(0, 60_000), st.floats(1, 600))
def test_workers_needed_exceeds_the_number_of_workers(cpus: list[float], lag_ms: float, seconds: float) -> None:
    workers = [WorkerLoad(f"w{position}", "", 1, 1, 1, cpu, lag_ms, alive=True) for position, cpu in enumerate(cpus)]
    needed = workers_needed(workers, Lag(0, lag_ms, lag_ms), seconds)
    assert needed > len(cpus)
    assert needed * 0.7 >= sum(cpus) - 1e-9


@pytest.mark.parametrize(
    "wrong",
    [
        {}, {"tally": {}, "cpu": 1}, {"tally": 3, "cpu": 1}, {"tally": counted([(0, 1, 1)]).to_json(), "cpu": "all"},
        {"tally": {"seconds": {"0": [-1, 0, 0, 0, 0, 0, 0, [[], []], [[], []]]}, "lag": [[], []], "requests": 0,
                   "errors": {}}, "cpu": 1},
        {"tally": {"seconds": {"0": [[[], []], [[], []]]}, "lag": [[1], []], "requests": 0, "errors": {}}, "cpu": 1},
    ],
)  # fmt: skip
def test_a_malformed_report_adds_nothing(wrong: dict[str, object]) -> None:
    aggregator = LoadAggregator()
    with pytest.raises(MalformedReportError):
        aggregator.add_report("w", "here", wrong)
    assert close(aggregator).workers == ()


def test_the_ledger_corrects_reported_counts(tmp_path: Path) -> None:
    aggregator = LoadAggregator()
    aggregator.add_report("w", "here", report(counted([(0, 1, 1)])))
    with LedgerWriter(tmp_path, "w") as ledger:
        for visit in range(3):
            request = ledger.intend([Span(visit, 0, 2)], intended_ms=visit, sent_ms=visit)
            if visit < 2:
                ledger.answered(request, [EventAnswer(EventOutcome.OK)] * 2, status=201, at_ms=visit + 5)
    assert (count_sent(tmp_path / "w.ndjson"), aggregator.sent("w")) == (6, 1)
    aggregator.correct("w", read_ledger(tmp_path), 0)
    load = close(aggregator)
    assert (load.sent, load.answered, aggregator.sent("w")) == (6, 4, 6)
    assert load.workers[0].alive


@pytest.mark.parametrize(
    ("ended", "failure", "says"),
    [(End.WORKER_LOST, "", "a worker was lost"), (End.FAILED, "no disk", "the generator failed: no disk")],
)
def test_faulty_end_is_invalid(ended: End, failure: str, says: str) -> None:
    aggregator = LoadAggregator()
    aggregator.add_report("w", "here", report(counted([(0, 1, 1)])))
    load = close(aggregator, ended=ended, failure=failure)
    assert (load.invalid, load.ended) == ((says,), ended)
