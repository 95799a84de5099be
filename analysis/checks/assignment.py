"""Is every landed subject in the group that the contract gives it?"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from analysis.evidence import Evidence, is_alpha
from analysis.results import CheckResult, Layer, Outcome
from metrics_platform.assignment import Generation, assign_hashes, assign_many

_EXAMPLES = 5

#: An xlab subject id is a SHA-256 digest; the contract's hash is its first 24 bits.
DIGEST = re.compile(r"[0-9a-f]{64}")


class Seen(NamedTuple):
    """A subject in a group it was seen in, and what the contract says.

    The contract says None of a subject that should not be enrolled: it is not in the sample, or its id is none (then
    it is not *valid*).
    """

    subject: str
    group: str | None
    expected: str | None
    events: int
    valid: bool


def check_assignment(evidence: Evidence) -> CheckResult:
    """Recompute the group of every landed subject; any that differs is a failure.

    An alpha subject is the wiki's local user id and is hashed here; an xlab subject id is the hash itself. A
    difference that the sent events do not have came into the rows later, so its layer is the table.
    """
    landed = seen_subjects(evidence, "observed")
    named = [seen for seen in landed if seen.subject]
    nameless = sum(seen.events for seen in landed if not seen.subject)
    if not named:
        why = "no landed event names its subject" if nameless else "no event of the experiment landed"
        return CheckResult(
            "assignment", Layer.ASSIGNMENT, Outcome.INCONCLUSIVE, f"Assignment cannot be checked: {why}."
        )
    wrong = _wrong(named)
    counts = {"subjects": len({seen.subject for seen in named}), "rows_without_subject": nameless}
    if not wrong:
        summary = f"All {counts['subjects']:,} landed subjects are in the group that the contract gives them."
        if nameless:
            summary += f" {nameless:,} landed events name no subject, so theirs is not known."
        return CheckResult("assignment", Layer.ASSIGNMENT, Outcome.PASS, summary, evidence=counts)
    later = not _wrong(seen_subjects(evidence, "sent"))
    events = sum(seen.events for seen in wrong)
    where = (
        "though all that was sent had the right group: look between the intake and the table"
        if later
        else "look at what the wiki hashes, and at the experiment's groups and rate there"
    )
    summary = (
        f"{len({seen.subject for seen in wrong}):,} of {counts['subjects']:,} landed subjects ({events:,} events) "
        f"are in another group than the contract gives them, {where}."
    )
    examples = [seen._asdict() for seen in wrong[:_EXAMPLES]]
    detail = {**counts, "mismatches": len(wrong), "events": events, "examples": examples}
    layer = Layer.TABLE if later else Layer.ASSIGNMENT
    return CheckResult("assignment", layer, Outcome.FAIL, summary, len(wrong), threshold=0, evidence=detail)


def _wrong(landed: Sequence[Seen]) -> list[Seen]:
    """Return those in another group than the contract's. Who should not be enrolled is wrong in any group, or none."""
    return [seen for seen in landed if seen.subject and (seen.expected is None or seen.group != seen.expected)]


def seen_subjects(evidence: Evidence, table: str) -> list[Seen]:
    """Return every subject with each group it has in the rows of *table* (`sent` or `observed`).

    An empty subject is one without a name.
    """
    rows = evidence.subjects if table == "observed" else evidence.sent_subjects
    subjects = ["" if row["subject"] is None else str(row["subject"]) for row in rows]
    groups = [None if row["group_name"] is None else str(row["group_name"]) for row in rows]
    events = [int(str(row["events"])) for row in rows]
    expected = _expected(evidence, subjects)
    return [
        Seen(subject, group, wanted, count, valid)
        for subject, group, (wanted, valid), count in zip(subjects, groups, expected, events, strict=True)
    ]


def _expected(evidence: Evidence, subjects: Sequence[str]) -> Iterator[tuple[str | None, bool]]:
    """Yield the group that the contract gives each of *subjects*, and whether its id is one."""
    groups, rate = evidence.group_names(), evidence.plan.rate
    if is_alpha(evidence):
        # Ids of registered users begin at 1.
        known = [subject.isdecimal() and int(subject) > 0 for subject in subjects]
        ids = np.array([int(subject) if good else 0 for subject, good in zip(subjects, known, strict=True)], np.int64)
        found = assign_many(Generation.ALPHA, ids, evidence.plan.experiment.name, groups, rate)
    else:
        known = [DIGEST.fullmatch(subject) is not None for subject in subjects]
        hashes = [int(subject[:6], 16) if good else 0 for subject, good in zip(subjects, known, strict=True)]
        found = assign_hashes(np.array(hashes, np.uint32), len(groups), rate)
    for good, index in zip(known, found.group.tolist(), strict=True):
        yield groups[index] if good and index >= 0 else None, good
