"""What a run put on the wire, made again from its plan and its ledger."""

from typing import NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from metrics_platform.errors import DogfoodError
from metrics_platform.table import rows_of
from personas.plan import Plan
from run_record.ledger import SentEvents

#: Events are turned into rows so many visits at a time, so that their JSON need not fit into memory.
_VISITS = 8_192


class LedgerMismatchError(DogfoodError):
    """The ledger names events that the plan does not have."""


class Sent(NamedTuple):
    """The events of a ledger, in its order.

    Attributes:
        rows: the events as rows of the table.
        offset_ms: int64; when each was due, in milliseconds after the run's zero.
        planned: how many events the plan has, sent or not.
    """

    rows: pa.Table
    offset_ms: NDArray[np.int64]
    planned: int


def send_again(plan: Plan, ledger: SentEvents, connection: duckdb.DuckDBPyConnection) -> Sent:
    """Make the events of *ledger* again, each as often as it was put on the wire.

    Raises:
        LedgerMismatchError: the ledger names an event that the plan does not have.
    """
    visitors = plan.settings.visitors
    tables = [rows_of([], connection)]
    offsets: list[int] = []
    planned = 0
    for first in range(0, visitors, _VISITS):
        visits = [plan.visit(index) for index in range(first, min(first + _VISITS, visitors))]
        planned += sum(map(len, visits))
        start, stop = np.searchsorted(ledger.visit, [first, first + _VISITS])
        bodies: list[bytes] = []
        for visit, position in zip(
            ledger.visit[start:stop].tolist(), ledger.position[start:stop].tolist(), strict=True
        ):
            if visit >= visitors or not 0 <= position < len(visits[visit - first]):
                raise _unknown(visit, position)
            event = visits[visit - first][position]
            bodies.append(event.body)
            offsets.append(event.offset_ms)
        tables.append(rows_of(bodies, connection))
    if len(offsets) < len(ledger.visit):
        outside = int(np.flatnonzero((ledger.visit < 0) | (ledger.visit >= visitors))[0])
        raise _unknown(int(ledger.visit[outside]), int(ledger.position[outside]))
    return Sent(pa.concat_tables(tables), np.array(offsets, dtype=np.int64), planned)


def _unknown(visit: int, position: int) -> LedgerMismatchError:
    return LedgerMismatchError(
        f"the ledger names event {position} of visit {visit}, which the plan does not have: is it this run's ledger?"
    )
