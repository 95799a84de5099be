"""Aggregate the reports of the generator's workers, and judge whether it kept its schedule."""

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

#: Errors from parsing a malformed report.
_PARSE_ERRORS = (LookupError, TypeError, ValueError, AttributeError)

#: Limit of the p99 lag of single events, in milliseconds.
MAX_LAG_MS = 100.0

#: Limit of the p99 lag of visits, in milliseconds: readers of a page do not hurry.
MAX_VISIT_LAG_MS = 5_000.0

#: Share of its core at which a sender is at its limit, so its latencies include its own queue.
MAX_CPU = 0.95

#: Share of its core above which a worker with excess lag was too busy itself, and not its machine.
NEAR_LIMIT = 0.85

#: Share of requests that may exceed the limit of the lag.
_LATE_SHARE = 0.01

#: Share of a core that a worker should use.
_GOOD_CPU = 0.7

#: Number of reports, one per second, over which CPU is averaged.
_CPU_SECONDS = 10


class MalformedReportError(ValueError):
    """A report is malformed, or from another version."""


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """The planned traffic, and how it ended.

    Attributes:
        event_rate, arrival_rate, pace, shape: as in `LoadReport`.
        events: number of planned events; 0 when unknown, as where visits arrive.
        stopped_early: whether the traffic ended before all events were offered.
        seconds: duration from the schedule's zero to the end of the traffic.
        ended: reason for the end of the traffic.
        failure: error of the generator, in one line; empty without one.
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
    """The reports of one worker; *waited* visits began late, because all users were busy."""

    host: str
    counts: LoadCounts = field(default_factory=LoadCounts)
    cpu: list[float] = field(default_factory=list)
    alive: bool = True
    waited: int = 0

    @property
    def busiest(self) -> float:
        """The largest mean share of a core over ten seconds with traffic, or over all if there are fewer."""
        size = min(_CPU_SECONDS, len(self.cpu))
        if not size:
            return 0.0
        return float(np.convolve(self.cpu, np.full(size, 1 / size), "valid").max())


def max_lag_ms(event_rate: float) -> float:
    """Return the limit of the p99 lag in milliseconds; *event_rate* is 0 for visits."""
    return MAX_LAG_MS if event_rate else MAX_VISIT_LAG_MS


class LoadAggregator:
    """Collects the reports of all workers."""

    def __init__(self) -> None:
        self._workers: dict[str, _Worker] = {}

    def add_report(self, name: str, host: str, report: Mapping[str, Any]) -> None:
        """Add one report of a sender (`traffic.sender`). Raises MalformedReportError, and adds nothing then."""
        try:
            counts, cpu = LoadCounts.from_json(report["tally"]), float(report["cpu"])
            offered, waited = counts.total("offered"), int(report.get("waited", 0))
        except _PARSE_ERRORS as error:
            raise MalformedReportError(f"{type(error).__name__}: {error}") from error
        worker = self._workers.setdefault(name, _Worker(host))
        worker.counts.add(counts)
        worker.waited = waited
        if offered:
            worker.cpu.append(cpu)

    def register_worker(self, name: str, host: str) -> None:
        """Add a worker, which may never report."""
        self._workers.setdefault(name, _Worker(host))

    def sent(self, name: str) -> int:
        """Return the number of events that a worker has reported as sent; 0 for an unknown worker."""
        return self._workers[name].counts.total("sent") if name in self._workers else 0

    def mark_lost(self, name: str, ledger: SentEvents, started_ms: int) -> None:
        """Mark a worker as lost; its counts are read from its ledger, because its last reports are missing."""
        self._workers.setdefault(name, _Worker("")).alive = False
        self.correct(name, ledger, started_ms)

    def correct(self, name: str, ledger: SentEvents, started_ms: int) -> None:
        """Replace a worker's counts by those of its ledger; its lag, which the ledger does not have, stays."""
        worker = self._workers.setdefault(name, _Worker(""))
        if name in ledger.workers:
            lag = worker.counts.lag
            worker.counts = counts_from_ledger(ledger, ledger.workers.index(name), started_ms)
            worker.counts.lag = lag

    @property
    def offered(self) -> int:
        """Number of events whose intended time has passed, by the reports."""
        return sum(worker.counts.total("offered") for worker in self._workers.values())

    def is_hopeless(self, event_rate: float, events: int) -> bool:
        """Return whether the schedule can no longer be kept, so the run is certain to be INVALID.

        Args:
            event_rate: as in `LoadReport`.
            events: number of events of the plan, an upper bound of its requests; 0 when unknown.
        """
        limit_us = round(max_lag_ms(event_rate) * 1000)
        late = 0
        for worker in self._workers.values():
            late += sum(count for lag_us, count in worker.counts.lag.items() if lag_us > limit_us)
        return bool(events) and late > _LATE_SHARE * events + 1

    def close(self, plan: LoadPlan, machine: Machine | None = None) -> LoadReport:
        """Return the load report of the run; *machine* is its machine's usage."""
        total = LoadCounts()
        for worker in self._workers.values():
            total.add(worker.counts)
        workers = tuple(_worker_load(name, worker) for name, worker in sorted(self._workers.items()))
        lag = _lag(total)
        # More workers help only if a worker used a core of its machine up.
        crowded = any(worker.cpu >= MAX_CPU for worker in workers) or (
            lag.p99 > max_lag_ms(plan.event_rate) and any(worker.cpu >= NEAR_LIMIT for worker in workers)
        )
        needed = workers_needed(workers, lag, plan.seconds) if crowded else None
        waited = sum(worker.waited for worker in self._workers.values())
        help_line = _more_users(waited) if waited else advice(machine, _busiest(workers), needed)
        invalid = _faults(plan, total, lag, workers, help_line)
        latency, service = total.histogram("latency"), total.histogram("service")
        return LoadReport(
            offered=total.total("offered"),
            sent=total.total("sent"),
            answered=total.total("answered"),
            late=total.total("late"),
            dropped=total.total("dropped"),
            requests=total.requests,
            accepted=total.total("accepted"),
            errors=dict(total.errors),
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
            windows=total.windows(),
            latency=encoded(latency),
            service=encoded(service),
            machine=machine,
            ended=plan.ended,
        )


