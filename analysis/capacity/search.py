"""Search for the sustained rate: a pure function from the steps so far to the next one.

Double the rate until an objective breaks, bisect the interval, and confirm on longer windows. A break counts when it
happens twice, and a fault of the generator when it happens three times, because machines are shared. The required rate
itself is tried whenever it lies in the interval, so that the result never depends on a neighbouring rate.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.capacity.steps import Judged, NextStep, Purpose, StepOutcome
from common.errors import DogfoodError

#: Significant digits of a rate.
_DIGITS = 3

#: Breaks after which a rate counts as broken.
_TRIES = 2

#: Faults of the generator after which a rate counts as beyond it, because machines are shared.
_MOST_INVALID = 3

#: Lowest rate of a search, events per second.
_LOWEST = 0.5


class SearchError(DogfoodError):
    """Search with contradictory settings."""


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """Settings of a search.

    Attributes:
        start: first rate, events per second.
        ceiling: maximum rate, events per second.
        require: required rate, events per second; None without a requirement.
        precision: maximum relative difference between the sustained rate and the lowest broken one.
        probe_s: held seconds of a step that grows or bisects.
        hold_s: held seconds of a step that confirms.
        windows: number of confirming windows, all of which must hold.
        attempts: number of rates at which confirmation may fail.
        most_steps: maximum number of steps.
    """

    start: float
    ceiling: float
    require: float | None = None
    precision: float = 0.05
    probe_s: float = 10.0
    hold_s: float = 30.0
    windows: int = 3
    attempts: int = 3
    most_steps: int = 60

    def __post_init__(self) -> None:
        if not 0 < self.start <= self.ceiling:
            raise SearchError(f"the first rate must be above 0 and at most {self.ceiling:g}, not {self.start:g}")
        if self.require is not None and not 0 < self.require <= self.ceiling:
            raise SearchError(
                f"{self.require:g} events/s are required, but the ceiling is {self.ceiling:g}: raise the ceiling, or "
                "require less"
            )
        if not 0.001 <= self.precision < 1:
            raise SearchError(f"the precision must be between 0.001 and 1, not {self.precision:g}")


@dataclass(frozen=True, slots=True)
class SearchState:
    """State of a search after some steps.

    Attributes:
        good: highest rate that held, below every broken one; None without one.
        bad: lowest rate that counts as broken; None without one.
        weak: lowest rate beyond the generator; None without one.
        confirmed: number of windows that held at *good*.
        given_up: whether more steps cannot lead to a result.
    """

    good: float | None
    bad: float | None
    weak: float | None
    confirmed: int
    given_up: bool

    @property
    def top(self) -> float:
        """Lowest rate that is broken or beyond the generator; infinite without one."""
        return min(self.bad or math.inf, self.weak or math.inf)


def search_state(settings: SearchSettings, steps: Sequence[Judged]) -> SearchState:
    """Return the state of the search after *steps*."""
    counts = Counter((item.step.rate, item.outcome, item.step.purpose is Purpose.CONFIRM) for item in steps)
    rates = sorted({item.step.rate for item in steps})
    bad = next((rate for rate in rates if _is_bad(counts, rate)), None)
    weak = next((rate for rate in rates if _invalid(counts, rate) >= _MOST_INVALID and not _held(counts, rate)), None)
    top = min(bad or math.inf, weak or math.inf)
    held = [rate for rate in rates if rate < top and _held(counts, rate)]
    good = held[-1] if held else None
    unsteady = [rate for rate in rates if counts[rate, StepOutcome.BROKEN, True]]
    # Confirmation that the generator keeps invalidating never ends.
    endless = good is not None and counts[good, StepOutcome.INVALID, True] > settings.windows
    return SearchState(
        good,
        bad,
        weak,
        confirmed=counts[good, StepOutcome.HELD, True] if good is not None else 0,
        given_up=len(unsteady) > settings.attempts or len(steps) >= settings.most_steps or endless,
    )


def next_step(settings: SearchSettings, steps: Sequence[Judged]) -> NextStep | None:
    """Return the next step, or None when the search is over."""
    if not steps:
        return NextStep(Purpose.GROW, settings.start, settings.probe_s)
    state = search_state(settings, steps)
    if state.given_up:
        return None
    again = _undecided(steps)
    if again is not None:
        return again
    if state.good is None and state.weak is not None and state.top == state.weak:
        # The generator reaches its limit before any rate held, so a lower rate proves nothing.
        return None
    if state.good is None:
        lower = rounded(min(item.step.rate for item in steps) / 2)
        return NextStep(Purpose.GROW, lower, settings.probe_s) if lower >= _LOWEST else None
    if state.top == math.inf and state.good < settings.ceiling:
        return NextStep(Purpose.GROW, _higher(settings, state.good), settings.probe_s)
    between = _between(settings, state)
    if between is not None:
        return NextStep(Purpose.BISECT, between, settings.probe_s)
    if state.confirmed < settings.windows:
        return NextStep(Purpose.CONFIRM, state.good, settings.hold_s)
    return None


def rounded(rate: float) -> float:
    """Return *rate* with three significant digits."""
    return float(f"{rate:.{_DIGITS}g}")


def _undecided(steps: Sequence[Judged]) -> NextStep | None:
    """Return the last step again when it broke, or was invalid, too few times to count."""
    last = steps[-1]
    rate, purpose = last.step.rate, last.step.purpose
    if last.outcome is StepOutcome.HELD or (last.outcome is StepOutcome.BROKEN and purpose is Purpose.CONFIRM):
        return None
    same = [item for item in steps if item.step.rate == rate]
    if any(item.outcome is StepOutcome.HELD for item in same) and purpose is not Purpose.CONFIRM:
        return None
    times = sum(item.outcome is last.outcome for item in same)
    enough = _MOST_INVALID if last.outcome is StepOutcome.INVALID else _TRIES
    return NextStep(purpose, rate, last.step.seconds) if times < enough else None


def _higher(settings: SearchSettings, good: float) -> float:
    """Return the next rate: the double, or the required one when that lies below."""
    goal = settings.require
    if goal is not None and good < goal < 2 * good:
        return goal
    return min(2 * good, settings.ceiling)


def _between(settings: SearchSettings, state: SearchState) -> float | None:
    """Return the rate to bisect at; None when the interval is small enough."""
    good, top, goal = state.good, state.top, settings.require
    if good is None or top == math.inf:
        return None
    if goal is not None and good < goal < top:
        return goal
    # When the generator reaches its limit first, the capacity stays unknown.
    if state.bad is None or top != state.bad or top <= good * (1 + settings.precision):
        return None
    middle = rounded(math.sqrt(good * top))
    return middle if good < middle < top else None


Counts = Counter[tuple[float, StepOutcome, bool]]


def _held(counts: Counts, rate: float) -> int:
    return counts[rate, StepOutcome.HELD, False] + counts[rate, StepOutcome.HELD, True]


def _invalid(counts: Counts, rate: float) -> int:
    return counts[rate, StepOutcome.INVALID, False] + counts[rate, StepOutcome.INVALID, True]


def _is_bad(counts: Counts, rate: float) -> bool:
    """Return whether a rate counts as broken: a confirmation broke, or it broke twice and never held."""
    if counts[rate, StepOutcome.BROKEN, True]:
        return True
    return counts[rate, StepOutcome.BROKEN, False] >= _TRIES and not _held(counts, rate)
