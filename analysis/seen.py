"""Subjects as rows name them, each with the group it is seen in and the group that the contract gives it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from metrics_platform.assignment import Generation, assign_hashes, assign_many

#: An xlab subject id is a SHA-256 digest; the contract's hash is its first 24 bits.
DIGEST = re.compile(r"[0-9a-f]{64}")


class Seen(NamedTuple):
    """A subject in a group it was seen in, and what the contract says.

    Attributes:
        subject: the id, empty where rows name none.
        group: that the rows name.
        expected: by the contract; None of a subject that should not be enrolled: it is not in the sample, or its id is
            none.
        events: how many.
        valid: whether the id is one.
    """

    subject: str
    group: str | None
    expected: str | None
    events: int
    valid: bool


def see(
    rows: Iterable[Mapping[str, object]], generation: Generation, experiment: str, groups: Sequence[str], rate: float
) -> list[Seen]:
    """Return every subject with each group it has in *rows*, the answer of `analysis/sql/subjects.sql`."""
    found = [(row["subject"], row["group_name"], row["events"]) for row in rows]
    subjects = ["" if subject is None else str(subject) for subject, _, _ in found]
    expected = _expected(subjects, generation, experiment, groups, rate)
    return [
        Seen(subject, None if group is None else str(group), wanted, int(str(events)), valid)
        for subject, (_, group, events), (wanted, valid) in zip(subjects, found, expected, strict=True)
    ]


def _expected(
    subjects: Sequence[str], generation: Generation, experiment: str, groups: Sequence[str], rate: float
) -> Iterator[tuple[str | None, bool]]:
    """Yield the group that the contract gives each of *subjects*, and whether its id is one."""
    if generation is Generation.ALPHA:
        # Ids of registered users begin at 1.
        known = [subject.isdecimal() and int(subject) > 0 for subject in subjects]
        ids = np.array([int(subject) if good else 0 for subject, good in zip(subjects, known, strict=True)], np.int64)
        found = assign_many(generation, ids, experiment, groups, rate)
    else:
        known = [DIGEST.fullmatch(subject) is not None for subject in subjects]
        hashes = [int(subject[:6], 16) if good else 0 for subject, good in zip(subjects, known, strict=True)]
        found = assign_hashes(np.array(hashes, np.uint32), len(groups), rate)
    for good, index in zip(known, found.group.tolist(), strict=True):
        yield groups[index] if good and index >= 0 else None, good