def workers_needed(workers: Sequence[WorkerLoad], lag: Lag, seconds: float) -> int:
    """Return the number of workers that would have sufficed, after there were too few.

    It is the largest of three: enough to use a good share of a core each, enough to make up for the lag within the
    run, and one more than there were.
    """
    by_cpu = sum(worker.cpu for worker in workers) / _GOOD_CPU
    by_lag = len(workers) * (1 + lag.max / 1000 / max(seconds, 1.0))
    return max(len(workers) + 1, math.ceil(by_cpu), math.ceil(by_lag))


def counts_from_ledger(ledger: SentEvents, worker: int, started_ms: int) -> LoadCounts:
    """Return the counts of one worker by its ledger, which has milliseconds and no requests that were never sent."""
    counters = LoadCounters()
    rows = np.flatnonzero(ledger.worker == worker)
    _, first, events = np.unique(ledger.request[rows], return_index=True, return_counts=True)
    ok = ledger.outcome == OUTCOMES.index(OUTCOMES[0].OK)
    accepted = np.bincount(np.searchsorted(ledger.request[rows][first], ledger.request[rows]), ok[rows], len(first))
    for row, count, good in zip(rows[first].tolist(), events.tolist(), accepted.astype(int).tolist(), strict=True):
        intended, sent, answered = (
            int(column[row]) for column in (ledger.intended_ms, ledger.sent_ms, ledger.answered_ms)
        )
        has_response = answered >= 0 and ledger.status[row] > 0
        failed = 0 if ledger.status[row] == 202 else count - good
        due_us = (intended - started_ms) * 1000
        counters.taken([due_us], due_us, count)
        counters.done(
            [due_us], [(sent - started_ms) * 1000],
            (answered - started_ms) * 1000 if has_response else -1, count, good, failed,
        )  # fmt: skip
    return counters.sum_up()


def _worker_load(name: str, worker: _Worker) -> WorkerLoad:
    counts = worker.counts
    return WorkerLoad(
        name=name,
        host=worker.host,
        offered=counts.total("offered"),
        sent=counts.total("sent"),
        answered=counts.total("answered"),
        cpu=round(worker.busiest, 3),
        lag_max_ms=_lag(counts).max,
        alive=worker.alive,
    )


def _lag(counts: LoadCounts) -> Lag:
    delays = percentiles(histogram_of(counts.lag))
    return Lag(delays.p50, delays.p99, delays.max)


def _busiest(workers: Sequence[WorkerLoad]) -> float:
    return max((worker.cpu for worker in workers), default=0.0)


def _more_users(waited: int) -> str:
    """Return the advice for visits that had to wait for a user."""
    return f"{waited:,} visits or requests waited, as all users were busy. Raise the number of users"


def _faults(plan: LoadPlan, total: LoadCounts, lag: Lag, workers: Sequence[WorkerLoad], advice: str) -> tuple[str, ...]:
    """Return the reasons for which the run is INVALID, with *advice* where the schedule was not kept."""
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
    missing = plan.events - total.total("offered")
    if missing > 0 and not plan.stopped_early:
        faults.append(f"{missing:,} of {plan.events:,} events were never offered")
    return tuple(faults)


def _delay(ms: float) -> str:
    """Return a delay as text, in seconds from 1 s on, otherwise in milliseconds."""
    return f"{ms / 1000:,.3g} s" if ms >= 1_000 else f"{ms:,.0f} ms"
