"""Objectives of a service, as people write them: `p99=250ms`, `errors=0.1%`, `lost=0`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from common.errors import DogfoodError

LATENCIES = ("p50", "p95", "p99", "max")
NAMES = (*LATENCIES, "errors", "lost")

_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_VALUE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*(us|ms|s|%)?")


class ObjectiveError(DogfoodError):
    """An objective that makes no sense."""


class Objective(NamedTuple):
    """The most that something may be.

    Attributes:
        name: `p50`, `p95`, `p99`, `max` (latency from the intended time), `errors` (share of events that were refused,
            not answered, or never sent) or `lost` (events that did not land).
        limit: milliseconds, a share, or events.
        text: as it was written.
    """

    name: str
    limit: float
    text: str


class Breach(NamedTuple):
    """An objective that was not met, and what was measured."""

    objective: Objective
    value: float

    @property
    def sentence(self) -> str:
        """For people."""
        return f"{self.objective.name} was {told(self.objective.name, self.value)}, more than {self.objective.text}"


DEFAULTS = ("p99=250ms", "errors=0.1%", "lost=0")


def parse(text: str) -> Objective:
    """Return the objective that *text* means. Raises ObjectiveError."""
    name, _, value = text.partition("=")
    name, found = name.strip(), _VALUE.fullmatch(value.strip())
    if name not in NAMES:
        raise ObjectiveError(f"objective {text!r}: there is none called {name!r} (there are {', '.join(NAMES)})")
    if found is None:
        raise ObjectiveError(f"objective {text!r}: write it like one of {', '.join(DEFAULTS)}")
    number, unit = float(found[1]), found[2]
    if name in LATENCIES and unit in _MS:
        return Objective(name, number * _MS[unit], text)
    if name == "errors" and unit in (None, "%"):
        share = number / 100 if unit else number
        if share <= 1:
            return Objective(name, share, text)
    if name == "lost" and unit is None and number == int(number):
        return Objective(name, number, text)
    wanted = {"errors": "a share, like errors=0.1%", "lost": "a whole number, like lost=0"}
    raise ObjectiveError(f"objective {text!r}: {name} is {wanted.get(name, f'a time, like {name}=250ms')}")


def with_defaults(asked: Iterable[str]) -> tuple[Objective, ...]:
    """Return the objectives that *asked* name, and the defaults of the kinds that they do not name.

    There is always one of latency: in an open model, a rate that is too high shows as a queue that grows.

    Raises:
        ObjectiveError: one makes no sense, or is named twice.
    """
    found = [parse(text) for text in asked]
    names = [objective.name for objective in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ObjectiveError(f"objective {', '.join(sorted(twice))} is named more than once")
    has_latency = any(name in LATENCIES for name in names)
    defaults = [parse(text) for text in DEFAULTS]
    missing = [item for item in defaults if item.name not in names and not (item.name in LATENCIES and has_latency)]
    return tuple(sorted((*found, *missing), key=lambda item: NAMES.index(item.name)))


def breaches(measured: Mapping[str, float | None], objectives: Sequence[Objective]) -> tuple[Breach, ...]:
    """Return the objectives that what was *measured* does not meet; what nobody measured breaks none."""
    found = []
    for objective in objectives:
        value = measured[objective.name]
        if value is not None and value > objective.limit:
            found.append(Breach(objective, value))
    return tuple(found)


def told(name: str, value: float) -> str:
    """Return a measured *value* of an objective as people write it."""
    if name in LATENCIES:
        return f"{value:,.4g} ms"
    return f"{value:.3%}" if name == "errors" else f"{value:,.0f}"
