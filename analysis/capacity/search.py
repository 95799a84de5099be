"""The search for the sustained rate: a pure function of what was seen so far to the step to take next.

Grow by doubling until an objective breaks; bisect what lies between; confirm on longer windows. A break is believed
when it happens twice, and a generator's fault when it happens three times, for machines are shared. The requirement
itself is tried whenever it lies in between, so that the answer to "will it do?" never has to be read off a neighbour.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.capacity.steps import Judged, NextStep, Purpose, StepOutcome
from common.errors import DogfoodError

#: Rates are given to so many significant digits.
_DIGITS = 3

#: A rate breaks when it broke so often.
_TRIES = 2

#: And one at which the generator was at fault not more often than this: machines are shared.
_SPOILT = 3

#: The search ends below this many events a second.
_LOWEST = 0.5


class SearchError(DogfoodError):
    """A search that makes no sense."""


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How to search.

    Attributes:
        start: the first rate, events a second.
        ceiling: no rate above this is tried.
        require: the rate that has to be sustained, None when there is none.
        precision: how close, relatively, the sustained rate and the lowest broken one have to come.
        probe_s: held seconds of a step that grows or bisects.
        hold_s: held seconds of a step that confirms.
        windows: how many of those have to hold, all of them.
        attempts: at how many rates confirmation may fail before the search gives up.
        most_steps: the search gives up after so many.
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
            raise SearchError(f"the first rate has to be above 0 and at most {self.ceiling:g}, not {self.start:g}")
        if self.require is not None and not 0 < self.require <= self.ceiling:
            raise SearchError(
                f"{self.require:g} events/s are required, and no more than {self.ceiling:g} may be tried: "
                "raise the ceiling, or ask for less"
            )
        if not 0.001 <= self.precision < 1:
            raise SearchError(f"the precision has to be between 0.001 and 1, not {self.precision:g}")


@dataclass(frozen=True, slots=True)
class SearchState:
    """What the steps so far say.

    Attributes:
        good: the highest rate that held below everything that is known to break; None when there is none.
        bad: the lowest rate that broke, believed; None when there is none.
        weak: the lowest rate at which the generator was at fault as often as it was tried; None when there is none.
        confirmed: windows that held at *good*.
        given_up: the steps cannot lead to an answer any more.
    """

    good: float | None
    bad: float | None
    weak: float | None
    confirmed: int
    given_up: bool

    @property
    def top(self) -> float:
        """The lowest rate that is known not to do, infinite when there is none."""
        return min(self.bad or math.inf, self.weak or math.inf)


def search_state(settings: SearchSettings, steps: Sequence[Judged]) -> SearchState:
    """Return what *steps* say."""
    seen = Counter((item.step.rate, item.outcome, item.step.purpose is Purpose.CONFIRM) for item in steps)
    rates = sorted({item.step.rate for item in steps})
    bad = next((rate for rate in rates if _is_bad(seen, rate)), None)
    weak = next((rate for rate in rates if _invalid(seen, rate) >= _SPOILT and not _held(seen, rate)), None)
    top = min(bad or math.inf, weak or math.inf)
    held = [rate for rate in rates if rate < top and _held(seen, rate)]
    good = held[-1] if held else None
    unsteady = [rate for rate in rates if seen[rate, StepOutcome.BROKEN, True]]
    # Confirmation that keeps being spoilt by the generator ends nowhere.
    spoilt = good is not None and seen[good, StepOutcome.INVALID, True] > settings.windows
    return SearchState(
        good,
        bad,
        weak,
        confirmed=seen[good, StepOutcome.HELD, True] if good is not None else 0,
        given_up=len(unsteady) > settings.attempts or len(steps) >= settings.most_steps or spoilt,
    )


def next_step(settings: SearchSettings, steps: Sequence[Judged]) -> NextStep | None:
    """Return the step to take next, or None when the search is over."""
    if not steps:
        return NextStep(Purpose.GROW, settings.start, settings.probe_s)
    now = search_state(settings, steps)
    if now.given_up:
        return None
    again = _undecided(steps)
    if again is not None:
        return again
    if now.good is None and now.weak is not None and now.top == now.weak:
        # The generator gives out before anything held: a slower one would only be a worse one.
        return None
    if now.good is None:
        lower = rounded(min(item.step.rate for item in steps) / 2)
        return NextStep(Purpose.GROW, lower, settings.probe_s) if lower >= _LOWEST else None
    if now.top == math.inf and now.good < settings.ceiling:
        return NextStep(Purpose.GROW, _higher(settings, now.good), settings.probe_s)
    between = _between(settings, now)
    if between is not None:
        return NextStep(Purpose.BISECT, between, settings.probe_s)
    if now.confirmed < settings.windows:
        return NextStep(Purpose.CONFIRM, now.good, settings.hold_s)
    return None


def rounded(rate: float) -> float:
    """Return *rate* with three significant digits."""
    return float(f"{rate:.{_DIGITS}g}")


def _undecided(steps: Sequence[Judged]) -> NextStep | None:
    """Return the last step once more when it broke, or was spoilt by the generator, not often enough to be sure."""
    last = steps[-1]
    rate, purpose = last.step.rate, last.step.purpose
    if last.outcome is StepOutcome.HELD or (last.outcome is StepOutcome.BROKEN and purpose is Purpose.CONFIRM):
        return None
    same = [item for item in steps if item.step.rate == rate]
    if any(item.outcome is StepOutcome.HELD for item in same) and purpose is not Purpose.CONFIRM:
        return None
    times = sum(item.outcome is last.outcome for item in same)
    enough = _SPOILT if last.outcome is StepOutcome.INVALID else _TRIES
    return NextStep(purpose, rate, last.step.seconds) if times < enough else None


def _higher(settings: SearchSettings, good: float) -> float:
    """Return the next rate to grow to: twice as much, or what is required when that is on the way."""
    goal = settings.require
    if goal is not None and good < goal < 2 * good:
        return goal
    return min(2 * good, settings.ceiling)


def _between(settings: SearchSettings, now: SearchState) -> float | None:
    """Return the rate to bisect at, None when what is known is close enough."""
    good, top, goal = now.good, now.top, settings.require
    if good is None or top == math.inf:
        return None
    if goal is not None and good < goal < top:
        return goal
    # Where the generator gives out first there is no capacity to be found; what was held is all that is known.
    if now.bad is None or top != now.bad or top <= good * (1 + settings.precision):
        return None
    middle = rounded(math.sqrt(good * top))
    return middle if good < middle < top else None


Seen = Counter[tuple[float, StepOutcome, bool]]


def _held(seen: Seen, rate: float) -> int:
    return seen[rate, StepOutcome.HELD, False] + seen[rate, StepOutcome.HELD, True]


def _invalid(seen: Seen, rate: float) -> int:
    return seen[rate, StepOutcome.INVALID, False] + seen[rate, StepOutcome.INVALID, True]


def _is_bad(seen: Seen, rate: float) -> bool:
    """Tell whether a rate breaks: confirmation broke, or it broke as often as it was tried and never held."""
    if seen[rate, StepOutcome.BROKEN, True]:
        return True
    return seen[rate, StepOutcome.BROKEN, False] >= _TRIES and not _held(seen, rate)
