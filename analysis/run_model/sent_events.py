"""Sent events of a run: the plan's events, computed again, and those whose bodies are in the ledger.

The plan's events are a pure function of its settings, and computing them is most of the cost of judging a run. Their
rows are cached in the run's folder as `planned.parquet`, with a fingerprint of settings and columns. A file with
another fingerprint is replaced. Its hashes are DuckDB's; another engine computes its hashes itself.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from analysis.engines.base import QueryEngine
from analysis.engines.duckdb_engine import DuckDbEngine
from analysis.engines.sql_files import sql
from common.atomic_write import replacing
from common.errors import DogfoodError
from contracts.table import rows_of
from personas.plan.blocks import PlannedEvent
from personas.plan.plan import Plan
from run_record.ledger.files import SentEvents
from run_record.manifest import Manifest

PLANNED = "planned.parquet"

#: Visits whose events are converted to rows in one block, so that the JSON of a whole plan need not fit into memory.
_BLOCK_VISITS = 8_192

_FINGERPRINT = b"plan"

#: Columns that `analysis/sql/model/rows_hashed.sql` adds.
_HASHES = ("id_hash", "content_hash")

#: An event's number is its visit times this, plus its position; `analysis/sql/model/` repeats the value.
_NUMBERS_PER_VISIT = 1 << 20


class LedgerMismatchError(DogfoodError):
    """The ledger names an event that the plan does not have."""


class PlannedTotals(NamedTuple):
    """Totals of the plan, independent of what was sent.

    Attributes:
        planned: number of events.
        impressing, clicking: visits with an impression, or with a click, in ascending order.
    """

    planned: int
    impressing: NDArray[np.int64]
    clicking: NDArray[np.int64]


def keep_planned(run: Path, plan: Plan) -> Path:
    """Write the rows of all events of *plan* into the folder *run*, unless they are cached; return the file.

    The columns are those of `analysis/sql/model/rows_hashed.sql`, then `visit`, `position` and `offset_ms`.

    Raises:
        DogfoodError: the file cannot be written.
    """
    path = run / PLANNED
    columns = [sql("rows_flattened"), sql("rows_hashed"), DuckDbEngine.hashes]
    key = orjson.dumps([plan.settings.to_json(), columns], option=orjson.OPT_SORT_KEYS)
    fingerprint = hashlib.sha256(key).hexdigest().encode()
    try:
        if path.is_file() and (pq.read_schema(path).metadata or {}).get(_FINGERPRINT) == fingerprint:
            return path
        with replacing(path) as temporary:
            _write(temporary, plan, fingerprint)
    except (OSError, pa.ArrowInvalid) as error:
        raise DogfoodError(f"{path} cannot be written: {error}") from error
    return path


def load_sent(
    run: Path, plan: Plan, ledger: SentEvents, send_records: pa.Table, zero_ms: int, engine: QueryEngine
) -> PlannedTotals:
    """Define the relation `sent`: every event of *ledger*, as often as it was sent, with its send record.

    The relation `sent_content` has each event once, without its send record. It is faster to read where the whole plan
    was sent.

    Args:
        run: the run's folder.
        plan: the run's plan.
        ledger: the run's ledger.
        send_records: response, group and worker of each sent event, by `event_number`.
        zero_ms: start time of the plan, milliseconds since 1970.
        engine: has the relation `run_parameters`, and receives the new ones.

    Raises:
        LedgerMismatchError: the ledger names an event that the plan does not have, and has no body for it.
        DogfoodError: the rows cannot be written into the run's folder.
    """
    path = keep_planned(run, plan)
    if engine.hashes == DuckDbEngine.hashes:
        engine.add_parquet("planned_hashed", path)
    else:
        engine.add_parquet("planned_flattened", path, without=_HASHES)
        engine.define("planned_hashed", "rows_hashed", rows_flattened="planned_flattened")
    engine.define("planned", "rows_annotated", rows_hashed="planned_hashed")
    engine.add("ledger_bodies_flattened", _ledger_bodies(plan, ledger, zero_ms))
    engine.define("ledger_bodies_hashed", "rows_hashed", rows_flattened="ledger_bodies_flattened")
    engine.define("ledger_bodies_annotated", "rows_annotated", rows_hashed="ledger_bodies_hashed")
    engine.keep("ledger_bodies", "ledger_bodies")
    engine.add("send_records", send_records)
    engine.define("sent", "sent")
    visits = engine.columns("planned_visits")
    planned = int(visits["events"].sum())
    # The ledger is sorted by visit, with the plan's visits first.
    planned_sent = int(np.searchsorted(ledger.visit, plan.settings.visitors))
    _check_planned(ledger.visit[:planned_sent], ledger.position[:planned_sent], visits, plan.settings.visitors)
    # Each event is in the plan; as many distinct events as the plan has are the whole plan.
    once = planned_sent == planned and bool((np.diff(event_numbers(ledger)) > 0).all())
    if once:
        engine.define("sent_content", "sent_content")
    else:
        engine.define("planned_and_sent", "planned_and_sent")
        engine.define("sent_content", "sent_content", planned="planned_and_sent")
    return PlannedTotals(
        planned=planned,
        impressing=visits["visit"].astype(np.int64),
        clicking=visits["visit"].astype(np.int64)[visits["clicks"].astype(np.int64) > 0],
    )


def _check_planned(
    visit: NDArray[np.int64], position: NDArray[np.int32], visits: Mapping[str, NDArray[np.generic]], visitors: int
) -> None:
    """Raise LedgerMismatchError for the first sent event that the plan does not have."""
    events = np.zeros(visitors, np.int64)
    events[visits["visit"].astype(np.int64)] = visits["events"]
    unknown = np.flatnonzero((position < 0) | (position >= events[visit]))
    if len(unknown):
        raise unknown_event(int(visit[unknown[0]]), int(position[unknown[0]]))


def event_numbers(ledger: SentEvents) -> NDArray[np.int64]:
    """Return the number of each event of *ledger*, ascending; an event that was sent twice has two equal ones."""
    numbers: NDArray[np.int64] = ledger.visit * _NUMBERS_PER_VISIT + ledger.position
    return numbers


def unknown_event(visit: int, position: int) -> LedgerMismatchError:
    """Return the error for an event of the ledger that the plan does not have."""
    return LedgerMismatchError(
        f"the ledger names event {position} of visit {visit}, which the plan does not have: is it this run's ledger?"
    )


def _write(path: Path, plan: Plan, fingerprint: bytes) -> None:
    writer: pq.ParquetWriter | None = None
    for rows in _blocks(plan):
        if writer is None:
            schema = rows.schema.with_metadata({_FINGERPRINT: fingerprint})
            writer = pq.ParquetWriter(path, schema, compression="zstd")
        writer.write_table(rows.cast(writer.schema))
    if writer is not None:
        writer.close()


def first_ms(manifest: Manifest, ledger: SentEvents) -> int:
    """Return the time of a run's first request, or of its start without one, milliseconds since 1970."""
    return int(ledger.sent_ms.min()) if len(ledger.sent_ms) else manifest.started_ms or 0


