"""Types of command-line options: finite numbers and durations between a least and a greatest value."""

import math
from typing import Any

import click

from common.durations import parse_seconds

#: The greatest count: the largest number of 32 bits with a sign.
MOST_COUNT = 2**31 - 1

#: The highest rate: events, requests or page views per second.
MOST_RATE = 1_000_000.0

#: The longest time that a command may wait or observe: a year, in seconds.
LONGEST_S = 366.0 * 86_400

#: The latest timestamp, milliseconds since 1970 (the year 2096).
LAST_MS = 4_000_000_000_000


class Number(click.FloatRange):
    """A number between two bounds; `nan` and `inf` are refused."""

    def __init__(self, least: float, most: float, *, min_open: bool = False, max_open: bool = False) -> None:
        super().__init__(least, most, min_open=min_open, max_open=max_open)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401 (click's)
        """Return *value* as a number."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number: name one from {self.min:g} to {self.max:g}", param, ctx)
        return number


class Count(click.IntRange):
    """A whole number between two bounds."""

    def __init__(self, least: int, most: int = MOST_COUNT) -> None:
        super().__init__(least, most)


class Duration(click.ParamType[int]):
    """A duration in whole seconds, from *least* to a year."""

    name = "duration"

    def __init__(self, least: int = 1) -> None:
        self._least = least

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return *value* in seconds."""
        if isinstance(value, int):
            return value
        try:
            seconds = parse_seconds(str(value))
        except ValueError:
            seconds = math.nan
        if not (self._least <= seconds <= LONGEST_S and seconds.is_integer()):
            self.fail(f"{value!r} is not a duration from {self._least} s to a year: write it like 30s, 2h", param, ctx)
        return int(seconds)
