"""Who took part in a run: the subjects of the plan, and after them the wiki's accounts of the roster."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.assignment import Generation, assign_many, subject_id
from contracts.profiles import profile_of
from personas.plan.blocks import PlannedSubjects
from personas.plan.plan import Plan
from run_record.ledger.files import SentEvents
from run_record.manifest import Manifest
from run_record.page_views import PageView
from run_record.roster import Account, Fidelity

FIDELITIES = tuple(Fidelity)


class Participants(NamedTuple):
    """Columns of equal length, one element a visit.

    Attributes:
        fidelity: int8; index into `FIDELITIES`.
        in_sample: bool; whether the contract enrols the subject.
        persona: int64; index into the plan's personas, -1 for the wiki's accounts.
        user: int64; the id that the contract hashes, 0 for a reader without an account.
        group: int16; index into the experiment's groups that the contract gives, -1 when not in the sample.
        came: bool; whether its visit had begun when the run ended.
        chosen: bool; taken for its group, so it is left out where the number of subjects in a group is judged.
        chosen_subjects: the ids, as in the table, of those that were chosen.
    """

    fidelity: NDArray[np.int8]
    in_sample: NDArray[np.bool_]
    persona: NDArray[np.int64]
    user: NDArray[np.int64]
    group: NDArray[np.int16]
    came: NDArray[np.bool_]
    chosen: NDArray[np.bool_]
    chosen_subjects: frozenset[str]

    def of(self, fidelity: Fidelity) -> NDArray[np.bool_]:
        """Return which visits are of *fidelity*."""
        mine: NDArray[np.bool_] = self.fidelity == FIDELITIES.index(fidelity)
        return mine


def participants(
    plan: Plan,
    planned: PlannedSubjects,
    manifest: Manifest,
    ledger: SentEvents,
    roster: Sequence[Account],
    views: Sequence[PageView],
) -> Participants:
    """Return who took part in the run of *manifest*, in the order of their visits; *planned* are all of *plan*."""
    count = len(planned.index)
    known = np.array([account.user_id > 0 for account in roster], dtype=np.bool_)
    groups = np.full(len(roster), -1, dtype=np.int16)
    ids = np.array([_hashed_id(manifest.generation, account) for account in roster], dtype=np.int64)
    if known.any():
        experiment = plan.experiment
        found = assign_many(manifest.generation, ids[known], experiment.name, experiment.groups, plan.rate)
        groups[known] = found.group
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
        user=np.concatenate([_hashed_ids(manifest.generation, planned), ids]),
        group=np.concatenate([planned.group, groups]),
        came=np.concatenate(
            [
                np.arange(count) < _begun(manifest, ledger),
                np.array([item.visit in visited for item in roster], dtype=np.bool_),
            ]
        ),
        chosen=np.concatenate([np.zeros(count, np.bool_), np.array([item.chosen for item in roster], np.bool_)]),
        chosen_subjects=chosen_subjects(plan, manifest.generation, roster),
    )


def chosen_subjects(plan: Plan, generation: Generation, roster: Sequence[Account]) -> frozenset[str]:
    """Return the ids, as in the table, of the accounts that were chosen for their group."""
    return frozenset(_subject(plan, generation, item) for item in roster if item.chosen)


def _begun(manifest: Manifest, ledger: SentEvents) -> int:
    """Return how many visits of the plan had begun when the run ended."""
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
