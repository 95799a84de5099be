"""Durations on the command line: `30s`, `10m`, `2h`."""

import re

import click

from common.bounded_numbers import LONGEST_S

_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}


class Duration(click.ParamType[int]):
    """Whole seconds, at least *least* of them."""

    name = "duration"

    def __init__(self, least: int = 1) -> None:
        self._least = least

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds that *value* means."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"([0-9]{1,9})\s*(s|m|min|h|)", str(value).strip())
        seconds = int(found[1]) * _UNITS[found[2]] if found else 0
        if not self._least <= seconds <= LONGEST_S:
            self.fail(f"{value!r} is not a duration from {self._least} s to a year: write it like 30s, 2h", param, ctx)
        return seconds
