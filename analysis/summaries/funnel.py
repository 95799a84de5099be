"""Subjects per group at each stage that an event passes: assigned, exposed, impression, click, landed."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from analysis.run_model.load import Evidence
from contracts.assignment import expected_shares
from run_record.page_views import page_group
from run_record.roster import Fidelity

Bools = NDArray[np.bool_]


class FunnelStage(StrEnum):
    """Stages of an event, in the order in which a subject passes them."""

    ASSIGNED = "assigned"
    EXPOSED = "exposed"
    IMPRESSION = "impression"
    CLICK = "click"
    LANDED = "landed"


@dataclass(frozen=True, slots=True)
class StageCount:
    """Number of subjects of one group at one stage.

    Attributes:
        fidelity: fidelity of the visits.
        stage: stage that the subjects reached.
        group: group of the experiment.
        expected: expected number. Assigned: the exact share of the visiting subjects, None when they were chosen for
            their group. Exposed: the assigned. Impression and click: the subjects with one to send. Landed: the
            subjects that sent an event.
        observed: observed number; None when the kit itself decided it.
    """

    fidelity: Fidelity
    stage: FunnelStage
    group: str
    expected: float | None
    observed: int | None


def count_stages(evidence: Evidence) -> tuple[StageCount, ...]:
    """Return the counts of every fidelity, stage and group of the run."""
    reached = _reached(evidence)
    return tuple(
        count
        for fidelity in evidence.manifest.fidelities
        for stage, (should, did) in reached.items()
        for count in _counts(evidence, fidelity, stage, should, did)
    )


def natural_subjects(evidence: Evidence) -> dict[FunnelStage, list[int]]:
    """Return the number of subjects of each group at each stage, by the contract's groups.

    Subjects that were chosen for their group are left out, and so is a stage at which none can be observed.
    """
    participants, groups = evidence.participants, len(evidence.group_names())
    natural = participants.started & ~participants.chosen & (participants.group >= 0)
    counts = {}
    for stage, (_, did) in _reached(evidence).items():
        observable = natural & ~participants.of(Fidelity.SYNTHETIC) if stage is FunnelStage.EXPOSED else natural
        if observable.any() or stage is not FunnelStage.EXPOSED:
            counts[stage] = np.bincount(participants.group[observable & did], minlength=groups).tolist()
    return counts


def due_visits(evidence: Evidence) -> Bools:
    """Return a mask of the visits with an event to send."""
    due = _due(evidence, len(evidence.participants.group))
    return due["impression"] | due["click"]


def _counts(evidence: Evidence, fidelity: Fidelity, stage: FunnelStage, should: Bools, did: Bools) -> list[StageCount]:
    participants = evidence.participants
    mine = participants.of(fidelity) & participants.started
    names = evidence.group_names()
    shares = expected_shares(len(names), evidence.plan.rate).groups
    counts = []
    for number, name in enumerate(names):
        group = mine & (participants.group == number)
        expected: float | None = float(np.count_nonzero(group & should))
        observed: int | None = int(np.count_nonzero(group & did))
        if stage is FunnelStage.ASSIGNED:
            natural = mine & ~participants.chosen
            expected = float(shares[number] * int(np.count_nonzero(natural))) if natural.any() else None
        if stage is FunnelStage.EXPOSED and fidelity is Fidelity.SYNTHETIC:
            observed = None
        counts.append(StageCount(fidelity, stage, name, expected, observed))
    return counts


def _reached(evidence: Evidence) -> dict[FunnelStage, tuple[Bools, Bools]]:
    """Return, per stage, masks of the visits that should have reached it and of those that did."""
    size = len(evidence.participants.group)
    sent = {action: np.zeros(size, np.bool_) for action in ("impression", "click", "landed", "any")}
    columns = evidence.engine.columns("visit_stages")
    sent["any"][columns["visit"]] = True
    for action in ("impression", "click", "landed"):
        sent[action][columns["visit"][columns[action]]] = True
    due = _due(evidence, size)
    assigned = evidence.participants.group >= 0
    return {
        FunnelStage.ASSIGNED: (assigned, assigned),
        FunnelStage.EXPOSED: (assigned, _exposed(evidence, size)),
        FunnelStage.IMPRESSION: (due["impression"], sent["impression"]),
        FunnelStage.CLICK: (due["click"], sent["click"]),
        FunnelStage.LANDED: (sent["any"], sent["landed"]),
    }


def _due(evidence: Evidence, size: int) -> dict[str, Bools]:
    """Return masks of the visits with an impression to send, and with a click."""
    due = {action: np.zeros(size, np.bool_) for action in ("impression", "click")}
    due["impression"][evidence.planned_totals.impressing] = True
    due["click"][evidence.planned_totals.clicking] = True
    for view in evidence.page_views:
        for action, visits in due.items():
            visits[view.visit] |= view.expected.get(action, 0) > 0
    return due


def _exposed(evidence: Evidence, size: int) -> Bools:
    """Return a mask of the visits with a page that showed the contract's group."""
    exposed = np.zeros(size, np.bool_)
    experiment, names = evidence.plan.experiment, evidence.group_names()
    for view in evidence.page_views:
        group = page_group(view.experiments, evidence.manifest.generation, experiment.name, experiment.features[0].name)
        expected = int(evidence.participants.group[view.visit])
        exposed[view.visit] |= group is not None and expected >= 0 and names[expected] == group
    return exposed
