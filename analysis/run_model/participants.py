"""Participants of a run: the plan's subjects, then the wiki accounts of the roster."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.assignment import assign_many, subject_id
from contracts.generation import Generation
from contracts.profiles import profile_of
from personas.plan.blocks import PlannedSubjects
from personas.plan.plan import Plan
from run_record.ledger.files import SentEvents
from run_record.manifest import Manifest
from run_record.page_views import PageView
from run_record.roster import Account, Fidelity

FIDELITIES = tuple(Fidelity)


class Participants(NamedTuple):
    """Columns of equal length, with one element per visit.

    Attributes:
        fidelity: int8; index into `FIDELITIES`.
        in_sample: bool; whether the contract enrols the subject.
        persona: int64; index into the plan's personas, -1 for the wiki's accounts.
        account_id: int64; the id that the contract hashes, 0 for a subject without an account.
        group: int16; index of the group that the contract gives, -1 outside the sample.
        started: bool; whether the visit started before the run ended.
        chosen: bool; chosen for its group, so left out of tests of group sizes.
        chosen_subjects: ids, as in the table, of the chosen subjects.
    """

    fidelity: NDArray[np.int8]
    in_sample: NDArray[np.bool_]
    persona: NDArray[np.int64]
    account_id: NDArray[np.int64]
    group: NDArray[np.int16]
    started: NDArray[np.bool_]
    chosen: NDArray[np.bool_]
    chosen_subjects: frozenset[str]

    def of(self, fidelity: Fidelity) -> NDArray[np.bool_]:
        """Return a mask of the visits of *fidelity*."""
        mask: NDArray[np.bool_] = self.fidelity == FIDELITIES.index(fidelity)
        return mask


def load_participants(
    plan: Plan,
    planned: PlannedSubjects,
    manifest: Manifest,
    ledger: SentEvents,
    roster: Sequence[Account],
    views: Sequence[PageView],
) -> Participants:
    """Return the participants of the run of *manifest* by visit; *planned* are the subjects of *plan*."""
    count = len(planned.index)
    known = np.array([account.user_id > 0 for account in roster], dtype=np.bool_)
    groups = np.full(len(roster), -1, dtype=np.int16)
    ids = np.array([_hashed_id(manifest.generation, account) for account in roster], dtype=np.int64)
    if known.any():
        experiment = plan.experiment
        assignments = assign_many(manifest.generation, ids[known], experiment.name, experiment.groups, plan.rate)
        groups[known] = assignments.group
    visited = {view.visit for view in views}
    return Participants(
        fidelity=np.concatenate(
            [
                np.full(count, FIDELITIES.index(Fidelity.SYNTHETIC), np.int8),
                np.array([FIDELITIES.index(item.fidelity) for item in roster], np.int8),
            ]
        ),
        in_sample=np.concatenate([planned.in_sample, groups >= 0]),
        persona=np.concatenate([planned.persona, np.full(len(roster), -1, dtype=np.int64)]),
        account_id=np.concatenate([_hashed_ids(manifest.generation, planned), ids]),
        group=np.concatenate([planned.group, groups]),
        started=np.concatenate(
            [
                np.arange(count) < _started_visits(manifest, ledger),
                np.array([item.visit in visited for item in roster], dtype=np.bool_),
            ]
        ),
        chosen=np.concatenate([np.zeros(count, np.bool_), np.array([item.chosen for item in roster], np.bool_)]),
        chosen_subjects=chosen_subjects(plan, manifest.generation, roster),
    )


def chosen_subjects(plan: Plan, generation: Generation, roster: Sequence[Account]) -> frozenset[str]:
    """Return the subject ids, as in the table, of the accounts that were chosen for their group."""
    return frozenset(_subject(plan, generation, item) for item in roster if item.chosen)


def _started_visits(manifest: Manifest, ledger: SentEvents) -> int:
    """Return the number of the plan's visits that started before the run ended."""
    if not manifest.stopped_early:
        return manifest.visitors
    planned = ledger.visit[ledger.visit < manifest.visitors]
    return int(planned.max()) + 1 if len(planned) else 0


def _hashed_ids(generation: Generation, subjects: PlannedSubjects) -> NDArray[np.int64]:
    ids: NDArray[np.int64] = getattr(subjects, profile_of(generation).identifier.account_id)
    return ids


def _hashed_id(generation: Generation, account: Account) -> int:
    hashed: int = getattr(account, profile_of(generation).identifier.account_id)
    return hashed


def _subject(plan: Plan, generation: Generation, account: Account) -> str:
    if generation is Generation.ALPHA:
        return str(account.user_id)
    return subject_id(account.central_id, plan.experiment.name) if account.central_id else ""
