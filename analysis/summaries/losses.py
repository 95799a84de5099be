"""Losses of each group between the acknowledgement and the table, with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.run_model.load import Evidence
from analysis.statistics import newcombe, wilson

_COUNTED = ("subjects", "losing_subjects", "sent_events", "lost_events")


@dataclass(frozen=True, slots=True)
class GroupLoss:
    """Loss of one group, by events and by subjects.

    The events of a subject are lost together or not at all, so intervals are of subjects, which are independent.

    Attributes:
        group: group by the contract.
        sent_events, lost_events: number of events sent, and of acknowledged ones in neither table nor error stream.
        share: lost share of the sent events; 0 without any.
        subjects, losing_subjects: number of subjects that sent an event, and of those that lost one or more.
        losing_share, low, high: share of subjects that lost one or more, with its 95 % Wilson interval.
        difference, difference_low, difference_high: that share minus the share in all other groups together, with its
            95 % interval (Newcombe); None when no other group sent an event.
    """

    group: str
    sent_events: int
    lost_events: int
    share: float
    subjects: int
    losing_subjects: int
    losing_share: float
    low: float
    high: float
    difference: float | None
    difference_low: float | None
    difference_high: float | None


def losses(evidence: Evidence) -> tuple[GroupLoss, ...]:
    """Return the loss of every group of the experiment, in the config's order."""
    return of_counts(evidence.group_names(), evidence.engine.ask("losses_by_group"))


def of_counts(groups: Sequence[str], rows: Sequence[Mapping[str, object]]) -> tuple[GroupLoss, ...]:
    """Return the loss of *groups* from the rows of `analysis/sql/losses.sql`; a group without a row sent no event."""
    known = {str(row["group_name"]): {name: int(str(row[name])) for name in _COUNTED} for row in rows}
    counts = {group: known.get(group, dict.fromkeys(_COUNTED, 0)) for group in groups}
    subjects, losing = (sum(count[name] for count in counts.values()) for name in ("subjects", "losing_subjects"))
    return tuple(
        _loss(group, count, subjects - count["subjects"], losing - count["losing_subjects"])
        for group, count in counts.items()
    )


def _loss(group: str, count: Mapping[str, int], other_subjects: int, other_losing: int) -> GroupLoss:
    subjects, losing, sent, lost = (count[name] for name in _COUNTED)
    low, high = wilson(losing, subjects)
    difference: tuple[float, float, float] | tuple[None, None, None] = (None, None, None)
    if subjects and other_subjects:
        interval = newcombe(losing, subjects, other_losing, other_subjects)
        difference = losing / subjects - other_losing / other_subjects, interval.low, interval.high
    return GroupLoss(
        group, sent, lost, lost / sent if sent else 0.0,
        subjects, losing, losing / subjects if subjects else 0.0, low, high, *difference,
    )  # fmt: skip
