"""What the workers of a generator report, brought together into one `Load`, and judged: was the generator honest?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from run_record.end_reason import End
from run_record.ledger.files import SentEvents
from run_record.ledger.rows import OUTCOMES
from run_record.load_report.counters import LoadCounters, LoadCounts, histogram_of
from run_record.load_report.machine_usage import Machine, advice
from run_record.load_report.report import Lag, LoadReport, WorkerLoad, encoded, percentiles

#: What reading a report raises that is not one.
_MALFORMED = (LookupError, TypeError, ValueError, AttributeError)

#: The most that single events may lag behind their schedule, by their 99th percentile, in milliseconds.
MAX_LAG_MS = 100.0

#: The same where visits arrive: who reads a page does not hurry.
MAX_VISIT_LAG_MS = 5_000.0

#: A sender that uses this share of its core is at its limit: what it measures includes its own queue.
MAX_CPU = 0.95

#: With this share of its core and a lag beyond the limit, the worker was short, and not its machine.
NEAR_LIMIT = 0.85

#: The schedule is kept when no more than this share of requests is behind by more than the limit.
_LATE_SHARE = 0.01

#: The share that it should be planned with.
_GOOD_CPU = 0.7

#: CPU is averaged over so many reports, a second each.
_CPU_SECONDS = 10


class MalformedReportError(ValueError):
    """A report that no sender of this version makes."""


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What was asked of the generator.

    Attributes:
        event_rate, arrival_rate, pace, shape: as in `Load`.
        events: how many events there were to be, where that is known; 0 where visits arrive.
        stopped_early: the traffic was ended before all had been offered.
        seconds: from the schedule's zero to the end of the traffic.
        ended: why the traffic ended.
        failure: what went wrong with the generator, in a line; empty when nothing did.
    """

    event_rate: float
    arrival_rate: float
    pace: str
    shape: str
    events: int
    stopped_early: bool
    seconds: float
    ended: str = ""
    failure: str = ""


@dataclass
class _Worker:
    """One worker's reports so far; *waited* visits began late, for there were fewer users than visits."""

    host: str
    tally: LoadCounts = field(default_factory=LoadCounts)
    cpu: list[float] = field(default_factory=list)
    alive: bool = True
    waited: int = 0

    @property
    def busiest(self) -> float:
        """The largest mean share of a core over ten seconds with traffic, or over all of them when there are fewer."""
        size = min(_CPU_SECONDS, len(self.cpu))
        if not size:
            return 0.0
        return float(np.convolve(self.cpu, np.full(size, 1 / size), "valid").max())


def max_lag_ms(event_rate: float) -> float:
    """Return how far the 99th percentile of requests may be behind the schedule; *event_rate* is 0 for visits."""
    return MAX_LAG_MS if event_rate else MAX_VISIT_LAG_MS


class LoadAggregator:
    """Keeps the reports of all workers."""

    def __init__(self) -> None:
        self._workers: dict[str, _Worker] = {}

    def add_report(self, name: str, host: str, report: Mapping[str, Any]) -> None:
        """Take in one report of a sender (`traffic.sender`). Raises MalformedReportError, having taken nothing."""
        try:
            tally, cpu = LoadCounts.from_json(report["tally"]), float(report["cpu"])
            offered, waited = tally.total("offered"), int(report.get("waited", 0))
        except _MALFORMED as error:
            raise MalformedReportError(f"{type(error).__name__}: {error}") from error
        worker = self._workers.setdefault(name, _Worker(host))
        worker.tally.add(tally)
        worker.waited = waited
        if offered:
            worker.cpu.append(cpu)

    def register_worker(self, name: str, host: str) -> None:
        """Know of a worker, even if it never reports."""
        self._workers.setdefault(name, _Worker(host))

    def sent(self, name: str) -> int:
        """Return how many events a worker has reported as sent so far; 0 for one that is not known."""
        return self._workers[name].tally.total("sent") if name in self._workers else 0

    def mark_lost(self, name: str, ledger: SentEvents, started_ms: int) -> None:
        """Take down that a worker died: what it did is read from its ledger, for its last reports are missing."""
        self._workers.setdefault(name, _Worker("")).alive = False
        self.correct(name, ledger, started_ms)

    def correct(self, name: str, ledger: SentEvents, started_ms: int) -> None:
        """Replace what a worker reported by what its ledger says; its lag is not in there."""
        worker = self._workers.setdefault(name, _Worker(""))
        if name in ledger.workers:
            lag = worker.tally.lag
            worker.tally = tally_of(ledger, ledger.workers.index(name), started_ms)
            worker.tally.lag = lag

    @property
    def offered(self) -> int:
        """Events whose intended time came, as far as was reported."""
        return sum(worker.tally.total("offered") for worker in self._workers.values())

    def is_hopeless(self, event_rate: float, events: int) -> bool:
        """Return whether the schedule cannot be kept any more, whatever comes: the run is INVALID for certain.

        Args:
            event_rate: as of `Load`.
            events: of the whole plan, which are at least as many as its requests; 0 when that is not known.
        """
        limit_us = round(max_lag_ms(event_rate) * 1000)
        late = 0
        for worker in self._workers.values():
            late += sum(count for lag_us, count in worker.tally.lag.items() if lag_us > limit_us)
        return bool(events) and late > _LATE_SHARE * events + 1

    def close(self, plan: LoadPlan, machine: Machine | None = None) -> LoadReport:
        """Return the load of the run that was made on *machine*."""
        whole = LoadCounts()
        for worker in self._workers.values():
            whole.add(worker.tally)
        workers = tuple(_recorded(name, worker) for name, worker in sorted(self._workers.items()))
        lag = _lag(whole)
        # A worker that did not get a core for itself would not get one by the help of another worker.
        crowded = any(worker.cpu >= MAX_CPU for worker in workers) or (
            lag.p99 > max_lag_ms(plan.event_rate) and any(worker.cpu >= NEAR_LIMIT for worker in workers)
        )
        needed = workers_needed(workers, lag, plan.seconds) if crowded else None
        waited = sum(worker.waited for worker in self._workers.values())
        help_line = _more_users(waited) if waited else advice(machine, _busiest(workers), needed)
        invalid = _faults(plan, whole, lag, workers, help_line)
        latency, service = whole.whole("latency"), whole.whole("service")
        return LoadReport(
            offered=whole.total("offered"),
            sent=whole.total("sent"),
            answered=whole.total("answered"),
            late=whole.total("late"),
            dropped=whole.total("dropped"),
            requests=whole.requests,
            accepted=whole.total("accepted"),
            errors=dict(whole.errors),
            event_rate=plan.event_rate,
            arrival_rate=plan.arrival_rate,
            pace=plan.pace,
            shape=plan.shape,
            seconds=plan.seconds,
            latency_ms=percentiles(latency),
            service_ms=percentiles(service),
            lag_ms=lag,
            workers=workers,
            workers_needed=needed,
            invalid=invalid,
            windows=whole.windows(),
            latency=encoded(latency),
            service=encoded(service),
            machine=machine,
            ended=plan.ended,
        )


