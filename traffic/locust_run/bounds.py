"""Bounds of numeric options, checked when a test starts, because the web page may change them."""

import math
from argparse import Namespace
from collections.abc import Mapping

from common.errors import DogfoodError
from personas.plan.settings import MOST_VISITORS


class BoundError(DogfoodError):
    """An option outside its bounds. The message names both."""


#: Lowest and highest value of each option, by its name in Locust's namespace.
BOUNDS: Mapping[str, tuple[float, float]] = {
    "num_users": (1, 60_000),
    "spawn_rate": (0.001, 60_000),
    "run_time": (1, 366 * 86_400),
    "seed": (0, 2**63 - 1),
    "visitors": (1, MOST_VISITORS),
    "max_connections": (1, 60_000),
    "time_scale": (1, 1_000_000),
    "epoch": (0, 4_000_000_000_000),
    "batch": (1, 1000),
    "sessions": (1, 1_000_000),
    "page_views": (1, 1000),
}

#: Options with another name on the command line.
_NAMES = {"num_users": "users"}


def check_numbers(options: Namespace) -> None:
    """Check the numbers among *options*; missing ones are not checked. Raises BoundError."""
    for name, (lowest, highest) in BOUNDS.items():
        value = getattr(options, name, None)
        if value is None:
            continue
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not lowest <= number <= highest:
            option = _NAMES.get(name, name).replace("_", "-")
            raise BoundError(f"--{option} is {value}: choose a number from {lowest:,g} to {highest:,.12g}")
