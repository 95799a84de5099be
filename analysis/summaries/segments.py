"""Segments of a run – persona, platform, browser, hour … – with the subjects and events of each group."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from scipy import stats

from analysis.run_model.load import Evidence
from analysis.statistics import holm, newcombe
from analysis.verdict import ALPHA

#: With fewer events than this in a segment, or outside it, its loss is not set beside that of the rest.
_MIN_EVENTS = 50

#: What only rows tell: these segments leave out visits of which nothing landed.
IN_ROWS = ("browser", "data centre")


@dataclass(frozen=True, slots=True)
class SegmentCount:
    """One group within one segment.

    Attributes:
        dimension: what segments are made by, such as `persona`.
        value: which segment, such as `newcomer`.
        group: by the contract.
        sent_subjects, landed_subjects: those that put an event on the wire, and those of whom one landed; without
            those that were chosen for their group.
        sent_events, lost_events: of all subjects.
        events_squared: sum over all subjects of the square of the events each sent.
    """

    dimension: str
    value: str
    group: str
    sent_subjects: int
    landed_subjects: int
    sent_events: int
    lost_events: int
    events_squared: int


class OutlierSegment(NamedTuple):
    """A segment that lost more of its events than the rest did.

    Attributes:
        dimension, value: which; a group of the experiment is the dimension `group`.
        share, rest: of events lost, in the segment and outside it.
        low, high: 95 % interval of the difference (Newcombe); wide enough for subjects who lose all events or none.
        p_value: after Holm's correction over all segments.
    """

    dimension: str
    value: str
    share: float
    rest: float
    low: float
    high: float
    p_value: float


def count_segments(evidence: Evidence) -> tuple[SegmentCount, ...]:
    """Return the counts of every segment and group."""
    rows = evidence.engine.ask("segments")
    return tuple(
        SegmentCount(
            dimension=str(row["dimension"]),
            value=_told(str(row["dimension"]), str(row["value"])),
            group=str(row["group_name"]),
            sent_subjects=int(str(row["sent_subjects"])),
            landed_subjects=int(str(row["landed_subjects"])),
            sent_events=int(str(row["sent_events"])),
            lost_events=int(str(row["lost_events"])),
            events_squared=int(str(row["events_squared"])),
        )
        for row in rows
    )


def outlier_segments(segments: Sequence[SegmentCount]) -> tuple[OutlierSegment, ...]:
    """Return the segments that lost a larger share of their events than the rest, the most striking first.

    A segment is set beside all other events by Fisher's exact test, at 0.001 after Holm's correction. Test and interval
    count no more events than are independent of each other (`Loss.independent`).
    """
    compared = [item for item in _against_the_rest(segments) if min(item[2].sent, item[3].sent) >= _MIN_EVENTS]
    counted = [(*mine.independent(), *rest.independent()) for _, _, mine, rest in compared]
    raw = [
        float(stats.fisher_exact(np.array([[lost, sent - lost], [base, whole - base]]), "greater").pvalue)
        for lost, sent, base, whole in counted
    ]
    found = []
    for (dimension, value, mine, rest), counts, p_value in zip(compared, counted, holm(raw), strict=True):
        if p_value < ALPHA:
            low, high = newcombe(*counts)
            found.append(OutlierSegment(dimension, value, mine.share, rest.share, low, high, p_value))
    return tuple(sorted(found, key=lambda item: (item.p_value, -(item.share - item.rest))))


class Loss(NamedTuple):
    """Events that a number of subjects lost.

    Attributes:
        lost, sent: events.
        squared: sum over the subjects of the square of the events each sent.
    """

    lost: int
    sent: int
    squared: int

    def __add__(self, other: "Loss") -> "Loss":  # type: ignore[override]  # these are sums, not sequences
        return Loss(*(one + more for one, more in zip(self, other, strict=True)))

    def __sub__(self, other: "Loss") -> "Loss":
        return Loss(*(one - less for one, less in zip(self, other, strict=True)))

    @property
    def share(self) -> float:
        """The events that were lost, of those that were sent."""
        return self.lost / self.sent

    def independent(self) -> tuple[int, int]:
        """Return how many events were lost and sent, counted as if only independent ones had been looked at.

        The events of a subject may be lost together or not at all, and then they say no more than one would: as much as
        sum(events)^2 / sum(events^2) events that are independent of each other (Kish, Survey Sampling, 1965, 11.7).
        The share stays what it is, but for rounding.
        """
        each = self.sent / self.squared
        return round(self.lost * each), round(self.sent * each)


def _against_the_rest(segments: Sequence[SegmentCount]) -> list[tuple[str, str, Loss, Loss]]:
    """Return dimension, value, and what was lost in the segment and outside it, for all segments.

    Outside it are the other segments of its dimension: not every dimension holds every event.
    """
    totals: dict[tuple[str, str], Loss] = {}
    for item in segments:
        keys = [(item.dimension, item.value)]
        # This dimension holds every event, so it will do to count by group.
        if item.dimension == "fidelity":
            keys.append(("group", item.group))
        for key in keys:
            mine = Loss(item.lost_events, item.sent_events, item.events_squared)
            totals[key] = totals.get(key, Loss(0, 0, 0)) + mine
    whole: dict[str, Loss] = {}
    for (dimension, _), mine in totals.items():
        whole[dimension] = whole.get(dimension, Loss(0, 0, 0)) + mine
    return [(dimension, value, mine, whole[dimension] - mine) for (dimension, value), mine in sorted(totals.items())]


def _told(dimension: str, value: str) -> str:
    """Return the name of a segment as people read it; SQL counts hours since 1970."""
    if dimension != "hour":
        return value or ("(accounts)" if dimension == "persona" else "(not known)")
    return datetime.fromtimestamp(int(value) * 3600, UTC).strftime("%Y-%m-%d %H:00 UTC")
