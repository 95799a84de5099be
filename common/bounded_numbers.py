"""Numbers on the command line: each has a least and a greatest value, and is finite."""

import math
from typing import Any

import click

#: The most of anything that is counted: what 32 bits hold.
MOST_COUNT = 2**31 - 1

#: The most events, requests or page views a second that any option may name.
MOST_RATE = 1_000_000.0

#: The longest time that a command may wait or look, a year, in seconds.
LONGEST_S = 366.0 * 86_400

#: The greatest moment, milliseconds since 1970 (the year 2096).
LAST_MS = 4_000_000_000_000


class Number(click.FloatRange):
    """A number between two bounds; `nan` and `inf` are refused."""

    def __init__(self, least: float, most: float, *, min_open: bool = False, max_open: bool = False) -> None:
        super().__init__(least, most, min_open=min_open, max_open=max_open)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401 (click's)
        """Return the number that *value* is."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number: name one from {self.min:g} to {self.max:g}", param, ctx)
        return number


class Count(click.IntRange):
    """A whole number between two bounds."""

    def __init__(self, least: int, most: int = MOST_COUNT) -> None:
        super().__init__(least, most)
