"""Segments of a run – persona, platform, browser, hour … – with the subjects and events of each group."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from scipy import stats

from analysis.evidence import Evidence
from analysis.results import ALPHA
from analysis.statistics import holm, newcombe

#: With fewer events than this in a segment, or outside it, its loss is not set beside that of the rest.
_MIN_EVENTS = 50

#: What only rows tell: these segments leave out visits of which nothing landed.
TOLD_BY_ROWS = ("browser", "data centre")


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
    """

    dimension: str
    value: str
    group: str
    sent_subjects: int
    landed_subjects: int
    sent_events: int
    lost_events: int


class StandOut(NamedTuple):
    """A segment that lost more of its events than the rest did.

    Attributes:
        dimension, value: which; a group of the experiment is the dimension `group`.
        share, rest: of events lost, in the segment and outside it.
        low, high: 95 % interval of the difference (Newcombe).
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
        )
        for row in rows
    )


def stand_outs(segments: Sequence[SegmentCount]) -> tuple[StandOut, ...]:
    """Return the segments that lost a larger share of their events than the rest, the most striking first.

    A segment is set beside all other events by Fisher's exact test, at 0.001 after Holm's correction.
    """
    compared = [item for item in _against_the_rest(segments) if min(item[3], item[5]) >= _MIN_EVENTS]
    raw = [
        float(
            stats.fisher_exact(np.array([[lost, sent - lost], [other_lost, other_sent - other_lost]]), "greater").pvalue
        )
        for _, _, lost, sent, other_lost, other_sent in compared
    ]
    found = []
    for (dimension, value, lost, sent, other_lost, other_sent), p_value in zip(compared, holm(raw), strict=True):
        if p_value < ALPHA:
            low, high = newcombe(lost, sent, other_lost, other_sent)
            found.append(StandOut(dimension, value, lost / sent, other_lost / other_sent, low, high, p_value))
    return tuple(sorted(found, key=lambda item: (item.p_value, -(item.share - item.rest))))


def _against_the_rest(segments: Sequence[SegmentCount]) -> list[tuple[str, str, int, int, int, int]]:
    """Return dimension, value, and lost and sent events in the segment and outside it, for all with a counterpart.

    Outside it are the other segments of its dimension: not every dimension holds every event.
    """
    totals: dict[tuple[str, str], tuple[int, int]] = {}
    for item in segments:
        keys = [(item.dimension, item.value)]
        # This dimension holds every event, so it will do to count by group.
        if item.dimension == "fidelity":
            keys.append(("group", item.group))
        for key in keys:
            lost, sent = totals.get(key, (0, 0))
            totals[key] = (lost + item.lost_events, sent + item.sent_events)
    whole: dict[str, tuple[int, int]] = {}
    for (dimension, _), (lost, sent) in totals.items():
        all_lost, all_sent = whole.get(dimension, (0, 0))
        whole[dimension] = (all_lost + lost, all_sent + sent)
    return [
        (dimension, value, lost, sent, whole[dimension][0] - lost, whole[dimension][1] - sent)
        for (dimension, value), (lost, sent) in sorted(totals.items())
    ]


def _told(dimension: str, value: str) -> str:
    """Return the name of a segment as people read it; SQL counts hours since 1970."""
    if dimension != "hour":
        return value or ("(accounts)" if dimension == "persona" else "(not known)")
    return datetime.fromtimestamp(int(value) * 3600, UTC).strftime("%Y-%m-%d %H:00 UTC")
