"""Shapes: a rate over time, as multiples of a given rate, linear between knots."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from common.durations import UNIT_SECONDS, parse_seconds
from common.errors import DogfoodError

Floats = NDArray[np.float64]

_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,15})?"
_RATE = re.compile(rf"({_NUMBER})(?:/(s|m|min|h))?")

#: Number of segments of a diurnal curve: one per quarter of an hour of a day of 24 hours.
_DIURNAL_KNOTS = 96

#: Default of the peak of a diurnal curve above its mean.
_DIURNAL_SWING = 0.5


SHAPES_HELP = "constant, poisson, ramp:60s, ramp:0.1-2,60s, steps:0.25,0.5,1,60s, spike:10,60s,20s or diurnal:24h,0.8"


class PacingError(DogfoodError):
    """A rate or a shape is malformed. The message has the syntax."""


@dataclass(frozen=True)
class Shape:
    """A rate over time, in multiples of a given rate; linear between its knots.

    Attributes:
        seconds: times of the knots, rising; two at the same time are a jump.
        levels: levels at the knots; the last one continues for ever.
        repeats: whether the shape repeats after the last knot instead.
    """

    seconds: tuple[float, ...]
    levels: tuple[float, ...]
    repeats: bool = False

    @property
    def peak(self) -> float:
        """The highest level."""
        return max(self.levels)

    @cached_property
    def _areas(self) -> Floats:
        times, levels = np.array(self.seconds), np.array(self.levels)
        return np.concatenate([[0.0], np.cumsum(np.diff(times) * (levels[1:] + levels[:-1]) / 2)])

    def level(self, second: float) -> float:
        """Return the level at a time; at a jump, the level after it."""
        end = self.seconds[-1]
        if self.repeats:
            second %= end
        elif second >= end:
            return self.levels[-1]
        right = next(index for index, time in enumerate(self.seconds) if time > second)
        begin, span = self.seconds[right - 1], self.seconds[right] - self.seconds[right - 1]
        low, high = self.levels[right - 1], self.levels[right]
        return low + (high - low) * (second - begin) / span

    def inverse(self, area: Floats) -> Floats:
        """Return the seconds at which the integral of the level is *area* (level times seconds), element by element.

        Uses only additions, products, quotients and square roots, which are the same on every machine.
        """
        rounds, rest = np.zeros_like(area), area
        if self.repeats:
            rounds = np.floor(area / self._areas[-1])
            rest = area - rounds * self._areas[-1]
        index = np.searchsorted(self._areas, rest, side="right") - 1
        times, levels = np.array([*self.seconds, math.inf]), np.array([*self.levels, self.levels[-1]])
        begin, low = times[index], levels[index]
        span = times[index + 1] - begin
        slope = np.where(np.isinf(span), 0.0, (levels[index + 1] - low) / np.where(span > 0, span, 1.0))
        left = rest - self._areas[index]
        # The root >= 0 of low*t + slope*t²/2 = left, without loss of digits for small slopes.
        divisor = low + np.sqrt(np.maximum(low * low + 2 * slope * left, 0.0))
        within = np.where(left > 0, 2 * left / np.where(divisor > 0, divisor, 1.0), 0.0)
        return np.asarray(rounds * self.seconds[-1] + begin + within, dtype=np.float64)


def parse_shape(text: str) -> Shape:
    """Parse a shape; levels are multiples of the rate.

    `constant`; `ramp:60s` (from 0 to the rate, which then continues) or `ramp:0.1-2,60s`; `steps:0.25,0.5,1,60s`
    (each level for 60 s, the last one continues); `spike:10,60s,20s` (ten times the rate after 60 s, for 20 s);
    `diurnal:24h` or `diurnal:24h,0.8` (length of the day, and deviation from its mean, which is the rate).

    Raises:
        PacingError: *text* is not a shape.
    """
    kind, _, rest = text.partition(":")
    words = [word.strip() for word in rest.split(",")] if rest else []
    parser = _SHAPES.get(kind)
    shape = None if parser is None else _parse(parser, words)
    if shape is None:
        raise PacingError(
            f"shape {text!r}: it is {SHAPES_HELP} (levels are multiples of the rate, the last one above 0)"
        )
    return shape


def parse_rate(text: str) -> float:
    """Parse a rate into units per second: `500`, `500/s`, `30/min`, `1000/h`. Raises PacingError."""
    match = _RATE.fullmatch(text.strip())
    if match is None or float(match[1]) <= 0:
        raise PacingError(f"rate {text!r}: write it like 500, 500/s or 30/min, above 0")
    return float(match[1]) / UNIT_SECONDS[match[2] or "s"]


def _parse(parser: Callable[[list[str]], Shape | None], words: list[str]) -> Shape | None:
    try:
        shape = parser(words)
    except ValueError:
        return None
    # With a final level of 0 the next arrival would never come.
    return shape if shape is not None and shape.levels[-1] > 0 and shape.peak <= 1000 else None


def _seconds(text: str) -> float:
    seconds = parse_seconds(text)
    if seconds <= 0:
        raise ValueError(text)
    return seconds


def _level(text: str) -> float:
    if not re.fullmatch(_NUMBER, text):
        raise ValueError(text)
    return float(text)


def _constant(words: list[str]) -> Shape | None:
    return None if words else Shape((0.0,), (1.0,))


def _ramp(words: list[str]) -> Shape | None:
    *levels, duration = words or [""]
    low, high = levels[0].split("-") if len(levels) == 1 else ("0", "1")
    return Shape((0.0, _seconds(duration)), (_level(low), _level(high))) if len(levels) < 2 else None


def _steps(words: list[str]) -> Shape | None:
    *texts, duration = words or [""]
    levels, each = [_level(text) for text in texts], _seconds(duration)
    if not levels:
        return None
    times = [step * each for step in range(1, len(levels)) for _ in range(2)]
    heights = [levels[step + side] for step in range(len(levels) - 1) for side in range(2)]
    return Shape((0.0, *times), (levels[0], *heights))


def _spike(words: list[str]) -> Shape | None:
    height, begin, width = words
    start, end = _seconds(begin), _seconds(begin) + _seconds(width)
    return Shape((0.0, start, start, end, end), (1.0, 1.0, _level(height), _level(height), 1.0))


def _diurnal(words: list[str]) -> Shape | None:
    day, *rest = words
    swing = _level(rest[0]) if rest else _DIURNAL_SWING
    if len(rest) > 1 or swing >= 1:
        return None
    steps = range(_DIURNAL_KNOTS + 1)
    length = _seconds(day)
    # Rounded, because the last digit of a sine may differ between machines. A day begins at its mean.
    levels = tuple(1 + swing * round(math.sin(2 * math.pi * step / _DIURNAL_KNOTS), 9) for step in steps)
    return Shape(tuple(length * step / _DIURNAL_KNOTS for step in steps), levels, repeats=True)


_SHAPES: dict[str, Callable[[list[str]], Shape | None]] = {
    "constant": _constant,
    "ramp": _ramp,
    "steps": _steps,
    "spike": _spike,
    "diurnal": _diurnal,
}
