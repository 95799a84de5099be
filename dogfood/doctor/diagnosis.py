"""The result of an examination: one line per subject, with the fix for what is missing."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple


class Condition(StrEnum):
    """Condition of a subject.

    MISSING: a run will fail, or its verdict will be wrong. UNKNOWN: the subject was not examined.
    """

    FINE = "fine"
    MISSING = "missing"
    UNKNOWN = "unknown"


class Diagnosis(NamedTuple):
    """Condition of one subject, and its fix.

    Attributes:
        area: `machine`, `testbed`, or the target's system: `mpic`, `wiki`, `intake`, `accounts`.
        subject: what was examined within the area.
        condition: its condition.
        summary: the fact, one sentence without a full stop.
        remedy: the fix; empty where nothing is missing.
        page: page of the documentation that helps, from the root of the repository; may be empty.
    """

    area: str
    subject: str
    condition: Condition
    summary: str
    remedy: str = ""
    page: str = ""

    def to_json(self) -> Mapping[str, str]:
        """Return the fields as `--json` prints them."""
        return {
            "area": self.area, "subject": self.subject, "condition": self.condition, "told": self.summary,
            "remedy": self.remedy, "page": self.page,
        }  # fmt: skip


def fine(area: str, subject: str, summary: str) -> Diagnosis:
    """Return the diagnosis that *subject* is in order."""
    return Diagnosis(area, subject, Condition.FINE, summary)


def missing(area: str, subject: str, summary: str, remedy: str, page: str = "") -> Diagnosis:
    """Return the diagnosis that *subject* lacks something, with its fix."""
    return Diagnosis(area, subject, Condition.MISSING, summary, remedy, page)


def unknown(area: str, subject: str, summary: str, remedy: str = "", page: str = "") -> Diagnosis:
    """Return the diagnosis that *subject* was not examined, with the reason."""
    return Diagnosis(area, subject, Condition.UNKNOWN, summary, remedy, page)


def exit_code(diagnoses: Iterable[Diagnosis]) -> int:
    """Return 1 when something is missing, else 0."""
    return int(any(item.condition is Condition.MISSING for item in diagnoses))
