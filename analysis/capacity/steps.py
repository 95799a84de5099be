"""Held steps: the load at one rate, its measurements, and their comparison with the objectives."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from analysis.capacity.objectives import Breach, Objective, breaches

#: Least share of the requested rate that must be offered for a step to say anything about the server.
MIN_OFFERED = 0.98

#: Events that may be missing besides: at the edges of a window of constant pace, and, in standard deviations of their
#: number, by chance with Poisson arrivals.
_EDGES, _DEVIATIONS = 2, 4


class Purpose(StrEnum):
    """Purpose of a step."""

    GROW = "grow"
    BISECT = "bisect"
    CONFIRM = "confirm"
    SOAK = "soak"
    SPIKE = "spike"


class StepOutcome(StrEnum):
    """Outcome of a step. INVALID: the generator was at fault, so the step says nothing about the server."""

    HELD = "held"
    BROKEN = "broken"
    INVALID = "invalid"


class NextStep(NamedTuple):
    """Step to run: purpose, rate in events per second, and held seconds."""

    purpose: Purpose
    rate: float
    seconds: float


class Delays(NamedTuple):
    """Percentiles of one delay, milliseconds."""

    p50: float
    p95: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class Step:
    """Measurements at one rate, over the held window only, without the warm-up.

    Attributes:
        purpose: purpose of the step.
        rate: requested events per second.
        seconds: length of the held window.
        offered: events with their intended time in the window.
        sent: number of those that were sent.
        answered: number of those with an HTTP response.
        accepted: number of those that the intake accepted.
        failed: refused, or without a response; "received, not validated" (202) is neither.
        dropped: offered and never sent.
        latency_ms: intended time to response.
        service_ms: sending to response.
        service_mean_ms: mean of the latter.
        lag_ms: p99 lag of the generator behind its schedule.
        errors: events of the whole run, warm-up included, that were not accepted, by result.
        generator_cpu: share of one core that the busiest worker used; None when unknown.
        server_cpu: cores that the server used over the run; None for a remote server.
        lost: events that the intake accepted, or received, and that did not land; None when unknown.
        verdict: verdict of the analysis of the run; None without an analysis.
        invalid: reasons why the step proves nothing about the server.
        workers_needed: number of workers that the generator needs; None when it had enough.
        pace: `constant` or `poisson`.
        run: folder of the step's run; None without one.
    """

    purpose: Purpose
    rate: float
    seconds: float
    offered: int
    sent: int
    answered: int
    accepted: int
    failed: int
    dropped: int
    latency_ms: Delays
    service_ms: Delays
    service_mean_ms: float
    lag_ms: float
    errors: Mapping[str, int] = field(default_factory=dict)
    generator_cpu: float | None = None
    server_cpu: float | None = None
    lost: int | None = None
    verdict: str | None = None
    invalid: tuple[str, ...] = ()
    workers_needed: int | None = None
    pace: str = "constant"
    run: str | None = None

    @property
    def offered_rate(self) -> float:
        """Events offered per second."""
        return self.offered / self.seconds

    @property
    def achieved_rate(self) -> float:
        """Events answered per second, of those due in the window."""
        return self.answered / self.seconds

    @property
    def delivered_rate(self) -> float | None:
        """Events per second that are known to have landed, of those due in the window.

        None for hasty responses when the landed events are unknown.
        """
        if self.lost is not None:
            return max(0, self.answered - self.failed - self.lost) / self.seconds
        return self.accepted / self.seconds if self.accepted or not self.answered else None

    @property
    def concurrency(self) -> float:
        """Mean number of concurrent events at the server (Little's law: rate x mean service time)."""
        return self.achieved_rate * self.service_mean_ms / 1000

    @property
    def faults(self) -> tuple[str, ...]:
        """Reasons why the step proves nothing about the server; empty for a valid step."""
        due = self.rate * self.seconds
        slack = _DEVIATIONS * math.sqrt(due) if self.pace == "poisson" else _EDGES
        if self.offered < MIN_OFFERED * due - slack:
            return (*self.invalid, f"only {self.offered_rate:,.1f} of {self.rate:,.1f} events/s were offered")
        return self.invalid


@dataclass(frozen=True, slots=True)
class Judged:
    """Step with its outcome and the objectives that it breaks."""

    step: Step
    outcome: StepOutcome
    breaches: tuple[Breach, ...]


def judge(step: Step, objectives: Sequence[Objective]) -> Judged:
    """Return *step* with its outcome."""
    if step.faults:
        return Judged(step, StepOutcome.INVALID, ())
    broken = breaches(measured(step), objectives)
    return Judged(step, StepOutcome.BROKEN if broken else StepOutcome.HELD, broken)


def measured(step: Step) -> Mapping[str, float | None]:
    """Return the value for each objective: milliseconds, shares, or counts; None when unknown."""
    failed = step.failed + step.dropped
    return {
        **step.latency_ms._asdict(),
        "errors": failed / step.offered if step.offered else 0.0,
        "lost": step.lost,
    }