def workers_needed(workers: Sequence[WorkerLoad], lag: Lag, seconds: float) -> int:
    """Return how many workers there should have been, where there were too few.

    That is enough for the CPU they used to be a good share of a core each, and enough to do in the time there was what
    took longer by the lag; at least one more than there were.
    """
    by_cpu = sum(worker.cpu for worker in workers) / _GOOD_CPU
    by_lag = len(workers) * (1 + lag.max / 1000 / max(seconds, 1.0))
    return max(len(workers) + 1, math.ceil(by_cpu), math.ceil(by_lag))


def tally_of(ledger: SentEvents, worker: int, started_ms: int) -> LoadCounts:
    """Return what one worker did, as far as its ledger tells: in milliseconds, and without what was never sent."""
    keeper = LoadCounters()
    mine = np.flatnonzero(ledger.worker == worker)
    _, first, events = np.unique(ledger.request[mine], return_index=True, return_counts=True)
    ok = ledger.outcome == OUTCOMES.index(OUTCOMES[0].OK)
    accepted = np.bincount(np.searchsorted(ledger.request[mine][first], ledger.request[mine]), ok[mine], len(first))
    for row, count, good in zip(mine[first].tolist(), events.tolist(), accepted.astype(int).tolist(), strict=True):
        intended, sent, answered = (
            int(column[row]) for column in (ledger.intended_ms, ledger.sent_ms, ledger.answered_ms)
        )
        got_answer = answered >= 0 and ledger.status[row] > 0
        failed = 0 if ledger.status[row] == 202 else count - good
        due_us = (intended - started_ms) * 1000
        keeper.taken([due_us], due_us, count)
        keeper.done(
            [due_us], [(sent - started_ms) * 1000],
            (answered - started_ms) * 1000 if got_answer else -1, count, good, failed,
        )  # fmt: skip
    return keeper.sum_up()


def _recorded(name: str, worker: _Worker) -> WorkerLoad:
    tally = worker.tally
    return WorkerLoad(
        name=name,
        host=worker.host,
        offered=tally.total("offered"),
        sent=tally.total("sent"),
        answered=tally.total("answered"),
        cpu=round(worker.busiest, 3),
        lag_max_ms=_lag(tally).max,
        alive=worker.alive,
    )


def _lag(tally: LoadCounts) -> Lag:
    found = percentiles(histogram_of(tally.lag))
    return Lag(found.p50, found.p99, found.max)


def _busiest(workers: Sequence[WorkerLoad]) -> float:
    return max((worker.cpu for worker in workers), default=0.0)


def _more_users(waited: int) -> str:
    """Return what to do about visits that had to wait for a user."""
    return f"{waited:,} visits or requests waited, as all users were busy. Raise the number of users"


def _faults(plan: LoadPlan, whole: LoadCounts, lag: Lag, workers: Sequence[WorkerLoad], advice: str) -> tuple[str, ...]:
    """Return why the run proves nothing about the server, with *advice* where the schedule was not kept."""
    faults = []
    limit_ms = max_lag_ms(plan.event_rate)
    if lag.p99 > limit_ms:
        faults.append(f"p99 lag {_delay(lag.p99)} (limit {_delay(limit_ms)}): {advice}")
    faults += [
        f"{worker.name} used {worker.cpu:.0%} of its core (limit {MAX_CPU:.0%})"
        for worker in workers
        if worker.cpu >= MAX_CPU and plan.event_rate
    ]
    faults += [f"{worker.name} was lost" for worker in workers if not worker.alive]
    if not workers:
        faults.append("no worker of the generator reported")
    if plan.ended == End.WORKER_LOST and all(worker.alive for worker in workers):
        faults.append("a worker was lost")
    if plan.ended == End.FAILED:
        faults.append(f"the generator failed: {plan.failure}")
    missing = plan.events - whole.total("offered")
    if missing > 0 and not plan.stopped_early:
        faults.append(f"{missing:,} of {plan.events:,} events were never offered")
    return tuple(faults)


def _delay(ms: float) -> str:
    """Return a delay in a unit that people read."""
    return f"{ms / 1000:,.3g} s" if ms >= 1_000 else f"{ms:,.0f} ms"
