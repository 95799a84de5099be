"""Conclusion of a capacity search: the sustained rate, whether it is enough, and which side reached its limit first."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import mean, stdev
from typing import NamedTuple

from scipy.stats import t as student

from analysis.capacity.objectives import Objective
from analysis.capacity.scalability import Scalability, fit
from analysis.capacity.search import SearchSettings, search_state
from analysis.capacity.steps import Judged, Purpose, StepOutcome
from common.sentences import capitalised, clause, count_of

#: Share of a core from which the generator's busiest worker is near its limit.
BUSY = 0.85


class Result(StrEnum):
    """Result of a capacity check."""

    PASS = "PASS"  # noqa: S105 (not a password)
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    INVALID = "INVALID"

    @property
    def exit_code(self) -> int:
        """The command line's exit code."""
        return {Result.PASS: 0, Result.FAIL: 1, Result.INCONCLUSIVE: 3, Result.INVALID: 4}[self]


class Side(StrEnum):
    """Side that reached its limit first."""

    SERVER = "server"
    GENERATOR = "generator"
    NEITHER = "neither"


class Sustained(NamedTuple):
    """A confirmed rate.

    Attributes:
        rate: requested events per second that held in every confirming window.
        answered: mean rate of responses in those windows, events per second.
        low, high: 95 % interval of that mean (Student's t over the windows).
        broke_at: lowest rate that broke; None when every rate held.
        windows: number of windows that held.
    """

    rate: float
    answered: float
    low: float
    high: float
    broke_at: float | None
    windows: int


@dataclass(frozen=True, slots=True)
class CapacityReport:
    """Conclusion of a search.

    Attributes:
        result: PASS, FAIL, INCONCLUSIVE or INVALID.
        sentence: reason for people.
        require: required rate, events per second; None without a requirement.
        sustained: confirmed rate; None without one.
        headroom: sustained / required - 1; None without either.
        side: side that reached its limit first, with the *evidence* for it.
        scalability: fitted law; None when the steps do not allow a fit.
        lost: events of the confirming windows that did not land; None when unknown.
        objectives: objectives of the search.
        steps: all steps, in order.
        interrupted: whether a person ended the search early.
    """

    result: Result
    sentence: str
    require: float | None
    sustained: Sustained | None
    headroom: float | None
    side: Side
    evidence: str
    scalability: Scalability | None
    lost: int | None
    objectives: tuple[Objective, ...]
    steps: tuple[Judged, ...]
    interrupted: bool


def conclude(
    settings: SearchSettings,
    objectives: Sequence[Objective],
    steps: Sequence[Judged],
    *,
    interrupted: str = "",
    lost_matters: bool = False,
) -> CapacityReport:
    """Return the conclusion from *steps*.

    Args:
        settings: settings of the search.
        objectives: objectives of the search.
        steps: steps in the order in which they were run.
        interrupted: reason for an early end, as a sentence; empty when the search ran to its end.
        lost_matters: whether a PASS requires a known number of lost events.
    """
    sustained = _sustained(settings, steps)
    lost = _lost(sustained, steps)
    doubt = _doubt(sustained, lost, steps) if lost_matters else ""
    result, sentence = _result(settings, steps, sustained, interrupted, doubt)
    side, evidence = _side(settings, steps)
    valid = [item.step for item in steps if item.outcome is not StepOutcome.INVALID]
    # A server that never reached its limit shows nothing about its scalability.
    law = (
        fit([step.concurrency for step in valid], [step.achieved_rate for step in valid])
        if search_state(settings, steps).bad is not None
        else None
    )
    headroom = sustained.rate / settings.require - 1 if sustained and settings.require else None
    return CapacityReport(
        result, sentence, settings.require, sustained, headroom, side, evidence, law, lost, tuple(objectives),
        tuple(steps), bool(interrupted),
    )  # fmt: skip


def _sustained(settings: SearchSettings, steps: Sequence[Judged]) -> Sustained | None:
    state = search_state(settings, steps)
    if state.good is None or state.confirmed < settings.windows:
        return None
    rates = [item.step.achieved_rate for item in _confirming(state.good, steps)]
    middle = mean(rates)
    spread = 0.0
    if len(rates) > 1:
        spread = float(student.ppf(0.975, len(rates) - 1)) * stdev(rates) / math.sqrt(len(rates))
    return Sustained(state.good, middle, middle - spread, middle + spread, state.bad, len(rates))


def _confirming(rate: float, steps: Sequence[Judged]) -> list[Judged]:
    return [
        item
        for item in steps
        if item.step.purpose is Purpose.CONFIRM and item.step.rate == rate and item.outcome is StepOutcome.HELD
    ]


