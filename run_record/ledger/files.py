"""Write and read the ledger: every request, recorded before it is sent.

Each worker appends to its file, `ledger/<worker>.ndjson`. A request has two rows: the *intent*, written before the
request is sent, and the *outcome*, written after the response or its timeout. A row is one `write` to the operating
system. So a killed worker leaves intents without outcomes and at most one incomplete row at the end of its file, which
readers count and skip. Requests that are sent, or answered, at the same time may share a row (`intents_row`,
`outcomes_row`).

Events are identified by (visit, position). An event of the plan can be recomputed from that and the run's manifest, so
the ledger has rows for requests and not for events. Events from a browser or the wiki cannot be recomputed: their
intents include the events.
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
    """The ledger cannot be written, so nothing may be sent."""


class Span(NamedTuple):
    """Consecutive events of one visit: *count* events from *position* (0 is the visit's first event)."""

    visit: int
    position: int
    count: int  # type: ignore[assignment]  # tuple has a method of that name


class LedgerWriter:
    """Appends one worker's requests to the ledger.

    Args:
        folder: folder of the run's ledger.
        worker: name of the worker, unique in the run; an existing file is not continued.

    Raises:
        LedgerError: the file exists or cannot be created.
    """

    def __init__(self, folder: Path, worker: str) -> None:
        self._path = folder / f"{worker}.ndjson"
        try:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        except OSError as error:
            raise LedgerError(f"the ledger {self._path} cannot be created: {error.strerror}") from error
        self._requests = 0

    def intend(self, spans: Sequence[Span], *, intended_ms: int, sent_ms: int, bodies: Sequence[bytes] = ()) -> int:
        """Record that a request with *spans* is about to be sent; return the number of the request.

        Args:
            spans: the events of the request, in order.
            intended_ms: intended time, milliseconds since 1970.
            sent_ms: current time, milliseconds since 1970.
            bodies: the events (UTF-8) that cannot be recomputed.

        Raises:
            LedgerError: the row cannot be written, so the request must not be sent.
        """
        request = self.reserve(1)
        self.append(intent_row(request, spans, intended_ms=intended_ms, sent_ms=sent_ms, bodies=bodies))
        return request

    def reserve(self, count: int) -> int:
        """Return the first of *count* request numbers, whose rows the caller appends."""
        first = self._requests
        self._requests += count
        return first

    def answered(self, request: int, answers: Sequence[EventAnswer], *, status: int | None, at_ms: int) -> None:
        """Record the outcome of *request*: an answer for each of its events, in the order they were sent.

        Args:
            status: the HTTP status; None without a response.
            at_ms: time of the response or the timeout, milliseconds since 1970.

        Raises:
            LedgerError: the row cannot be written; the request stays indeterminate.
        """
        self.append(outcome_row(request, answers, status=status, at_ms=at_ms))

    def append(self, row: bytes) -> None:
        """Append one or several rows in one write. Raises LedgerError."""
        try:
            written = os.write(self._file, row)
        except OSError as error:
            raise LedgerError(f"the ledger {self._path} cannot be written: {error.strerror}") from error
        if written != len(row):
            raise LedgerError(f"the ledger {self._path} cannot be written: the disk is full")

    def close(self) -> None:
        """Close the file."""
        # Another file may get the same descriptor, and a late row must not be written there.
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
    """Append *rows* to the ledger of a *worker* that has no access to the run's *folder*. Raises OSError."""
    # Symbolic links are not followed.
    file = os.open(folder / f"{worker}.ndjson", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
    try:
        os.write(file, rows)
    finally:
        os.close(file)


def intent_row(
    request: int, spans: Sequence[Span], *, intended_ms: int, sent_ms: int, bodies: Sequence[bytes] = ()
) -> bytes:
    """Return the row of a request before it is sent; see `LedgerWriter.intend`."""
    events = ",".join([f"[{visit},{position},{count}]" for visit, position, count in spans])
    extra = b',"bodies":%b' % orjson.dumps([body.decode() for body in bodies]) if bodies else b""
    return b'{"intent":%d,"events":[%b],"intended_ms":%d,"sent_ms":%d%b}\n' % (
        request, events.encode(), intended_ms, sent_ms, extra,
    )  # fmt: skip


def intents_row(
    first: int, visits: Sequence[int], positions: Sequence[int], *, size: int, intended_ms: Sequence[int], sent_ms: int
) -> bytes:
    """Return one row for several requests before they are sent, numbered from *first* on.

    Args:
        first: number of the first request.
        visits, positions: of the events; each request has *size* of them.
        size: number of events in each request.
        intended_ms: intended time of each request, milliseconds since 1970.
        sent_ms: current time, milliseconds since 1970.
    """
    row = {
        "intents": first, "visits": visits, "positions": positions, "size": size, "intended": intended_ms,
        "sent_ms": sent_ms,
    }  # fmt: skip
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def outcomes_row(requests: Sequence[int], outcome: EventOutcome, *, status: int, at_ms: int) -> bytes:
    """Return one row for several *requests* that were answered at the same time with the same outcome."""
    row = {"outcomes": requests, "answered_ms": at_ms, "status": status, "answers": outcome.value}
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def outcome_row(request: int, answers: Sequence[EventAnswer], *, status: int | None, at_ms: int) -> bytes:
    """Return the row with the outcome of a request; see `LedgerWriter.answered`."""
    row: dict[str, object] = {"outcome": request, "answered_ms": at_ms, "status": status}
    row["answers"] = _compact(answers)
    if reason := next((answer.reason for answer in answers if answer.outcome is not EventOutcome.OK), ""):
        row["reason"] = reason
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def _compact(answers: Sequence[EventAnswer]) -> str | list[str]:
    """Return one outcome if all events of a request have the same, else a list with one for each."""
    outcomes = [answer.outcome.value for answer in answers]
    return outcomes[0] if len(set(outcomes)) == 1 else outcomes


class SentEvents(NamedTuple):
    """Columns of all sent events, ordered by (visit, position).

    Attributes:
        visit, position: int64, int32; identify the event.
        worker: int16; index into *workers*.
        request: int64; number of the request within its worker.
        intended_ms, sent_ms: int64; milliseconds since 1970.
        answered_ms: int64; -1 without an outcome (the worker was killed).
        status: int16; HTTP status, 0 without a response.
        outcome: uint8; index into `OUTCOMES`.
        workers: names of the workers.
        reasons: reasons for refused events, by (worker, request).
        bodies: events that cannot be recomputed, by (visit, position).
        broken: (file name, row number) of incomplete rows.
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
    """Read the ledgers of all workers in *folder*. Incomplete rows are skipped and listed in `broken`.

    Raises:
        LedgerFormatError: a complete row is malformed.
    """
    paths = sorted(folder.glob("*.ndjson"))
    reasons: dict[tuple[int, int], str] = {}
    bodies: dict[tuple[int, int], bytes] = {}
    broken: list[tuple[str, int]] = []
    parts = []
    for worker, path in enumerate(paths):
        ledger = WorkerLedger()
        broken += [(path.name, number) for number in ledger.read(path)]
        ledger.check(path)
        parts.append([*ledger.events(), np.full(ledger.count, worker, np.int16)])
        reasons |= {(worker, request): reason for request, reason in ledger.reasons.items()}
        bodies |= ledger.bodies
    columns: Sequence[NDArray[Any]] = (
        [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else _NO_EVENTS
    )
    keys = columns[0] * _POSITIONS + columns[1]
    if (np.diff(keys) < 0).any():
        # Workers write in the order of visits, so this merges a few sorted sequences.
        order = np.argsort(keys, kind="stable")
        columns = [column[order] for column in columns]
    visit, position, request, intended, sent, answered, status, outcome, worker_index = columns
    return SentEvents(
        visit, position, worker_index, request, intended, sent, answered, status, outcome,
        tuple(path.stem for path in paths), reasons, bodies, tuple(broken),
    )  # fmt: skip


#: The columns of a run that sent no events.
_NO_EVENTS: list[NDArray[Any]] = [np.empty(0, kind) for kind in (
    np.int64, np.int32, np.int64, np.int64, np.int64, np.int64, np.int16, np.uint8, np.int16
)]  # fmt: skip

#: Upper bound of positions, exclusive.
_POSITIONS = 1 << 20
