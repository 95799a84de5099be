"""Every mixture of answers and rows: each sent event gets the one word that its definition says."""

import copy
import random
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.analyse import analyse
from contracts.generation import Generation
from contracts.intake import EventOutcome
from tests.analysis.runs import Event, Sent, make_run

VISITORS = 250
LATE_DT = "2025-01-31T23:59:00.000Z"


class Course(NamedTuple):
    """Response and rows of one event."""

    status: int | None
    outcome: EventOutcome | None
    copies: int
    altered: bool
    late: bool
    reported: bool

    @property
    def word(self) -> str:
        """The definitions, read from the top."""
        if self.copies:
            return "corrupted" if self.altered else "late" if self.late else "ok"
        if self.reported:
            return "invalid"
        if self.status in (201, 202) or self.outcome is EventOutcome.OK:
            return "lost"
        return "invalid" if self.outcome in (EventOutcome.INVALID, EventOutcome.ERROR) else "indeterminate"


ANSWERS: tuple[tuple[int | None, EventOutcome | None], ...] = (
    (201, EventOutcome.OK), (202, EventOutcome.INDETERMINATE), (207, EventOutcome.OK), (207, EventOutcome.INVALID),
    (207, EventOutcome.INDETERMINATE), (400, EventOutcome.INVALID), (500, EventOutcome.ERROR),
    (None, EventOutcome.INDETERMINATE), (None, None),
)  # fmt: skip


def draw_course(dice: random.Random) -> Course:
    status, outcome = dice.choice(ANSWERS)
    flags = [dice.random() < 0.2 for _ in range(3)]
    return Course(status, outcome, dice.choice((0, 0, 1, 1, 1, 2, 3)), *flags)


def rows_of_course(event: Event, course: Course) -> list[Event]:
    rows = [copy.deepcopy(event) for _ in range(course.copies)]
    for row in rows[:1] if course.altered else []:
        row["page"]["title"] = "Other"
    for row in rows if course.late else []:
        row["meta"]["dt"] = LATE_DT
    return rows


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), generation=st.sampled_from(Generation), strangers=st.integers(0, 5))
def test_each_sent_event_has_one_fate(seed: int, generation: Generation, strangers: int) -> None:
    dice = random.Random(seed)  # noqa: S311
    courses: list[Course] = []

    def change(sent: Sent) -> Sent:
        courses.append(draw_course(dice))
        return replace(sent, status=courses[-1].status, outcome=courses[-1].outcome)

    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder), generation, change=change, visitors=VISITORS, seed=seed % 1000)
        rows = [row for event, course in zip(run.events, courses, strict=True) for row in rows_of_course(event, course)]
        for number in range(strangers):
            stranger = copy.deepcopy(run.events[number])
            stranger["meta"]["id"] = f"99999999-9999-4999-8999-{number:012d}"
            rows.append(stranger)
        dice.shuffle(rows)
        run.land(rows)
        run.report_invalid([event for event, course in zip(run.events, courses, strict=True) if course.reported])
        counts = dict(analyse(Path(folder)).reconciliation)
    assert counts.pop("offered") == len(run.events)
    assert counts.pop("duplicated") == sum(course.copies > 1 for course in courses)
    assert counts.pop("unexpected") == strangers
    assert sum(counts.values()) == len(run.events)
    assert {word: count for word, count in counts.items() if count} == Counter(course.word for course in courses)
