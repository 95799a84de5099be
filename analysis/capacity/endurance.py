"""Endurance: drift and leaks over hours at one rate, recovery after a sudden multiple of it. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.stats import theilslopes

from analysis.capacity.conclusion import Result
from analysis.capacity.objectives import LATENCIES, Objective
from analysis.capacity.scalability import Estimate
from analysis.capacity.steps import Judged, StepOutcome
from common.sentences import clause
from run_record.load_report.report import Window, merged, percentiles

#: Number of blocks whose means a slope is fitted to. Neighbouring seconds are correlated, and single seconds would make
#: the interval too narrow.
BLOCKS = 20

#: Least blocks of a slope.
_MIN_BLOCKS = 8

#: Growth over the whole soak is a fault when it is significant, above this share of the initial value, …
_GROWTH = 0.1

#: … and above this: milliseconds of p99, and bytes.
_LEAST_MS, _LEAST_BYTES = 5.0, 10e6

#: Consecutive seconds for which the objectives must hold before a system has recovered.
_STEADY_S = 3


class Trend(NamedTuple):
    """Change of a quantity over a soak.

    Attributes:
        what: name of the quantity, for people.
        unit: unit of its values.
        an_hour: slope per hour (Theil and Sen), with its 95 % interval (Sen 1968).
        begin: value of the line at the beginning.
        growth: slope times the length of the soak.
        grows: whether that is a fault: significant and large enough to matter.
    """

    what: str
    unit: str
    an_hour: Estimate
    begin: float
    growth: float
    grows: bool


class Second(NamedTuple):
    """One second of the schedule: events offered, answered and failed, and latency percentiles in milliseconds."""

    second: int
    offered: int
    answered: int
    failed: int
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Endurance:
    """Result of a soak or a spike.

    Attributes:
        result: PASS, FAIL, INCONCLUSIVE or INVALID.
        sentence: reason for people.
        judged: the whole window, compared with the objectives.
        seconds: seconds of the schedule.
        trends: trends of a soak.
        recovery_s: seconds from the end of a spike until the objectives held again; None when they did not, or for a
            soak.
        memory: (seconds since the beginning, bytes) of the server; empty when not measured.
        spike: first second of the spike and first one after it; None for a soak.
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
    """Return the result of hours at one rate.

    Args:
        judged: the whole held window.
        windows: its seconds.
        memory: (seconds since its beginning, bytes) of the server; empty when not measured.
    """
    parts = np.array_split(np.arange(len(windows)), min(BLOCKS, len(windows) or 1))
    times = [float(np.mean([windows[i].second for i in part])) for part in parts if len(part)]
    delays = [percentiles(merged(windows[i].latency for i in part)).p99 for part in parts if len(part)]
    fitted = [_trend("p99 of latency", "ms", times, delays, _LEAST_MS)]
    blocks = np.array_split(np.array(memory, dtype=float).reshape(-1, 2), min(BLOCKS, len(memory) or 1))
    means = [block.mean(axis=0).tolist() for block in blocks if len(block)]
    if means:
        moments, used = ([block[column] for block in means] for column in (0, 1))
        fitted.append(_trend("memory of the server", "bytes", moments, used, _LEAST_BYTES))
    trends = tuple(trend for trend in fitted if trend is not None)
    result, sentence = _soak_result(judged, trends)
    return Endurance(result, sentence, judged, seconds_of(windows), trends, memory=tuple(memory))


def cut_short(endurance: Endurance) -> Endurance:
    """Return *endurance* of a soak that a person ended early: INCONCLUSIVE, with its measurements."""
    sentence = f"Ended by hand after {endurance.judged.step.seconds:,.0f} s; the measurements until then are kept."
    return replace(endurance, result=Result.INCONCLUSIVE, sentence=f"{sentence} {endurance.sentence}")


def spike(
    judged: Judged, windows: Sequence[Window], objectives: Sequence[Objective], span: tuple[int, int], within_s: int
) -> Endurance:
    """Return the result of a sudden multiple of a rate: the time until the objectives hold again.

    Args:
        judged: the whole run, for faults of the generator.
        windows: its seconds.
        objectives: those of latency and errors apply to each second.
        span: first second of the spike, and the first one after it.
        within_s: maximum recovery time, seconds.
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
    broke = not all(good.get(second, True) for second in range(*span))
    result, sentence = _spike_result(judged, recovery, within_s, broke=broke)
    return Endurance(result, sentence, judged, seconds_of(windows), recovery_s=recovery, spike=span)


def seconds_of(windows: Sequence[Window]) -> tuple[Second, ...]:
    """Return each second with its percentiles, in order."""
    rows = []
    for window in sorted(windows, key=lambda item: item.second):
        latency = percentiles(merged([window.latency]))
        rows.append(
            Second(
                window.second, window.offered, window.answered, window.failed + window.dropped, latency.p50, latency.p99
            )
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
        return Result.INVALID, f"The generator was at fault: {clause(step.faults[0])}."
    load = f"{step.rate:,g} events/s for {step.seconds:,.0f} s"
    if judged.outcome is StepOutcome.BROKEN:
        return Result.FAIL, f"{load} were not sustained: {judged.breaches[0].sentence}."
    growing = next((trend for trend in trends if trend.grows), None)
    if growing is not None:
        grown = (
            f"{growing.growth / 1e6:,.1f} MB" if growing.unit == "bytes" else f"{growing.growth:,.1f} {growing.unit}"
        )
        return Result.FAIL, f"{load} were sustained, but {growing.what} grew by {grown}."
    if not trends:
        return Result.INCONCLUSIVE, f"{load} were sustained; that is too short to detect a drift."
    return Result.PASS, f"{load} were sustained without drift of {' or '.join(trend.what for trend in trends)}."


def _spike_result(judged: Judged, recovery: int | None, within_s: int, *, broke: bool) -> tuple[Result, str]:
    if judged.outcome is StepOutcome.INVALID:
        return Result.INVALID, f"The generator was at fault: {clause(judged.step.faults[0])}."
    if recovery is None:
        return Result.FAIL, "The objectives did not hold again after the spike."
    if not broke and recovery == 0:
        return Result.PASS, "The objectives held through the spike and after it."
    recovered = f"The objectives held again {recovery} s after the spike (limit {within_s} s)."
    return (Result.FAIL if recovery > within_s else Result.PASS), recovered


def _holds(window: Window, objectives: Sequence[Objective]) -> bool:
    latency = percentiles(merged([window.latency]))
    failed = (window.failed + window.dropped) / window.offered if window.offered else 0.0
    for objective in objectives:
        value = getattr(latency, objective.name) if objective.name in LATENCIES else failed
        if objective.name != "lost" and value > objective.limit:
            return False
    return True
