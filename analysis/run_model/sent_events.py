"""What a run put on the wire: events of the plan, made again, and those that the ledger carries.

Making a plan's events again is most of what judging a run costs, and always gives the same. So their rows are kept
beside the run, in `planned.parquet`, with a fingerprint of the plan's settings and of the columns; a file of another
plan is made anew. They are numbered as DuckDB does it; another engine numbers them itself.
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

from analysis.engines.duckdb_engine import DuckDbEngine, QueryEngine, sql
from common.atomic_write import replacing
from common.errors import DogfoodError
from contracts.table import rows_of
from personas.plan.blocks import PlannedEvent
from personas.plan.plan import Plan
from run_record.ledger.files import SentEvents
from run_record.manifest import Manifest

PLANNED = "planned.parquet"

#: Events are turned into rows so many visits at a time, so that their JSON need not fit into memory.
_VISITS = 8_192

_FINGERPRINT = b"plan"

#: What `analysis/sql/numbered.sql` adds.
_NUMBERS = ("id_number", "content")

#: An event's place is its visit's number times this, and its position; `analysis/sql/` has it written out.
_PLACES = 1 << 20


class LedgerMismatchError(DogfoodError):
    """The ledger names events that the plan does not have."""


class PlannedTotals(NamedTuple):
    """What the plan has, sent or not.

    Attributes:
        planned: how many events.
        impressing, clicking: visits that have an impression, or a click; rising.
    """

    planned: int
    impressing: NDArray[np.int64]
    clicking: NDArray[np.int64]


def keep_planned(run: Path, plan: Plan) -> Path:
    """Write the rows of all events of *plan* into the folder *run*, unless they are there; return the file.

    The columns are those of `analysis/sql/numbered.sql`, and `visit`, `position` and `offset_ms` of each event.

    Raises:
        DogfoodError: the file cannot be written.
    """
    path = run / PLANNED
    columns = [sql("flat"), sql("numbered"), DuckDbEngine.hashes]
    made_of = orjson.dumps([plan.settings.to_json(), columns], option=orjson.OPT_SORT_KEYS)
    mark = hashlib.sha256(made_of).hexdigest().encode()
    try:
        if path.is_file() and (pq.read_schema(path).metadata or {}).get(_FINGERPRINT) == mark:
            return path
        with replacing(path) as temporary:
            _write(temporary, plan, mark)
    except (OSError, pa.ArrowInvalid) as error:
        raise DogfoodError(f"{path} cannot be written: {error}") from error
    return path


def load_sent(
    run: Path, plan: Plan, ledger: SentEvents, facts: pa.Table, zero_ms: int, engine: QueryEngine
) -> PlannedTotals:
    """Define the table `sent`: every event of *ledger*, as often as it was put on the wire, and its facts.

    The table `said` has each event once, without its facts, which takes less to read where nothing was left out.

    Args:
        run: the run's folder.
        plan: of the run.
        ledger: of the run.
        facts: what is known of each sent event besides its content, by `place`.
        zero_ms: when the plan began to be played, milliseconds since 1970.
        engine: has the table `asked`, and gets the table.

    Raises:
        LedgerMismatchError: the ledger names an event that the plan does not have, and does not carry it.
        DogfoodError: the rows cannot be kept in the run's folder.
    """
    path = keep_planned(run, plan)
    if engine.hashes == DuckDbEngine.hashes:
        engine.add_parquet("planned_numbered", path)
    else:
        engine.add_parquet("planned_rows", path, without=_NUMBERS)
        engine.define("planned_numbered", "numbered", flat="planned_rows")
    engine.define("planned", "marked", numbered="planned_numbered")
    engine.add("carried_rows", _carried(plan, ledger, zero_ms))
    engine.define("carried_numbered", "numbered", flat="carried_rows")
    engine.define("carried_marked", "marked", numbered="carried_numbered")
    engine.keep("carried", "carried")
    engine.add("facts", facts)
    engine.define("sent", "sent")
    visits = engine.columns("planned_visits")
    planned = int(visits["events"].sum())
    # The ledger is in the order of visits, and the plan's come first.
    own = int(np.searchsorted(ledger.visit, plan.settings.visitors))
    _check_planned(ledger.visit[:own], ledger.position[:own], visits, plan.settings.visitors)
    # Each event of the ledger is in the plan, so as many places as the plan has events are all of them.
    once = own == planned and bool((np.diff(places(ledger)) > 0).all())
    if once:
        engine.define("said", "said")
    else:
        engine.define("planned_and_sent", "planned_and_sent")
        engine.define("said", "said", planned="planned_and_sent")
    return PlannedTotals(
        planned=planned,
        impressing=visits["visit"].astype(np.int64),
        clicking=visits["visit"].astype(np.int64)[visits["clicks"].astype(np.int64) > 0],
    )


def _check_planned(
    visit: NDArray[np.int64], position: NDArray[np.int32], visits: Mapping[str, NDArray[np.generic]], visitors: int
) -> None:
    """Raise LedgerMismatchError for the first sent event that its visit of the plan does not have."""
    events = np.zeros(visitors, np.int64)
    events[visits["visit"].astype(np.int64)] = visits["events"]
    strange = np.flatnonzero((position < 0) | (position >= events[visit]))
    if len(strange):
        raise unknown_event(int(visit[strange[0]]), int(position[strange[0]]))


def places(ledger: SentEvents) -> NDArray[np.int64]:
    """Return the number that stands for the place of each event of *ledger*; rising, but for what was sent twice."""
    found: NDArray[np.int64] = ledger.visit * _PLACES + ledger.position
    return found


def unknown_event(visit: int, position: int) -> LedgerMismatchError:
    """Return the error for an event of the ledger that is in no plan."""
    return LedgerMismatchError(
        f"the ledger names event {position} of visit {visit}, which the plan does not have: is it this run's ledger?"
    )


def _write(path: Path, plan: Plan, mark: bytes) -> None:
    writer: pq.ParquetWriter | None = None
    for rows in _blocks(plan):
        if writer is None:
            schema = rows.schema.with_metadata({_FINGERPRINT: mark})
            writer = pq.ParquetWriter(path, schema, compression="zstd")
        writer.write_table(rows.cast(writer.schema))
    if writer is not None:
        writer.close()


def first_ms(manifest: Manifest, ledger: SentEvents) -> int:
    """Return when a run sent its first event, or began if it sent none, in milliseconds since 1970."""
    return int(ledger.sent_ms.min()) if len(ledger.sent_ms) else manifest.started_ms or 0


def last_ms(manifest: Manifest, ledger: SentEvents) -> int:
    """Return when a run had ended, as far as its manifest and ledger know, in milliseconds since 1970."""
    last = int(max(ledger.sent_ms.max(), ledger.answered_ms.max())) if len(ledger.sent_ms) else 0
    return max(last, manifest.finished_ms or 0)


def _blocks(plan: Plan) -> Iterator[pa.Table]:
    """Yield the plan's events as flat rows, some thousand visits at a time; one empty block when there are none.

    While one block is read into rows, which is the database's work, the next is rendered, which is Python's.
    """
    engine = _database()
    visitors = plan.settings.visitors
    with ThreadPoolExecutor(max_workers=1) as reader:
        waiting: Future[pa.Table] | None = None
        for first in range(0, max(visitors, 1), _VISITS):
            events = list(plan.events(first, min(_VISITS, visitors - first)))
            if waiting is not None:
                yield waiting.result()
            waiting = reader.submit(_planned, events, engine)
        if waiting is not None:
            yield waiting.result()


def _planned(events: Sequence[PlannedEvent], engine: DuckDbEngine) -> pa.Table:
    """Return events of the plan as numbered rows."""
    places = (
        [event.visit for event in events],
        [event.position for event in events],
        [event.offset_ms for event in events],
    )
    _add_events([event.body for event in events], engine)
    rows = engine.table("numbered")
    placed = _placed(rows.drop_columns(list(_NUMBERS)), *places)
    for name in _NUMBERS:
        placed = placed.append_column(name, rows[name])
    return placed


def _carried(plan: Plan, ledger: SentEvents, zero_ms: int) -> pa.Table:
    """Return the events that the ledger carries as flat rows, each once."""
    # The ledger is in the order of visits, and those that it carries come after the plan's.
    start = int(np.searchsorted(ledger.visit, plan.settings.visitors))
    visit, position, intended = (
        column[start:].tolist() for column in (ledger.visit, ledger.position, ledger.intended_ms)
    )
    due = dict(zip(zip(visit, position, strict=True), intended, strict=True))
    bodies = [_body(ledger, place) for place in due]
    offsets = [moment - zero_ms for moment in due.values()]
    engine = _database()
    _add_events(bodies, engine)
    return _placed(engine.table("flat"), [place[0] for place in due], [place[1] for place in due], offsets)


def _database() -> DuckDbEngine:
    """Return a database whose table `flat` has the events that are added to it."""
    engine = DuckDbEngine()
    _add_events((), engine)
    engine.define("flat", "flat")
    return engine


def _add_events(bodies: Sequence[bytes], engine: DuckDbEngine) -> None:
    rows = rows_of(bodies, engine.connection)
    engine.add("events", rows.append_column("datacenter", pa.nulls(len(rows), pa.string())))


def _placed(rows: pa.Table, visits: Sequence[int], positions: Sequence[int], offsets_ms: Sequence[int]) -> pa.Table:
    """Return flat rows with the visit, the position and the due time of each."""
    for name, values in (("visit", visits), ("position", positions), ("offset_ms", offsets_ms)):
        rows = rows.append_column(name, pa.array(values, pa.int64()))
    return rows


def _body(ledger: SentEvents, place: tuple[int, int]) -> bytes:
    body = ledger.bodies.get(place)
    if body is None:
        raise unknown_event(*place)
    return body
