"""Service-level objectives in their written form: `p99=250ms`, `errors=0.1%`, `lost=0`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from common.errors import DogfoodError

LATENCIES = ("p50", "p95", "p99", "max")
NAMES = (*LATENCIES, "errors", "lost")

_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_VALUE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*(us|ms|s|%)?")


class ObjectiveError(DogfoodError):
    """Objective that cannot be parsed."""


class Objective(NamedTuple):
    """Maximum of a measured value.

    Attributes:
        name: `p50`, `p95`, `p99`, `max` (latency from the intended time), `errors` (share of events that were refused,
            not answered, or never sent) or `lost` (events that did not land).
        limit: maximum: milliseconds, a share, or events.
        text: written form.
    """

    name: str
    limit: float
    text: str


class Breach(NamedTuple):
    """Objective that was not met, with the measured value."""

    objective: Objective
    value: float

    @property
    def sentence(self) -> str:
        """Name, value and limit, as part of a sentence."""
        value = formatted(self.objective.name, self.value)
        return f"{self.objective.name} was {value} (limit {self.objective.text})"


DEFAULTS = ("p99=250ms", "errors=0.1%", "lost=0")


def parse(text: str) -> Objective:
    """Return the objective written as *text*. Raises ObjectiveError."""
    name, _, value = text.partition("=")
    name, match = name.strip(), _VALUE.fullmatch(value.strip())
    if name not in NAMES:
        raise ObjectiveError(f"objective {text!r}: unknown name {name!r}; use one of {', '.join(NAMES)}")
    if match is None:
        raise ObjectiveError(f"objective {text!r}: invalid value; write it like {', '.join(DEFAULTS)}")
    number, unit = float(match[1]), match[2]
    if name in LATENCIES and unit in _MS:
        return Objective(name, number * _MS[unit], text)
    if name == "errors" and unit in (None, "%"):
        share = number / 100 if unit else number
        if share <= 1:
            return Objective(name, share, text)
    if name == "lost" and unit is None and number == int(number):
        return Objective(name, number, text)
    forms = {"errors": "a share, like errors=0.1%", "lost": "a whole number, like lost=0"}
    raise ObjectiveError(f"objective {text!r}: {name} must be {forms.get(name, f'a time, like {name}=250ms')}")


def with_defaults(texts: Iterable[str]) -> tuple[Objective, ...]:
    """Return the objectives written as *texts*, and the defaults of the other kinds.

    One is always of latency, because in an open-loop test an excessive rate shows as a growing queue.

    Raises:
        ObjectiveError: one is invalid, or named twice.
    """
    objectives = [parse(text) for text in texts]
    names = [objective.name for objective in objectives]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ObjectiveError(f"objective {', '.join(sorted(twice))} is named more than once")
    has_latency = any(name in LATENCIES for name in names)
    defaults = [parse(text) for text in DEFAULTS]
    missing = [item for item in defaults if item.name not in names and not (item.name in LATENCIES and has_latency)]
    return tuple(sorted((*objectives, *missing), key=lambda item: NAMES.index(item.name)))


def breaches(measured: Mapping[str, float | None], objectives: Sequence[Objective]) -> tuple[Breach, ...]:
    """Return the objectives that the *measured* values do not meet; unknown values count as met."""
    broken = []
    for objective in objectives:
        value = measured[objective.name]
        if value is not None and value > objective.limit:
            broken.append(Breach(objective, value))
    return tuple(broken)


def formatted(name: str, value: float) -> str:
    """Return a measured *value* of an objective with its unit."""
    if name in LATENCIES:
        return f"{value:,.4g} ms"
    return f"{value:.3%}" if name == "errors" else f"{value:,.0f}"
