"""What a run put on the wire: events of the plan, made again from the ledger, and those that the ledger carries."""

from typing import NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from metrics_platform.errors import DogfoodError
from metrics_platform.table import rows_of
from personas.blocks import PlannedEvent
from personas.plan import Plan
from run_record.ledger import SentEvents

#: Events are turned into rows so many visits at a time, so that their JSON need not fit into memory.
_VISITS = 8_192

_CLICK = b'{"action":"click"'


class LedgerMismatchError(DogfoodError):
    """The ledger names events that the plan does not have."""


class Sent(NamedTuple):
    """The events of a ledger, in its order.

    Attributes:
        rows: the events as rows of the table.
        due_ms: int64; when each was due, milliseconds since 1970.
        planned: how many events the plan has, sent or not.
        impressing, clicking: visits of the plan that have an impression, or a click; rising.
    """

    rows: pa.Table
    due_ms: NDArray[np.int64]
    planned: int
    impressing: NDArray[np.int64]
    clicking: NDArray[np.int64]


def send_again(plan: Plan, ledger: SentEvents, zero_ms: int, connection: duckdb.DuckDBPyConnection) -> Sent:
    """Make the events of *ledger* again, each as often as it was put on the wire.

    Args:
        plan: of the run.
        ledger: of the run.
        zero_ms: when the plan began to be played, milliseconds since 1970.
        connection: turns events into rows.

    Raises:
        LedgerMismatchError: the ledger names an event that the plan does not have, and does not carry it.
    """
    visitors = plan.settings.visitors
    tables = [rows_of([], connection)]
    due: list[int] = []
    planned, impressing, clicking = 0, [], []
    for first in range(0, visitors, _VISITS):
        visits = [plan.visit(index) for index in range(first, min(first + _VISITS, visitors))]
        planned += sum(map(len, visits))
        impressing += [first + index for index, events in enumerate(visits) if events]
        clicking += [first + index for index, events in enumerate(visits) if any(map(_is_click, events))]
        start, stop = np.searchsorted(ledger.visit, [first, min(first + _VISITS, visitors)])
        events = [_planned(visits, first, place) for place in _places(ledger, start, stop)]
        due += [zero_ms + event.offset_ms for event in events]
        tables.append(rows_of([event.body for event in events], connection))
    start = int(np.searchsorted(ledger.visit, visitors))
    tables.append(rows_of([_carried(ledger, place) for place in _places(ledger, start, None)], connection))
    due += ledger.intended_ms[start:].tolist()
    return Sent(
        pa.concat_tables(tables), np.array(due, np.int64), planned,
        np.array(impressing, np.int64), np.array(clicking, np.int64),
    )  # fmt: skip


def _places(ledger: SentEvents, start: int, stop: int | None) -> list[tuple[int, int]]:
    return list(zip(ledger.visit[start:stop].tolist(), ledger.position[start:stop].tolist(), strict=True))


def _planned(visits: list[list[PlannedEvent]], first: int, place: tuple[int, int]) -> PlannedEvent:
    visit, position = place
    if visit < 0 or not 0 <= position < len(visits[visit - first]):
        raise unknown_event(*place)
    return visits[visit - first][position]


def _carried(ledger: SentEvents, place: tuple[int, int]) -> bytes:
    body = ledger.bodies.get(place)
    if body is None:
        raise unknown_event(*place)
    return body


def _is_click(event: PlannedEvent) -> bool:
    return event.body.startswith(_CLICK)


def unknown_event(visit: int, position: int) -> LedgerMismatchError:
    """Return the error for an event of the ledger that is in no plan."""
    return LedgerMismatchError(
        f"the ledger names event {position} of visit {visit}, which the plan does not have: is it this run's ledger?"
    )
