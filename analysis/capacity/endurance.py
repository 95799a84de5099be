"""What hours at one rate, or a sudden multiple of it, do to a system: drift, leaks, and recovery. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.stats import theilslopes

from analysis.capacity.conclusion import Result
from analysis.capacity.objectives import LATENCIES, Objective
from analysis.capacity.scalability import Estimate
from analysis.capacity.steps import Judged, StepOutcome
from run_record.load_report.report import Window, merged, percentiles

#: Values are put together to so many blocks before a slope is drawn through them: neighbours resemble each other, and
#: every second by itself would make the interval look narrower than it is.
BLOCKS = 20

#: A slope of fewer blocks than this is not told.
_MIN_BLOCKS = 8

#: Growth over the whole soak is a fault when it is sure, and more than this share of where it began, …
_GROWTH = 0.1

#: … and more than this: milliseconds of p99, and bytes.
_LEAST_MS, _LEAST_BYTES = 5.0, 10e6

#: The objectives have to hold for so many seconds, one after the other, before a system has recovered.
_STEADY_S = 3


class Trend(NamedTuple):
    """How something changed over a soak.

    Attributes:
        what: it is, for people.
        unit: of its values.
        an_hour: slope (Theil and Sen), with its 95 % interval (Sen 1968).
        begin: value of the line at the beginning.
        growth: what the slope comes to over the soak.
        grows: whether that is a fault: sure, and large enough to matter.
    """

    what: str
    unit: str
    an_hour: Estimate
    begin: float
    growth: float
    grows: bool


class Second(NamedTuple):
    """One second of the schedule: what was offered, accepted, and failed in it, and its latency in milliseconds."""

    second: int
    offered: int
    answered: int
    failed: int
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Endurance:
    """What a soak or a spike found.

    Attributes:
        result: PASS, FAIL, INCONCLUSIVE or INVALID.
        sentence: why, for people.
        judged: the whole window beside the objectives.
        seconds: of the schedule.
        trends: of a soak.
        recovery_s: of a spike: from its end until the objectives held again; None when they did not, or for a soak.
        memory: (seconds since the beginning, bytes) of the server, empty when it was not watched.
        spike: from when to when, None for a soak.
    """

    result: Result
    sentence: str
    judged: Judged
    seconds: tuple[Second, ...]
    trends: tuple[Trend, ...] = ()
    recovery_s: int | None = None
    memory: tuple[tuple[float, float], ...] = ()
    spike: tuple[int, int] | None = None


def soak(judged: Judged, windows: Sequence[Window], memory: Sequence[tuple[float, float]]) -> Endurance:
    """Judge hours at one rate.

    Args:
        judged: the whole held window.
        windows: its seconds.
        memory: (seconds since its beginning, bytes) of the server; empty when it was not watched.
    """
    parts = np.array_split(np.arange(len(windows)), min(BLOCKS, len(windows) or 1))
    times = [float(np.mean([windows[i].second for i in part])) for part in parts if len(part)]
    delays = [percentiles(merged(windows[i].latency for i in part)).p99 for part in parts if len(part)]
    found = [_trend("p99 of latency", "ms", times, delays, _LEAST_MS)]
    blocks = np.array_split(np.array(memory, dtype=float).reshape(-1, 2), min(BLOCKS, len(memory) or 1))
    means = [block.mean(axis=0).tolist() for block in blocks if len(block)]
    if means:
        moments, used = ([block[column] for block in means] for column in (0, 1))
        found.append(_trend("memory of the server", "bytes", moments, used, _LEAST_BYTES))
    trends = tuple(trend for trend in found if trend is not None)
    result, sentence = _soak_result(judged, trends)
    return Endurance(result, sentence, judged, seconds_of(windows), trends, memory=tuple(memory))


def cut_short(found: Endurance) -> Endurance:
    """Return what was found of a soak that somebody ended early: kept, and INCONCLUSIVE."""
    told = f"Ended by hand after {found.judged.step.seconds:,.0f} s; what was measured until then is kept. "
    return replace(found, result=Result.INCONCLUSIVE, sentence=told + found.sentence)


def spike(
    judged: Judged, windows: Sequence[Window], objectives: Sequence[Objective], span: tuple[int, int], within_s: int
) -> Endurance:
    """Judge a sudden multiple of a rate: how long after its end do the objectives hold again?

    Args:
        judged: the whole run, for what the generator did.
        windows: its seconds.
        objectives: those of latency and errors are looked at, second by second.
        span: first second of the spike, and the first one after it.
        within_s: it has to recover in so many seconds.
    """
    good = {window.second: _holds(window, objectives) for window in windows}
    last = max(good, default=0)
    recovery = next(
        (
            second - span[1]
            for second in range(span[1], last - _STEADY_S + 2)
            if all(good.get(second + step, True) for step in range(_STEADY_S))
        ),
        None,
    )
    suffered = not all(good.get(second, True) for second in range(*span))
    result, sentence = _spike_result(judged, recovery, within_s, suffered=suffered)
    return Endurance(result, sentence, judged, seconds_of(windows), recovery_s=recovery, spike=span)


def seconds_of(windows: Sequence[Window]) -> tuple[Second, ...]:
    """Return each second with its percentiles, in order."""
    rows = []
    for window in sorted(windows, key=lambda item: item.second):
        found = percentiles(merged([window.latency]))
        rows.append(
            Second(window.second, window.offered, window.answered, window.failed + window.dropped, found.p50, found.p99)
        )
    return tuple(rows)


def _trend(what: str, unit: str, times: Sequence[float], values: Sequence[float], least: float) -> Trend | None:
    if len(values) < _MIN_BLOCKS:
        return None
    slope, _, low, high = theilslopes(values, times, alpha=0.95)
    span = max(times) - min(times)
    begin = float(np.median(np.array(values) - slope * (np.array(times) - min(times))))
    growth = float(slope * span)
    grows = bool(low > 0 and growth > max(least, _GROWTH * begin))
    return Trend(what, unit, Estimate(*(float(value) * 3600 for value in (slope, low, high))), begin, growth, grows)


def _soak_result(judged: Judged, trends: Sequence[Trend]) -> tuple[Result, str]:
    step = judged.step
    if judged.outcome is StepOutcome.INVALID:
        return Result.INVALID, f"The generator was at fault: {step.faults[0]}."
    told = f"{step.rate:,g} events/s for {step.seconds:,.0f} s"
    if judged.outcome is StepOutcome.BROKEN:
        return Result.FAIL, f"{told} were not sustained: {judged.breaches[0].sentence}."
    growing = next((trend for trend in trends if trend.grows), None)
    if growing is not None:
        grown = (
            f"{growing.growth / 1e6:,.1f} MB" if growing.unit == "bytes" else f"{growing.growth:,.1f} {growing.unit}"
        )
        return Result.FAIL, f"{told} were sustained, but {growing.what} grew by {grown}."
    if not trends:
        return Result.INCONCLUSIVE, f"{told} were sustained; that is too short to tell a drift."
    return Result.PASS, f"{told} were sustained, and nothing drifted: {', '.join(trend.what for trend in trends)}."


def _spike_result(judged: Judged, recovery: int | None, within_s: int, *, suffered: bool) -> tuple[Result, str]:
    if judged.outcome is StepOutcome.INVALID:
        return Result.INVALID, f"The generator was at fault: {judged.step.faults[0]}."
    if recovery is None:
        return Result.FAIL, "After the spike the objectives did not hold again while it was watched."
    if not suffered and recovery == 0:
        return Result.PASS, "The objectives held through the spike and after it."
    told = f"The objectives held again {recovery} s after the spike"
    if recovery > within_s:
        return Result.FAIL, f"{told}, later than the {within_s} s that are allowed."
    return Result.PASS, f"{told}, within the {within_s} s that are allowed."


def _holds(window: Window, objectives: Sequence[Objective]) -> bool:
    found = percentiles(merged([window.latency]))
    failed = (window.failed + window.dropped) / window.offered if window.offered else 0.0
    for objective in objectives:
        value = getattr(found, objective.name) if objective.name in LATENCIES else failed
        if objective.name != "lost" and value > objective.limit:
            return False
    return True
