"""What a search found: the sustained rate, whether it is enough, and which side gave out first."""

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

#: A generator whose busiest worker uses more of its core than this is near its own limit.
BUSY = 0.85


class Result(StrEnum):
    """What a capacity check says."""

    PASS = "PASS"  # noqa: S105 (not a password)
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    INVALID = "INVALID"

    @property
    def exit_code(self) -> int:
        """The command line's exit code."""
        return {Result.PASS: 0, Result.FAIL: 1, Result.INCONCLUSIVE: 3, Result.INVALID: 4}[self]


class Side(StrEnum):
    """What gave out first."""

    SERVER = "server"
    GENERATOR = "generator"
    NEITHER = "neither"


class Sustained(NamedTuple):
    """A confirmed rate.

    Attributes:
        rate: events a second that were asked for, and held in every confirming window.
        answered: mean of the answered rates of those windows.
        low, high: 95 % interval of that mean (Student's t over the windows).
        broke_at: the lowest rate that broke; None when none was reached.
        windows: how many held.
    """

    rate: float
    answered: float
    low: float
    high: float
    broke_at: float | None
    windows: int


@dataclass(frozen=True, slots=True)
class CapacityReport:
    """What a search found.

    Attributes:
        result: PASS, FAIL, INCONCLUSIVE or INVALID.
        sentence: why, for people.
        require: the rate that was required, None when none was.
        sustained: the confirmed rate, None when there is none.
        headroom: sustained over required, less 1; None without either.
        side: what gave out first, and *evidence* for it.
        scalability: the fitted law, None where the steps do not allow one.
        lost: events that did not land in the confirming windows, None when nobody looked.
        objectives: that had to be met.
        steps: all that were taken, in order.
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
    """Return what *steps* say.

    Args:
        settings: of the search.
        objectives: that were to be met.
        steps: in the order in which they were taken.
        interrupted: why the search ended early, empty when it ran to its end.
        lost_matters: whether a PASS needs the events to have been looked for.
    """
    sustained = _sustained(settings, steps)
    lost = _lost(sustained, steps)
    doubt = _doubt(sustained, lost, steps) if lost_matters else ""
    result, sentence = _result(settings, steps, sustained, interrupted, doubt)
    side, evidence = _side(settings, steps)
    valid = [item.step for item in steps if item.outcome is not StepOutcome.INVALID]
    # A server that was never at its limit has shown nothing of how it scales.
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
    now = search_state(settings, steps)
    if now.good is None or now.confirmed < settings.windows:
        return None
    rates = [item.step.achieved_rate for item in _confirming(now.good, steps)]
    middle = mean(rates)
    spread = 0.0
    if len(rates) > 1:
        spread = float(student.ppf(0.975, len(rates) - 1)) * stdev(rates) / math.sqrt(len(rates))
    return Sustained(now.good, middle, middle - spread, middle + spread, now.bad, len(rates))


def _confirming(rate: float, steps: Sequence[Judged]) -> list[Judged]:
    return [
        item
        for item in steps
        if item.step.purpose is Purpose.CONFIRM and item.step.rate == rate and item.outcome is StepOutcome.HELD
    ]


def _lost(sustained: Sustained | None, steps: Sequence[Judged]) -> int | None:
    """Return how many events of the confirming windows were lost; None when one was not looked at."""
    if sustained is None:
        return None
    counts = [item.step.lost for item in _confirming(sustained.rate, steps)]
    known_counts = [count for count in counts if count is not None]
    return sum(known_counts) if len(known_counts) == len(counts) else None


def _result(
    settings: SearchSettings, steps: Sequence[Judged], sustained: Sustained | None, interrupted: str, doubt: str
) -> tuple[Result, str]:
    now = search_state(settings, steps)
    goal = settings.require
    so_far = f" The highest rate that held was {now.good:,g} events/s." if now.good is not None else ""
    if interrupted:
        return Result.INCONCLUSIVE, f"{interrupted} What was measured until then is kept.{so_far}"
    wanted = f"{goal:,g} events/s were required" if goal else ""
    if sustained is not None and (goal is None or sustained.rate >= goal):
        return _enough(sustained, wanted, doubt)
    if now.bad is not None and (now.bad <= goal if goal else now.good is None):
        return Result.FAIL, _too_little(now.bad, steps, sustained, wanted)
    if now.weak is not None and now.weak == now.top and (goal is None or now.weak <= goal):
        return Result.INVALID, _too_weak(now.weak, steps, wanted)
    return Result.INCONCLUSIVE, f"No rate held in {settings.windows} windows one after the other.{so_far}"


def _enough(sustained: Sustained, wanted: str, doubt: str) -> tuple[Result, str]:
    told = f"{sustained.rate:,g} events/s were sustained in {sustained.windows} windows"
    told += f", and {sustained.broke_at:,g} were not" if sustained.broke_at else ", and nothing broke"
    told += f"; {wanted}." if wanted else "."
    return (Result.INCONCLUSIVE, f"{told} {doubt}") if doubt else (Result.PASS, told)


def _doubt(sustained: Sustained | None, lost: int | None, steps: Sequence[Judged]) -> str:
    """Return what keeps a confirmed rate from being a PASS: nobody looked, or what landed is not as it should be."""
    if sustained is None:
        return ""
    if lost is None:
        return (
            "Whether they all landed is not known: judge the runs of the confirming steps with "
            "`dogfood analyse RUN --observed FILE`."
        )
    odd = [item.step for item in _confirming(sustained.rate, steps) if item.step.verdict == "NO-GO"]
    return f"But what landed is not as it should be: the run {odd[0].run} is NO-GO." if odd else ""


def _too_little(bad: float, steps: Sequence[Judged], sustained: Sustained | None, wanted: str) -> str:
    broken = next(item for item in steps if item.step.rate == bad and item.outcome is StepOutcome.BROKEN)
    told = f"At {bad:,g} events/s {broken.breaches[0].sentence}"
    kept = f"; {sustained.rate:,g} events/s were sustained" if sustained else "; no rate was confirmed"
    return f"{told}{kept}{f', {wanted}' if wanted else ''}."


def _too_weak(weak: float, steps: Sequence[Judged], wanted: str) -> str:
    spoilt = [item.step for item in steps if item.step.rate == weak and item.outcome is StepOutcome.INVALID]
    more = next((step.workers_needed for step in spoilt if step.workers_needed), None)
    # Where more workers would not help, what was measured says what would.
    advice = f": it needs {more} workers" if more else ""
    told = f"At {weak:,g} events/s the generator gave out before the server did ({spoilt[0].faults[0]}){advice}."
    return f"{told} {wanted[:1].upper()}{wanted[1:]}, which is not known.".replace("  ", " ") if wanted else told


def _side(settings: SearchSettings, steps: Sequence[Judged]) -> tuple[Side, str]:
    now = search_state(settings, steps)
    if now.weak is not None and now.weak == now.top:
        step = next(i.step for i in steps if i.step.rate == now.weak and i.outcome is StepOutcome.INVALID)
        return Side.GENERATOR, f"at {now.weak:,g} events/s: {step.faults[0]}"
    if now.bad is not None:
        broken = next(i for i in steps if i.step.rate == now.bad and i.outcome is StepOutcome.BROKEN)
        parts = [broken.breaches[0].sentence, f"lag of the generator p99 {broken.step.lag_ms:,.1f} ms"]
        if broken.step.server_cpu is not None:
            parts.append(f"the server used {broken.step.server_cpu:.2f} cores")
        if broken.step.generator_cpu is not None:
            busy = ", which is near its limit" if broken.step.generator_cpu > BUSY else ""
            parts.append(f"the busiest worker of the generator {broken.step.generator_cpu:.2f} of one{busy}")
        return Side.SERVER, f"at {now.bad:,g} events/s: {', '.join(parts)}"
    if now.good is not None:
        return Side.NEITHER, f"all rates up to {now.good:,g} events/s held"
    return Side.NEITHER, "no rate held, and none is known to break"
