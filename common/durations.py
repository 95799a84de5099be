"""Parse durations such as `30s`, `10m`, `2h`."""

import re

#: Seconds in each unit; a number without a unit is in seconds.
UNIT_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}

_DURATION = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*(ms|s|min|m|h|)")


def parse_seconds(text: str, *, needs_unit: bool = False) -> float:
    """Return the seconds of a duration. Raises ValueError when *text* is not a number and a unit."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or (needs_unit and not match[2]):
        raise ValueError(f"{text!r} is not a duration: write it like 30s, 2h")
    return float(match[1]) * UNIT_SECONDS[match[2]]
