"""Bounds of the numbers among Locust's options and ours, checked when a test starts: the web page changes them, too."""

import math
from argparse import Namespace
from collections.abc import Mapping

from common.errors import DogfoodError
from personas.plan.settings import MOST_VISITORS


class BoundError(DogfoodError):
    """An option of Locust's, or of a locustfile, that is outside its bounds. The message names both."""


#: The least and the greatest value of each option, by its name in Locust's namespace.
BOUNDS: Mapping[str, tuple[float, float]] = {
    "num_users": (1, 60_000),
    "spawn_rate": (0.001, 60_000),
    "run_time": (1, 366 * 86_400),
    "seed": (0, 2**63 - 1),
    "visitors": (1, MOST_VISITORS),
    "connections": (1, 60_000),
    "time_scale": (1, 1_000_000),
    "epoch": (0, 4_000_000_000_000),
    "batch": (1, 1000),
    "sessions": (1, 1_000_000),
    "page_views": (1, 1000),
}

#: Options whose name on the command line is another one.
_NAMES = {"num_users": "users"}


def check_numbers(options: Namespace) -> None:
    """Refuse a number that is outside its bounds; one that was not given is not looked at. Raises BoundError."""
    for name, (least, most) in BOUNDS.items():
        value = getattr(options, name, None)
        if value is None:
            continue
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not least <= number <= most:
            option = _NAMES.get(name, name).replace("_", "-")
            raise BoundError(f"--{option} is {value}: choose a number from {least:,g} to {most:,.12g}")
