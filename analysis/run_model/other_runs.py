"""Rows of other runs in a shared table, which the ledgers in neighbouring run folders name."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from analysis.engines.base import QueryEngine
from analysis.run_model.own_events import OwnEvents
from common.errors import DogfoodError
from personas.plan.plan import Plan
from personas.plan.settings import PlanSettings
from run_record.manifest import FILE_NAME, Manifest
from run_record.run_folder import LATEST

#: Milliseconds after a run's last request until which its rows may be received.
_SETTLE_MS = 60_000


def find_other_runs(run: Path, engine: QueryEngine) -> Mapping[str, int]:
    """Define the relation `observed`, the candidate rows without those of other runs; return the rows of each of these.

    Args:
        run: this run's folder; the folders next to it are other runs.
        engine: has the relation `candidate_rows`.
    """
    unexpected = engine.ask("unexpected_candidates")
    owners = _owners(run, unexpected) if unexpected else {}
    ids = pa.table({"id": pa.array(sorted(owners), pa.string())})
    engine.add("other_run_ids", ids)
    engine.define("observed", "candidates_of_this_run" if owners else "candidates_all")
    counts: dict[str, int] = {}
    for row in unexpected:
        owner = owners.get(str(row["id"]))
        if owner is not None:
            counts[owner] = counts.get(owner, 0) + int(str(row["copies"]))
    return counts


def _owners(run: Path, unexpected: Sequence[Mapping[str, object]]) -> dict[str, str]:
    """Return the run of each id that another run's ledger names."""
    owners: dict[str, str] = {}
    times_ms = [int(str(row["first_ms"])) for row in unexpected if row["first_ms"] is not None]
    if not times_ms:
        return owners
    for folder, manifest in _runs_between(run, min(times_ms), max(times_ms)):
        try:
            own = OwnEvents(folder, Plan(PlanSettings.from_json(manifest.plan)))
            own.refresh()
        except DogfoodError:
            continue  # a run that cannot be read claims nothing
        for row in unexpected:
            keys = (str(row["id"]), str(row["funnel"]))
            if any(own.has(key) for key in keys):
                owners.setdefault(str(row["id"]), folder.name)
    return owners


def _runs_between(run: Path, first_ms: int, last_ms: int) -> Iterator[tuple[Path, Manifest]]:
    """Yield the other runs in the folder of *run* that were active between two times."""
    own_folder = run.resolve()
    for path in sorted(own_folder.parent.glob(f"*/{FILE_NAME}")):
        folder = path.parent
        if folder.name == LATEST or folder.is_symlink() or folder.resolve() == own_folder:
            continue
        try:
            manifest = Manifest.read(folder)
            created_ms = int(datetime.fromisoformat(manifest.created).timestamp() * 1000)
        except (DogfoodError, ValueError):
            continue
        start_ms = manifest.started_ms if manifest.started_ms is not None else created_ms
        end_ms = manifest.finished_ms
        if start_ms - _SETTLE_MS <= last_ms and (end_ms is None or end_ms + _SETTLE_MS >= first_ms):
            yield folder, manifest
