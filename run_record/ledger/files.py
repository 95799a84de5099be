"""The ledger: what was put on the wire, written before the wire.

Each worker appends to a file of its own, `ledger/<worker>.ndjson`. A request is two rows: the *intent*, written
before the request is sent, and the *outcome*, written when an answer came or none will. A row is one `write` to
the operating system, so a worker that is killed leaves intents without outcomes and at most one half row at the
end of its file, which readers count and leave out. Requests that are sent, or answered, in the same moment may share a
row (`intents_row`, `outcomes_row`).

Events are named by (visit, position). An event of the plan can be made again from that and the run's manifest, so the
ledger needs a row a request, not a row an event. What a browser or the wiki had a part in cannot be made again: such an
intent carries the events themselves.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import orjson
from numpy.typing import NDArray

from common.errors import KitFaultError
from contracts.intake import EventAnswer, EventOutcome
from run_record.ledger.rows import WorkerLedger


class LedgerError(KitFaultError):
    """The ledger cannot be written: without it nothing may be sent."""


class Span(NamedTuple):
    """Consecutive events of one visit: *count* events from *position* (0 is the visit's first event)."""

    visit: int
    position: int
    count: int  # type: ignore[assignment]  # tuple has a method of that name


class LedgerWriter:
    """Appends one worker's requests to the ledger.

    Args:
        folder: the run's ledger folder.
        worker: a name no other worker of the run has; the writer refuses to continue a file that is there.

    Raises:
        LedgerError: the file exists or cannot be made.
    """

    def __init__(self, folder: Path, worker: str) -> None:
        self._path = folder / f"{worker}.ndjson"
        try:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        except OSError as error:
            raise LedgerError(f"the ledger {self._path} cannot be made: {error.strerror}") from error
        self._requests = 0

    def intend(self, spans: Sequence[Span], *, intended_ms: int, sent_ms: int, bodies: Sequence[bytes] = ()) -> int:
        """Write down that a request with *spans* is about to be sent; return the request's number.

        Args:
            spans: the events of the request, in the order they are sent.
            intended_ms: when the schedule wanted it sent, milliseconds since 1970.
            sent_ms: now, milliseconds since 1970.
            bodies: the events (UTF-8), where they cannot be made again.

        Raises:
            LedgerError: it could not be written, so the request must not be sent.
        """
        request = self.reserve(1)
        self.append(intent_row(request, spans, intended_ms=intended_ms, sent_ms=sent_ms, bodies=bodies))
        return request

    def reserve(self, count: int) -> int:
        """Return the first of *count* numbers for requests, whose rows the caller makes and appends."""
        first = self._requests
        self._requests += count
        return first

    def answered(self, request: int, answers: Sequence[EventAnswer], *, status: int | None, at_ms: int) -> None:
        """Write down what became of *request*: an answer for each of its events, in the order they were sent.

        Args:
            status: the HTTP status, or None when no answer came.
            at_ms: when the answer came or was given up, milliseconds since 1970.

        Raises:
            LedgerError: it could not be written; the request stays indeterminate.
        """
        self.append(outcome_row(request, answers, status=status, at_ms=at_ms))

    def append(self, row: bytes) -> None:
        """Append a row, or several at once, in one write. Raises LedgerError."""
        try:
            written = os.write(self._file, row)
        except OSError as error:
            raise LedgerError(f"the ledger {self._path} cannot be written: {error.strerror}") from error
        if written != len(row):
            raise LedgerError(f"the ledger {self._path} cannot be written: the disk is full")

    def close(self) -> None:
        """Close the file; the writer is of no use afterwards."""
        # Another file may get the same number: a row that comes too late must not land there.
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def append_rows(folder: Path, worker: str, rows: bytes) -> None:
    """Append *rows* to the ledger of a *worker* that does not see the run's *folder*. Raises OSError."""
    # Never through a link.
    file = os.open(folder / f"{worker}.ndjson", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
    try:
        os.write(file, rows)
    finally:
        os.close(file)


def intent_row(
    request: int, spans: Sequence[Span], *, intended_ms: int, sent_ms: int, bodies: Sequence[bytes] = ()
) -> bytes:
    """Return the row of a request that is about to be sent; see `LedgerWriter.intend`."""
    events = ",".join([f"[{visit},{position},{count}]" for visit, position, count in spans])
    carried = b',"bodies":%b' % orjson.dumps([body.decode() for body in bodies]) if bodies else b""
    return b'{"intent":%d,"events":[%b],"intended_ms":%d,"sent_ms":%d%b}\n' % (
        request, events.encode(), intended_ms, sent_ms, carried,
    )  # fmt: skip


def intents_row(
    first: int, visits: Sequence[int], positions: Sequence[int], *, size: int, intended_ms: Sequence[int], sent_ms: int
) -> bytes:
    """Return one row for several requests that are about to be sent, numbered from *first* on.

    Args:
        first: the first one's number.
        visits, positions: of the events; *size* of them belong to each request.
        size: events in each request.
        intended_ms: of each request, milliseconds since 1970.
        sent_ms: now, milliseconds since 1970.
    """
    row = {
        "intents": first, "visits": visits, "positions": positions, "size": size, "intended": intended_ms,
        "sent_ms": sent_ms,
    }  # fmt: skip
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def outcomes_row(requests: Sequence[int], outcome: EventOutcome, *, status: int, at_ms: int) -> bytes:
    """Return one row for several *requests* that were answered in the same moment, all their events alike."""
    row = {"outcomes": requests, "answered_ms": at_ms, "status": status, "answers": outcome.value}
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def outcome_row(request: int, answers: Sequence[EventAnswer], *, status: int | None, at_ms: int) -> bytes:
    """Return the row of what became of a request; see `LedgerWriter.answered`."""
    row: dict[str, object] = {"outcome": request, "answered_ms": at_ms, "status": status}
    row["answers"] = _compact(answers)
    if reason := next((answer.reason for answer in answers if answer.outcome is not EventOutcome.OK), ""):
        row["reason"] = reason
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def _compact(answers: Sequence[EventAnswer]) -> str | list[str]:
    """Return one word when all events of a request fared alike, as nearly always, else a word each."""
    outcomes = [answer.outcome.value for answer in answers]
    return outcomes[0] if len(set(outcomes)) == 1 else outcomes


class SentEvents(NamedTuple):
    """Every event that was put on the wire, one element an event, ordered by (visit, position).

    Attributes:
        visit, position: int64, int32; which event.
        worker: int16; index into *workers*.
        request: int64; number of the request within its worker.
        intended_ms, sent_ms: int64; milliseconds since 1970.
        answered_ms: int64; -1 when no outcome was written (the worker was killed).
        status: int16; HTTP status, 0 when no answer came.
        outcome: uint8; index into `OUTCOMES`.
        workers: names of the workers that wrote.
        reasons: why the events of a request were refused, by (worker, request).
        bodies: the events that cannot be made again, by (visit, position).
        broken: (file name, row number) of the rows that could not be read.
    """

    visit: NDArray[np.int64]
    position: NDArray[np.int32]
    worker: NDArray[np.int16]
    request: NDArray[np.int64]
    intended_ms: NDArray[np.int64]
    sent_ms: NDArray[np.int64]
    answered_ms: NDArray[np.int64]
    status: NDArray[np.int16]
    outcome: NDArray[np.uint8]
    workers: tuple[str, ...]
    reasons: dict[tuple[int, int], str]
    bodies: dict[tuple[int, int], bytes]
    broken: tuple[tuple[str, int], ...]


def read_ledger(folder: Path) -> SentEvents:
    """Read the ledgers of all workers in *folder*. Half rows are left out and named in `broken`.

    Raises:
        LedgerFormatError: a whole row is not one of the ledger's.
    """
    paths = sorted(folder.glob("*.ndjson"))
    reasons: dict[tuple[int, int], str] = {}
    bodies: dict[tuple[int, int], bytes] = {}
    broken: list[tuple[str, int]] = []
    parts = []
    for worker, path in enumerate(paths):
        read = WorkerLedger()
        broken += [(path.name, number) for number in read.read(path)]
        read.check(path)
        parts.append([*read.events(), np.full(read.count, worker, np.int16)])
        reasons |= {(worker, request): reason for request, reason in read.reasons.items()}
        bodies |= read.bodies
    columns: Sequence[NDArray[Any]] = (
        [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else _NO_EVENTS
    )
    places = columns[0] * _POSITIONS + columns[1]
    if (np.diff(places) < 0).any():
        # Workers write in the order of visits, so this merges a few sorted runs.
        order = np.argsort(places, kind="stable")
        columns = [column[order] for column in columns]
    visit, position, request, intended, sent, answered, status, outcome, worker_index = columns
    return SentEvents(
        visit, position, worker_index, request, intended, sent, answered, status, outcome,
        tuple(path.stem for path in paths), reasons, bodies, tuple(broken),
    )  # fmt: skip


#: What a run that sent nothing has, column by column.
_NO_EVENTS: list[NDArray[Any]] = [np.empty(0, kind) for kind in (
    np.int64, np.int32, np.int64, np.int64, np.int64, np.int64, np.int16, np.uint8, np.int16
)]  # fmt: skip

#: More positions than any visit has.
_POSITIONS = 1 << 20
