"""Rows of other runs that share a table with this one: their ledgers, in folders beside this run's, name them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from analysis.engines.duckdb_engine import QueryEngine
from analysis.run_model.own_events import OwnEvents
from common.errors import DogfoodError
from personas.plan.plan import Plan
from personas.plan.settings import PlanSettings
from run_record.manifest import FILE_NAME, Manifest
from run_record.run_folder import LATEST

#: Rows may be received so long after a run's last request.
_SETTLE_MS = 60_000


def find_other_runs(run: Path, engine: QueryEngine) -> Mapping[str, int]:
    """Define the table `observed`: the claimed rows without those of other runs; return how many each of these has.

    Args:
        run: this run's folder; other runs are those beside it.
        engine: has the table `claimed`.
    """
    strangers = engine.ask("strangers")
    owners = _owners(run, strangers) if strangers else {}
    ids = pa.table({"id": pa.array(sorted(owners), pa.string())})
    engine.add("of_other_runs", ids)
    engine.define("observed", "own_rows" if owners else "claimed_rows")
    counts: dict[str, int] = {}
    for row in strangers:
        owner = owners.get(str(row["id"]))
        if owner is not None:
            counts[owner] = counts.get(owner, 0) + int(str(row["copies"]))
    return counts


def _owners(run: Path, strangers: Sequence[Mapping[str, object]]) -> dict[str, str]:
    """Return the run that each id is of, for those that another run's ledger names."""
    found: dict[str, str] = {}
    moments = [int(str(row["first_ms"])) for row in strangers if row["first_ms"] is not None]
    if not moments:
        return found
    for folder, manifest in _others(run, min(moments), max(moments)):
        try:
            own = OwnEvents(folder, Plan(PlanSettings.from_json(manifest.plan)))
            own.refresh()
        except DogfoodError:
            continue  # a run that cannot be read claims nothing
        for row in strangers:
            keys = (str(row["id"]), str(row["funnel"]))
            if any(own.has(key) for key in keys):
                found.setdefault(str(row["id"]), folder.name)
    return found


def _others(run: Path, first_ms: int, last_ms: int) -> Iterator[tuple[Path, Manifest]]:
    """Yield the runs beside *run* that were on between two moments."""
    this = run.resolve()
    for path in sorted(this.parent.glob(f"*/{FILE_NAME}")):
        folder = path.parent
        if folder.name == LATEST or folder.is_symlink() or folder.resolve() == this:
            continue
        try:
            manifest = Manifest.read(folder)
            created_ms = int(datetime.fromisoformat(manifest.created).timestamp() * 1000)
        except (DogfoodError, ValueError):
            continue
        began = manifest.started_ms if manifest.started_ms is not None else created_ms
        ended = manifest.finished_ms
        if began - _SETTLE_MS <= last_ms and (ended is None or ended + _SETTLE_MS >= first_ms):
            yield folder, manifest
