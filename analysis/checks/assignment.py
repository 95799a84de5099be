"""Is every landed subject in the group that the contract gives it?"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from analysis.evidence import Evidence, is_alpha
from analysis.results import CheckResult, Layer, Outcome
from metrics_platform.assignment import Generation, assign_hashes, assign_many

_EXAMPLES = 5


class Seen(NamedTuple):
    """A subject in a group it was seen in, and what the contract says (None: not in the sample)."""

    subject: str
    group: str | None
    expected: str | None
    events: int


def check_assignment(evidence: Evidence) -> CheckResult:
    """Recompute the group of every landed subject; any that differs is a failure.

    An alpha subject is the wiki's local user id and is hashed here; an xlab subject id is the hash itself. A
    difference that the sent events do not have came into the rows later, so its layer is the table.
    """
    rows = evidence.engine.ask("subjects", evidence.query_values)
    subjects = [(str(row["subject"]), row["group_name"], row["events"]) for row in rows if row["subject"] is not None]
    nameless = sum(int(str(row["events"])) for row in rows if row["subject"] is None)
    if not subjects:
        why = "no landed event names its subject" if nameless else "no event of the experiment landed"
        return CheckResult(
            "assignment", Layer.ASSIGNMENT, Outcome.INCONCLUSIVE, f"Assignment cannot be checked: {why}."
        )
    wrong = [seen for seen in _expected(evidence, subjects) if seen.group != seen.expected]
    counts = {"subjects": len({subject for subject, *_ in subjects}), "rows_without_subject": nameless}
    if not wrong:
        summary = f"All {counts['subjects']:,} landed subjects are in the group that the contract gives them."
        return CheckResult("assignment", Layer.ASSIGNMENT, Outcome.PASS, summary, evidence=counts)
    later = _came_later(evidence)
    events = sum(seen.events for seen in wrong)
    where = (
        "though every one was sent with the right group: look between the intake and the table"
        if later else "look at what the wiki hashes, and at the experiment's groups and rate there"
    )  # fmt: skip
    summary = (
        f"{len({seen.subject for seen in wrong}):,} of {counts['subjects']:,} landed subjects ({events:,} events) "
        f"are in another group than the contract gives them, {where}."
    )
    examples = [seen._asdict() for seen in wrong[:_EXAMPLES]]
    detail = {**counts, "mismatches": len(wrong), "events": events, "examples": examples}
    layer = Layer.TABLE if later else Layer.ASSIGNMENT
    return CheckResult("assignment", layer, Outcome.FAIL, summary, len(wrong), threshold=0, evidence=detail)


def _expected(evidence: Evidence, subjects: Sequence[tuple[str, object, object]]) -> Iterator[Seen]:
    groups = evidence.group_names()
    if is_alpha(evidence):
        ids = np.array([_whole_number(subject) for subject, *_ in subjects], dtype=np.int64)
        found = assign_many(Generation.ALPHA, ids, evidence.plan.experiment.name, groups, evidence.plan.rate)
    else:
        hashes = np.array([_hash24(subject) for subject, *_ in subjects], dtype=np.uint32)
        found = assign_hashes(hashes, len(groups), evidence.plan.rate)
    for (subject, group, events), index in zip(subjects, found.group.tolist(), strict=True):
        expected = groups[index] if index >= 0 else None
        yield Seen(subject, None if group is None else str(group), expected, int(str(events)))


def _whole_number(text: str) -> int:
    return int(text) if text.lstrip("-").isdecimal() else -1


def _hash24(subject_id: str) -> int:
    try:
        return int(subject_id[:6], 16)
    except ValueError:
        return 0


def _came_later(evidence: Evidence) -> bool:
    """Return whether rows that were sent right hold another subject or group now."""
    changed = evidence.engine.ask("corrupted_fields")[0]
    fields = ("experiments__assigned", "experiment__assigned", "experiment__subject_id", "performer__id")
    return any(changed[name] for name in fields)
