"""Click-through rates of the groups, what sets them apart, and what the run could have seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.run_model.load import Evidence
from analysis.statistics import (
    Moments,
    click_through_rate,
    compare_rates,
    enough_clicks,
    equality_test,
    moments_of_sums,
    smallest_difference,
    smallest_imbalance,
    smallest_loss,
    wilson,
)
from analysis.verdict import ALPHA
from contracts.assignment import expected_shares

Sums = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class GroupRate:
    """The click-through rate of one group, three ways, of what landed.

    Attributes:
        group: its name.
        subjects: with an impression; those that were chosen for their group are left out.
        impressions, clicks: of those.
        rate, low, high: clicks per impression with its 95 % interval (delta method over subjects).
        mean_rate: mean over subjects of each one's clicks per impression.
        unique_rate, unique_low, unique_high: share of subjects that clicked, with its 95 % Wilson interval.
    """

    group: str
    subjects: int
    impressions: int
    clicks: int
    rate: float
    low: float
    high: float
    mean_rate: float
    unique_rate: float
    unique_low: float
    unique_high: float


@dataclass(frozen=True, slots=True)
class GroupDifference:
    """How one group's click-through rate differs from control's, of what landed.

    Attributes:
        group, control: the two.
        difference, low, high: of clicks per impression, with the 95 % interval.
        lift, lift_low, lift_high: relative to control, None where either group has no clicks.
        p_value: of both groups clicking alike, two-sided; None where no test is possible.
        testable: whether both groups are large enough for the p-value to hold (`analysis.statistics.enough_clicks`).
        sent: the difference as the events were sent, None where that cannot be told.
    """

    group: str
    control: str
    difference: float
    low: float
    high: float
    lift: float | None
    lift_low: float | None
    lift_high: float | None
    p_value: float | None
    testable: bool
    sent: float | None


@dataclass(frozen=True, slots=True)
class Power:
    """What a run of this size shows with a power of 80 %.

    Attributes:
        subjects: that landed, of those that were not chosen for their group.
        imbalance: the smallest share of the first group, where another was meant, that the sample ratio would call.
        loss: the smallest share of one group's subjects whose loss it would call.
        difference: the smallest difference of click-through rates between control and the next group, at 5 %.
        alpha: level of the sample ratio.
    """

    subjects: int
    imbalance: float | None
    loss: float | None
    difference: float | None
    alpha: float = ALPHA


def rates(evidence: Evidence) -> tuple[GroupRate, ...]:
    """Return the click-through rate of every group with two subjects or more and an impression."""
    found = []
    sums = _sums(evidence, "landed")
    for group in evidence.group_names():
        moments = _moments(sums.get(group))
        if moments is None:
            continue
        row = sums[group]
        overall = click_through_rate(moments)
        subjects, clicking = _number(row, "subjects"), _number(row, "clicking_subjects")
        unique = wilson(clicking, subjects)
        found.append(
            GroupRate(
                group, subjects, _number(row, "impressions"), _number(row, "clicks"),
                overall.value, overall.interval.low, overall.interval.high,
                float(str(row["rates"])) / subjects, clicking / subjects, unique.low, unique.high,
            )
        )  # fmt: skip
    return tuple(found)


def differences(evidence: Evidence) -> tuple[GroupDifference, ...]:
    """Return how every other group differs from control, of what landed."""
    feature = evidence.plan.experiment.features[0]
    sums = _sums(evidence, "landed")
    landed, sent = ({name: _moments(row) for name, row in rows.items()} for rows in (sums, _sums(evidence, "sent")))
    control = landed.get(feature.control)
    found = []
    for group in feature.groups:
        other = landed.get(group)
        if group == feature.control or control is None or other is None:
            continue
        compared = compare_rates(control, other)
        before = sent.get(feature.control), sent.get(group)
        lift = compared.lift
        found.append(
            GroupDifference(
                group, feature.control,
                compared.difference.value, compared.difference.interval.low, compared.difference.interval.high,
                lift.value if lift else None,
                lift.interval.low if lift else None,
                lift.interval.high if lift else None,
                equality_test(control, other),
                _testable(sums[feature.control], sums[group]),
                before[1].rate - before[0].rate if before[0] and before[1] else None,
            )
        )  # fmt: skip
    return tuple(found)


def power(evidence: Evidence, landed: Sequence[int]) -> Power:
    """Return what a run with *landed* subjects, one number a group, could have shown."""
    shares = expected_shares(len(landed), evidence.plan.rate).groups
    subjects = sum(landed)
    testable = subjects > 0 and sum(share > 0 for share in shares) > 1
    feature = evidence.plan.experiment.features[0]
    sums = _sums(evidence, "landed")
    control = _moments(sums.get(feature.control))
    other = next(
        (moments for group in feature.groups if group != feature.control and (moments := _moments(sums.get(group)))),
        None,
    )
    difference = None
    if control and other and control.rate_variance > 0:
        difference = smallest_difference(control.rate_variance, control.subjects, other.subjects)
    return Power(
        subjects,
        smallest_imbalance(subjects, shares, 0, ALPHA) if testable and shares[0] else None,
        smallest_loss(subjects, shares, 0, ALPHA) if testable and shares[0] else None,
        difference,
    )


def _testable(one: Sums, other: Sums) -> bool:
    subjects = _number(one, "subjects"), _number(other, "subjects")
    return enough_clicks(subjects, _number(one, "clicking_subjects") + _number(other, "clicking_subjects"))


def _sums(evidence: Evidence, stage: str) -> dict[str, Sums]:
    return {str(row["group_name"]): row for row in evidence.clicks if row["stage"] == stage}


def _moments(row: Sums | None) -> Moments | None:
    """Return the moments of a group, None where it has too few subjects for a variance."""
    if row is None or _number(row, "subjects") < 2:
        return None
    return moments_of_sums(
        *(
            _number(row, name)
            for name in ("subjects", "clicks", "impressions", "clicks_squared", "impressions_squared", "product")
        )
    )


def _number(row: Sums, name: str) -> int:
    return int(str(row[name]))
