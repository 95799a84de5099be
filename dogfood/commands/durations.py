"""Durations on the command line: `30s`, `10m`, `2h`."""

import re

import click

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
        found = re.fullmatch(r"(\d+)\s*(s|m|min|h|)", str(value).strip())
        seconds = int(found[1]) * _UNITS[found[2]] if found else 0
        if seconds < self._least:
            self.fail(f"{value!r} is no duration of {self._least} s or more: write it like 30s, 10m or 2h", param, ctx)
        return seconds