def last_ms(manifest: Manifest, ledger: SentEvents) -> int:
    """Return the last time that a run's manifest and ledger name, milliseconds since 1970."""
    last = int(max(ledger.sent_ms.max(), ledger.answered_ms.max())) if len(ledger.sent_ms) else 0
    return max(last, manifest.finished_ms or 0)


def _blocks(plan: Plan) -> Iterator[pa.Table]:
    """Yield the plan's events as hashed rows, in blocks of visits; one empty block for an empty plan.

    The database converts one block to rows while Python renders the next.
    """
    engine = _row_converter()
    visitors = plan.settings.visitors
    with ThreadPoolExecutor(max_workers=1) as reader:
        pending: Future[pa.Table] | None = None
        for first in range(0, max(visitors, 1), _BLOCK_VISITS):
            events = list(plan.events(first, min(_BLOCK_VISITS, visitors - first)))
            if pending is not None:
                yield pending.result()
            pending = reader.submit(_planned_rows, events, engine)
        if pending is not None:
            yield pending.result()


def _planned_rows(events: Sequence[PlannedEvent], engine: DuckDbEngine) -> pa.Table:
    """Return events of the plan as hashed rows."""
    columns = (
        [event.visit for event in events],
        [event.position for event in events],
        [event.offset_ms for event in events],
    )
    _add_events([event.body for event in events], engine)
    rows = engine.table("rows_hashed")
    # The hashes stay the last columns.
    planned = _with_positions(rows.drop_columns(list(_HASHES)), *columns)
    for name in _HASHES:
        planned = planned.append_column(name, rows[name])
    return planned


def _ledger_bodies(plan: Plan, ledger: SentEvents, zero_ms: int) -> pa.Table:
    """Return the events whose bodies are in the ledger as flattened rows, each once."""
    # The ledger is sorted by visit, with the plan's visits first.
    start = int(np.searchsorted(ledger.visit, plan.settings.visitors))
    visit, position, intended = (
        column[start:].tolist() for column in (ledger.visit, ledger.position, ledger.intended_ms)
    )
    due_ms = dict(zip(zip(visit, position, strict=True), intended, strict=True))
    bodies = [_body(ledger, *event) for event in due_ms]
    offsets_ms = [intended_ms - zero_ms for intended_ms in due_ms.values()]
    engine = _row_converter()
    _add_events(bodies, engine)
    rows = engine.table("rows_flattened")
    return _with_positions(rows, [visit for visit, _ in due_ms], [position for _, position in due_ms], offsets_ms)


def _row_converter() -> DuckDbEngine:
    """Return an engine whose relation `rows_flattened` has the rows of the events that are added to it."""
    engine = DuckDbEngine()
    _add_events((), engine)
    engine.define("rows_flattened", "rows_flattened")
    return engine


def _add_events(bodies: Sequence[bytes], engine: DuckDbEngine) -> None:
    rows = rows_of(bodies, engine.connection)
    engine.add("events", rows.append_column("datacenter", pa.nulls(len(rows), pa.string())))


def _with_positions(
    rows: pa.Table, visits: Sequence[int], positions: Sequence[int], offsets_ms: Sequence[int]
) -> pa.Table:
    """Return flattened rows with the visit, position and due time of each."""
    for name, values in (("visit", visits), ("position", positions), ("offset_ms", offsets_ms)):
        rows = rows.append_column(name, pa.array(values, pa.int64()))
    return rows


def _body(ledger: SentEvents, visit: int, position: int) -> bytes:
    body = ledger.bodies.get((visit, position))
    if body is None:
        raise unknown_event(visit, position)
    return body
