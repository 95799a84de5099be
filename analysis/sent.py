"""What a run put on the wire: events of the plan, made again, and those that the ledger carries.

Making a plan's events again is most of what judging a run costs, and always gives the same. So their rows are kept
beside the run, in `planned.parquet`, with the fingerprint of the plan's settings; a file of another plan is made anew.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from analysis.engine import DuckDb
from metrics_platform.errors import DogfoodError
from metrics_platform.table import rows_of
from personas.plan import Plan
from run_record.ledger import SentEvents

PLANNED = "planned.parquet"

#: Events are turned into rows so many visits at a time, so that their JSON need not fit into memory.
_VISITS = 8_192

_FINGERPRINT = b"plan"


class LedgerMismatchError(DogfoodError):
    """The ledger names events that the plan does not have."""


class Made(NamedTuple):
    """What the plan has, sent or not.

    Attributes:
        planned: how many events.
        impressing, clicking: visits that have an impression, or a click; rising.
        first_ms, last_ms: when the first and the last event that was sent were due, milliseconds since 1970; 0 when
            nothing was sent.
    """

    planned: int
    impressing: NDArray[np.int64]
    clicking: NDArray[np.int64]
    first_ms: int
    last_ms: int


def keep_planned(run: Path, plan: Plan) -> Path:
    """Write the rows of all events of *plan* into the folder *run*, unless they are there; return the file.

    The columns are those of `analysis/sql/flat.sql`, and `visit`, `position` and `offset_ms` of each event.

    Raises:
        DogfoodError: the file cannot be written.
    """
    path = run / PLANNED
    mark = hashlib.sha256(orjson.dumps(plan.settings.to_json(), option=orjson.OPT_SORT_KEYS)).hexdigest().encode()
    try:
        if path.is_file() and (pq.read_schema(path).metadata or {}).get(_FINGERPRINT) == mark:
            return path
        unfinished = path.with_suffix(".unfinished")
        _write(unfinished, plan, mark)
        unfinished.replace(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DogfoodError(f"{path} cannot be written: {error}") from error
    return path


def load_sent(run: Path, plan: Plan, ledger: SentEvents, facts: pa.Table, engine: DuckDb) -> Made:
    """Define the table `sent`: every event of *ledger*, as often as it was put on the wire, and its facts.

    Args:
        run: the run's folder.
        plan: of the run.
        ledger: of the run.
        facts: what is known of each sent event besides its content, in the ledger's order, by `visit` and `position`.
        engine: has the table `asked`, and gets the table.

    Raises:
        LedgerMismatchError: the ledger names an event that the plan does not have, and does not carry it.
        DogfoodError: the rows cannot be kept in the run's folder.
    """
    visitors = plan.settings.visitors
    engine.add_parquet("planned_rows", keep_planned(run, plan))
    engine.define("planned", "marked", flat="planned_rows")
    engine.add("carried_rows", _carried(ledger, visitors, engine))
    engine.define("carried_marked", "marked", flat="carried_rows")
    engine.keep("carried", "carried")
    # The ledger is in the order of visits, and those that it carries come after the plan's.
    start = int(np.searchsorted(ledger.visit, visitors))
    engine.add("planned_facts", facts.slice(0, start))
    engine.add("carried_facts", _numbered(facts.slice(start)))
    engine.define("sent", "sent")
    for row in engine.ask("unplanned"):
        raise unknown_event(int(str(row["visit"])), int(str(row["position"])))
    [span] = engine.ask("sent_span")
    visits = engine.columns("planned_visits")
    return Made(
        planned=int(visits["events"].sum()),
        impressing=visits["visit"].astype(np.int64),
        clicking=visits["visit"].astype(np.int64)[visits["clicks"].astype(np.int64) > 0],
        first_ms=int(str(span["first_ms"])),
        last_ms=int(str(span["last_ms"])),
    )


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


def _blocks(plan: Plan) -> Iterator[pa.Table]:
    """Yield the plan's events as flat rows, some thousand visits at a time; one empty block when there are none."""
    engine = DuckDb()
    visitors = plan.settings.visitors
    for first in range(0, max(visitors, 1), _VISITS):
        events = list(plan.events(first, min(_VISITS, visitors - first)))
        engine.add("events", rows_of([event.body for event in events], engine.connection))
        rows = engine.table("flat")
        for name, values in (
            ("visit", [event.visit for event in events]),
            ("position", [event.position for event in events]),
            ("offset_ms", [event.offset_ms for event in events]),
        ):
            rows = rows.append_column(name, pa.array(values, pa.int64()))
        yield rows


def _numbered(rows: pa.Table) -> pa.Table:
    return rows.append_column("number", pa.array(np.arange(len(rows))))


def _carried(ledger: SentEvents, visitors: int, engine: DuckDb) -> pa.Table:
    """Return the events that the ledger carries as flat rows, numbered in its order."""
    start = int(np.searchsorted(ledger.visit, visitors))
    places = zip(ledger.visit[start:].tolist(), ledger.position[start:].tolist(), strict=True)
    engine.add("carried_events", rows_of([_body(ledger, place) for place in places], engine.connection))
    return _numbered(engine.table("flat", events="carried_events"))


def _body(ledger: SentEvents, place: tuple[int, int]) -> bytes:
    body = ledger.bodies.get(place)
    if body is None:
        raise unknown_event(*place)
    return body
