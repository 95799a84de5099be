"""Click-through rates of the groups, their differences, and the effects that the run could detect."""

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
    """Click-through rate of one group, three ways, from landed events.

    Attributes:
        group: name of the group.
        subjects: subjects with an impression, without those that were chosen for their group.
        impressions, clicks: number of events of those subjects.
        rate, low, high: clicks per impression with its 95 % interval (delta method over subjects).
        mean_rate: mean over subjects of clicks per impression.
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
    """Difference of one group's click-through rate from control's, from landed events.

    Attributes:
        group, control: names of the groups.
        difference, low, high: difference of clicks per impression, with the 95 % interval.
        lift, lift_low, lift_high: difference relative to control; None when a group has no clicks.
        p_value: two-sided, for equal rates; None when no test is possible.
        testable: whether both groups are large enough for the p-value (`analysis.statistics.enough_clicks`).
        sent: difference in the sent events; None when unknown.
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
    """Smallest effects that a run of this size detects with a power of 80 %.

    Attributes:
        subjects: landed subjects, without those that were chosen for their group.
        imbalance: smallest unexpected share of the first group that the sample-ratio test detects.
        loss: smallest lost share of one group's subjects that the sample-ratio test detects.
        difference: smallest difference of click-through rates between control and the next group, at a level of 5 %.
        alpha: level of the sample-ratio test.
    """

    subjects: int
    imbalance: float | None
    loss: float | None
    difference: float | None
    alpha: float = ALPHA


def rates(evidence: Evidence) -> tuple[GroupRate, ...]:
    """Return the click-through rate of every group with two or more subjects and an impression."""
    group_rates = []
    sums = _sums(evidence, "landed")
    for group in evidence.group_names():
        moments = _moments(sums.get(group))
        if moments is None:
            continue
        row = sums[group]
        overall = click_through_rate(moments)
        subjects, clicking = _number(row, "subjects"), _number(row, "clicking_subjects")
        unique = wilson(clicking, subjects)
        group_rates.append(
            GroupRate(
                group, subjects, _number(row, "impressions"), _number(row, "clicks"),
                overall.value, overall.interval.low, overall.interval.high,
                float(str(row["rates"])) / subjects, clicking / subjects, unique.low, unique.high,
            )
        )  # fmt: skip
    return tuple(group_rates)


def differences(evidence: Evidence) -> tuple[GroupDifference, ...]:
    """Return the difference of every other group from control, from landed events."""
    feature = evidence.plan.experiment.features[0]
    sums = _sums(evidence, "landed")
    landed, sent = ({name: _moments(row) for name, row in rows.items()} for rows in (sums, _sums(evidence, "sent")))
    control = landed.get(feature.control)
    group_differences = []
    for group in feature.groups:
        other = landed.get(group)
        if group == feature.control or control is None or other is None:
            continue
        compared = compare_rates(control, other)
        before = sent.get(feature.control), sent.get(group)
        lift = compared.lift
        group_differences.append(
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
    return tuple(group_differences)


def power(evidence: Evidence, landed: Sequence[int]) -> Power:
    """Return the smallest effects that a run with *landed* subjects, a number per group, can detect."""
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
    """Return the moments of a group; None when it has too few subjects for a variance."""
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
