"""Segments of a run (persona, platform, browser, hour …) with the subjects and events of each group."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from scipy import stats

from analysis.run_model.load import Evidence
from analysis.statistics import holm, newcombe
from analysis.verdict import ALPHA

#: Least events in a segment, and outside it, for a comparison of its loss with the rest.
_MIN_EVENTS = 50

#: Dimensions that only rows have: these segments leave out visits without a landed event.
IN_ROWS = ("browser", "data centre")


@dataclass(frozen=True, slots=True)
class SegmentCount:
    """One group within one segment.

    Attributes:
        dimension: property that defines the segments, such as `persona`.
        value: value of the segment, such as `newcomer`.
        group: group by the contract.
        sent_subjects, landed_subjects: number of subjects with a sent event, and with a landed one; without those that
            were chosen for their group.
        sent_events, lost_events: number of events of all subjects.
        events_squared: sum over all subjects of the square of the number of sent events.
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
        dimension, value: the segment; a group of the experiment has the dimension `group`.
        share, rest: lost share of the events in the segment and outside it.
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
            value=_label(str(row["dimension"]), str(row["value"])),
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
    """Return the segments that lost a larger share of their events than the rest, the smallest p-value first.

    Fisher's exact test compares a segment with all other events, at 0.001 after Holm's correction. Test and interval
    count only as many events as are independent of each other (`Loss.independent`).
    """
    compared = [item for item in _against_the_rest(segments) if min(item[2].sent, item[3].sent) >= _MIN_EVENTS]
    counted = [(*mine.independent(), *rest.independent()) for _, _, mine, rest in compared]
    raw = [
        float(stats.fisher_exact(np.array([[lost, sent - lost], [base, whole - base]]), "greater").pvalue)
        for lost, sent, base, whole in counted
    ]
    outliers = []
    for (dimension, value, mine, rest), counts, p_value in zip(compared, counted, holm(raw), strict=True):
        if p_value < ALPHA:
            low, high = newcombe(*counts)
            outliers.append(OutlierSegment(dimension, value, mine.share, rest.share, low, high, p_value))
    return tuple(sorted(outliers, key=lambda item: (item.p_value, -(item.share - item.rest))))


class Loss(NamedTuple):
    """Lost and sent events of a number of subjects.

    Attributes:
        lost, sent: number of events.
        squared: sum over the subjects of the square of the number of sent events.
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
        """Lost share of the sent events."""
        return self.lost / self.sent

    def independent(self) -> tuple[int, int]:
        """Return the number of lost and sent events, reduced to the effective number of independent ones.

        The events of a subject may be lost together or not at all. Then they are worth sum(events)^2 / sum(events^2)
        independent events (Kish, Survey Sampling, 1965, 11.7). The share is unchanged, except for rounding.
        """
        each = self.sent / self.squared
        return round(self.lost * each), round(self.sent * each)


def _against_the_rest(segments: Sequence[SegmentCount]) -> list[tuple[str, str, Loss, Loss]]:
    """Return dimension, value, and the loss in the segment and outside it, for all segments.

    Outside means the other segments of the dimension, because not every dimension has every event.
    """
    totals: dict[tuple[str, str], Loss] = {}
    for item in segments:
        keys = [(item.dimension, item.value)]
        # This dimension has every event, so it also serves to count by group.
        if item.dimension == "fidelity":
            keys.append(("group", item.group))
        for key in keys:
            mine = Loss(item.lost_events, item.sent_events, item.events_squared)
            totals[key] = totals.get(key, Loss(0, 0, 0)) + mine
    whole: dict[str, Loss] = {}
    for (dimension, _), mine in totals.items():
        whole[dimension] = whole.get(dimension, Loss(0, 0, 0)) + mine
    return [(dimension, value, mine, whole[dimension] - mine) for (dimension, value), mine in sorted(totals.items())]


def _label(dimension: str, value: str) -> str:
    """Return the label of a segment; SQL counts hours since 1970."""
    if dimension != "hour":
        return value or ("(accounts)" if dimension == "persona" else "(not known)")
    return datetime.fromtimestamp(int(value) * 3600, UTC).strftime("%Y-%m-%d %H:00 UTC")
