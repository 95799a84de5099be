"""A held step: what was offered at one rate for a while, and what came of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from analysis.capacity.objectives import Breach, Objective, breaches

#: A window in which less than this share of the asked rate was offered says nothing about the server.
MIN_OFFERED = 0.98

#: Besides, so many events may be missing: at the edges of a window of constant pace, and (in standard deviations of
#: their number) by chance in one of Poisson arrivals.
_EDGES, _DEVIATIONS = 2, 4


class Purpose(StrEnum):
    """Why a step was taken."""

    GROW = "grow"
    BISECT = "bisect"
    CONFIRM = "confirm"
    SOAK = "soak"
    SPIKE = "spike"


class StepOutcome(StrEnum):
    """What a step says of its rate. INVALID: the generator was at fault, so it says nothing of the server."""

    HELD = "held"
    BROKEN = "broken"
    INVALID = "invalid"


class NextStep(NamedTuple):
    """A step to take: at how many events a second, held for how many seconds, and why."""

    purpose: Purpose
    rate: float
    seconds: float


class Delays(NamedTuple):
    """Of one kind, in milliseconds."""

    p50: float
    p95: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class Step:
    """What was measured at one rate, over the held window alone: what came before, to settle, is left out.

    Attributes:
        purpose: why the step was taken.
        rate: events a second that were asked for.
        seconds: length of the held window.
        offered: events whose intended time was in the window.
        sent: of those, put on the wire.
        answered: of those, with an HTTP answer.
        accepted: of those, accepted by the intake.
        failed: refused, or without an answer; answers "received, not validated" (202) are neither.
        dropped: offered and never sent.
        latency_ms: from the intended time to the answer.
        service_ms: from the wire to the answer.
        service_mean_ms: mean of the latter.
        lag_ms: 99th percentile of how far the generator was behind its schedule.
        errors: events of the whole run, settling included, by what became of them when they were not accepted.
        generator_cpu: share of one core that the busiest worker used, None when unknown.
        server_cpu: cores that the server used over the run, None when it is elsewhere.
        lost: events that the intake accepted, or received, and that did not land; None when nobody looked.
        verdict: what the analysis says of the run as a whole, None when it was not asked.
        invalid: why the step proves nothing about the server.
        workers_needed: how many workers the generator should have had, None when it had enough.
        pace: `constant` or `poisson`.
        run: folder of the run that the step was, None when it was none.
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
        """Events offered a second."""
        return self.offered / self.seconds

    @property
    def achieved_rate(self) -> float:
        """Events answered a second, of those that were intended for the window."""
        return self.answered / self.seconds

    @property
    def delivered_rate(self) -> float | None:
        """Events a second that are known to have landed, of those that were intended for the window.

        None for hasty answers whose events nobody has looked for.
        """
        if self.lost is not None:
            return max(0, self.answered - self.failed - self.lost) / self.seconds
        return self.accepted / self.seconds if self.accepted or not self.answered else None

    @property
    def concurrency(self) -> float:
        """Mean number of events under way at the server (Little's law: rate x mean service time)."""
        return self.achieved_rate * self.service_mean_ms / 1000

    @property
    def faults(self) -> tuple[str, ...]:
        """Why the step proves nothing about the server; empty when it does."""
        asked = self.rate * self.seconds
        slack = _DEVIATIONS * math.sqrt(asked) if self.pace == "poisson" else _EDGES
        if self.offered < MIN_OFFERED * asked - slack:
            told = f"only {self.offered_rate:,.1f} of {self.rate:,.1f} events/s were offered"
            return (*self.invalid, told)
        return self.invalid


@dataclass(frozen=True, slots=True)
class Judged:
    """A step beside the objectives."""

    step: Step
    outcome: StepOutcome
    breaches: tuple[Breach, ...]


def judge(step: Step, objectives: Sequence[Objective]) -> Judged:
    """Return *step* with what it says of its rate."""
    if step.faults:
        return Judged(step, StepOutcome.INVALID, ())
    found = breaches(measured(step), objectives)
    return Judged(step, StepOutcome.BROKEN if found else StepOutcome.HELD, found)


def measured(step: Step) -> Mapping[str, float | None]:
    """Return what each objective is compared with: milliseconds, shares, or counts; None when nobody looked."""
    failed = step.failed + step.dropped
    return {
        **step.latency_ms._asdict(),
        "errors": failed / step.offered if step.offered else 0.0,
        "lost": step.lost,
    }
