"""What an examination says: one line a subject, and what to do where something is missing."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Condition(StrEnum):
    """How a subject is.

    MISSING: a run will not work, or will not mean what it should. UNKNOWN: it was not looked at.
    """

    FINE = "fine"
    MISSING = "missing"
    UNKNOWN = "unknown"


class Diagnosis(NamedTuple):
    """One subject that was examined.

    Attributes:
        area: `machine`, `testbed`, or the target's system: `mpic`, `wiki`, `intake`, `accounts`.
        subject: within the area.
        condition: how it is.
        told: what was found, one sentence without a full stop.
        remedy: what to do about it; empty where nothing is missing.
        page: of the documentation that helps, from the root of the repository; empty where none is needed.
    """

    area: str
    subject: str
    condition: Condition
    told: str
    remedy: str = ""
    page: str = ""


def fine(area: str, subject: str, told: str) -> Diagnosis:
    """Return that *subject* is as it should be."""
    return Diagnosis(area, subject, Condition.FINE, told)


def missing(area: str, subject: str, told: str, remedy: str, page: str = "") -> Diagnosis:
    """Return that *subject* is not as it should be, and what to do about it."""
    return Diagnosis(area, subject, Condition.MISSING, told, remedy, page)


def unknown(area: str, subject: str, told: str, remedy: str = "", page: str = "") -> Diagnosis:
    """Return that *subject* was not looked at, and why."""
    return Diagnosis(area, subject, Condition.UNKNOWN, told, remedy, page)


def exit_code(diagnoses: Iterable[Diagnosis]) -> int:
    """Return 1 when something is missing, else 0."""
    return int(any(item.condition is Condition.MISSING for item in diagnoses))