def _lost(sustained: Sustained | None, steps: Sequence[Judged]) -> int | None:
    """Return the number of lost events of the confirming windows; None when one is unknown."""
    if sustained is None:
        return None
    counts = [item.step.lost for item in _confirming(sustained.rate, steps)]
    known_counts = [count for count in counts if count is not None]
    return sum(known_counts) if len(known_counts) == len(counts) else None


def _result(
    settings: SearchSettings, steps: Sequence[Judged], sustained: Sustained | None, interrupted: str, doubt: str
) -> tuple[Result, str]:
    state = search_state(settings, steps)
    goal = settings.require
    so_far = f" The highest rate that held was {state.good:,g} events/s." if state.good is not None else ""
    if interrupted:
        return Result.INCONCLUSIVE, f"{interrupted} The steps until then are kept.{so_far}"
    requirement = f"{goal:,g} events/s were required" if goal else ""
    if sustained is not None and (goal is None or sustained.rate >= goal):
        return _enough(sustained, requirement, doubt)
    if state.bad is not None and (state.bad <= goal if goal else state.good is None):
        return Result.FAIL, _too_little(state.bad, steps, sustained, requirement)
    if state.weak is not None and state.weak == state.top and (goal is None or state.weak <= goal):
        return Result.INVALID, _too_weak(state.weak, steps, requirement)
    return Result.INCONCLUSIVE, f"No rate held in {count_of(settings.windows, 'consecutive window')}.{so_far}"


def _enough(sustained: Sustained, requirement: str, doubt: str) -> tuple[Result, str]:
    sentence = f"{sustained.rate:,g} events/s were sustained in {count_of(sustained.windows, 'window')}"
    sentence += f", and {sustained.broke_at:,g} were not" if sustained.broke_at else ", and no rate broke"
    sentence += f"; {requirement}." if requirement else "."
    return (Result.INCONCLUSIVE, f"{sentence} {doubt}") if doubt else (Result.PASS, sentence)


def _doubt(sustained: Sustained | None, lost: int | None, steps: Sequence[Judged]) -> str:
    """Return the sentence that keeps a confirmed rate from a PASS: losses unknown, or the run is NO-GO; else empty."""
    if sustained is None:
        return ""
    if lost is None:
        return (
            "The number of lost events is unknown: analyse the runs of the confirming steps with "
            "`dogfood analyse RUN --observed FILE`."
        )
    odd = [item.step for item in _confirming(sustained.rate, steps) if item.step.verdict == "NO-GO"]
    return f"But the run {odd[0].run} of a confirming step is NO-GO: look at its report." if odd else ""


def _too_little(bad: float, steps: Sequence[Judged], sustained: Sustained | None, requirement: str) -> str:
    broken = next(item for item in steps if item.step.rate == bad and item.outcome is StepOutcome.BROKEN)
    breach = f"At {bad:,g} events/s {broken.breaches[0].sentence}"
    confirmed = f"; {sustained.rate:,g} events/s were sustained" if sustained else "; no rate was confirmed"
    return f"{breach}{confirmed}{f', {requirement}' if requirement else ''}."


def _too_weak(weak: float, steps: Sequence[Judged], requirement: str) -> str:
    invalid = [item.step for item in steps if item.step.rate == weak and item.outcome is StepOutcome.INVALID]
    more = next((step.workers_needed for step in invalid if step.workers_needed), None)
    # Without a number of workers, the fault itself says what helps.
    advice = f": it needs {count_of(more, 'worker')}" if more else ""
    cause = clause(invalid[0].faults[0])
    sentence = f"At {weak:,g} events/s the generator reached its limit before the server did ({cause}){advice}."
    return f"{sentence} {capitalised(requirement)}, and stay untested." if requirement else sentence


def _side(settings: SearchSettings, steps: Sequence[Judged]) -> tuple[Side, str]:
    state = search_state(settings, steps)
    if state.weak is not None and state.weak == state.top:
        step = next(i.step for i in steps if i.step.rate == state.weak and i.outcome is StepOutcome.INVALID)
        return Side.GENERATOR, f"at {state.weak:,g} events/s: {step.faults[0]}"
    if state.bad is not None:
        broken = next(i for i in steps if i.step.rate == state.bad and i.outcome is StepOutcome.BROKEN)
        parts = [broken.breaches[0].sentence, f"lag of the generator p99 {broken.step.lag_ms:,.1f} ms"]
        if broken.step.server_cpu is not None:
            parts.append(f"the server used {broken.step.server_cpu:.2f} cores")
        if broken.step.generator_cpu is not None:
            busy = ", which is near its limit" if broken.step.generator_cpu > BUSY else ""
            parts.append(f"the busiest worker of the generator {broken.step.generator_cpu:.2f} of one{busy}")
        return Side.SERVER, f"at {state.bad:,g} events/s: {', '.join(parts)}"
    if state.good is not None:
        return Side.NEITHER, f"all rates up to {state.good:,g} events/s held"
    return Side.NEITHER, "no rate held or broke"
