"""Types of the ledger's rows with their bounds; `run_record.ledger.files` describes the rows."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from common.errors import DogfoodError
from common.typed_json import NonNegative, Origin, TimestampMs, convert
from contracts.intake import EventOutcome

#: Upper bounds (exclusive) of the visits of a plan and a roster, and of the positions in a visit.
MOST_VISITS, MOST_POSITIONS = 2**33, 2**20

#: Upper bounds of times, milliseconds since 1970, and of request numbers.
LAST_MS, MOST_REQUESTS = 4_000_000_000_000, 2**53

_Visit = Annotated[int, msgspec.Meta(ge=0, lt=MOST_VISITS)]
_Position = Annotated[int, msgspec.Meta(ge=0, lt=MOST_POSITIONS)]
_Count = Annotated[int, msgspec.Meta(ge=1, lt=MOST_POSITIONS)]
_Status = Annotated[int, msgspec.Meta(ge=0, le=999)]


class LedgerFormatError(DogfoodError):
    """A malformed row: the ledger was changed or damaged after it was written."""

    page = "docs/guide/troubleshooting.md"


class IntentRow(msgspec.Struct, forbid_unknown_fields=True):
    """A request, written before it is sent."""

    intent: NonNegative
    events: list[tuple[_Visit, _Position, _Count]]
    intended_ms: TimestampMs
    sent_ms: TimestampMs
    bodies: list[str] = []


class IntentsRow(msgspec.Struct, forbid_unknown_fields=True):
    """Several requests, written before they are sent."""

    intents: NonNegative
    visits: list[_Visit]
    positions: list[_Position]
    size: _Count
    intended: list[TimestampMs]
    sent_ms: TimestampMs


class OutcomeRow(msgspec.Struct, forbid_unknown_fields=True):
    """The outcome of a request."""

    outcome: NonNegative
    answered_ms: TimestampMs
    answers: EventOutcome | list[EventOutcome]
    status: _Status | None
    reason: str = ""


class OutcomesRow(msgspec.Struct, forbid_unknown_fields=True):
    """The common outcome of several requests."""

    outcomes: list[NonNegative]
    answered_ms: TimestampMs
    answers: EventOutcome
    status: _Status | None


_KINDS: Mapping[str, type[msgspec.Struct]] = {
    "intent": IntentRow, "intents": IntentsRow, "outcome": OutcomeRow, "outcomes": OutcomesRow,
}  # fmt: skip


def checked(row: object, origin: Origin, line: int) -> Mapping[str, Any]:
    """Return *row*, the value of a line, when it is a row of the ledger. Raises LedgerFormatError."""
    if not isinstance(row, dict):
        raise origin.fault("it is not an object", line=line)
    kind = next((kind for name, kind in _KINDS.items() if name in row), None)
    if kind is None:
        raise origin.fault(f"it has none of the fields {', '.join(_KINDS)}", line=line)
    typed = convert(row, kind, origin, line=line)
    if isinstance(typed, IntentsRow):
        events = typed.size * len(typed.intended)
        if not len(typed.visits) == len(typed.positions) == events:
            raise origin.fault(f"its requests have {events} events, and it names others", line=line, field="visits")
    if isinstance(typed, IntentRow) and typed.bodies and len(typed.bodies) != sum(span[2] for span in typed.events):
        raise origin.fault("it needs one body for each event", line=line, field="bodies")
    return row
