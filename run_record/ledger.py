"""The ledger: what was put on the wire, written before the wire.

Each worker appends to a file of its own, `ledger/<worker>.ndjson`. A request is two rows: the *intent*, written
before the request is sent, and the *outcome*, written when an answer came or none will. A row is one `write` to
the operating system, so a worker that is killed leaves intents without outcomes and at most one half row at the
end of its file, which readers count and leave out.

Events are named by (visit, position). An event of the plan can be made again from that and the run's manifest, so the
ledger needs a row a request, not a row an event. What a browser or the wiki had a part in cannot be made again: such an
intent carries the events themselves.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import orjson
from numpy.typing import NDArray

from metrics_platform.errors import KitFaultError
from metrics_platform.intake import EventAnswer, EventOutcome

OUTCOMES = tuple(EventOutcome)

_CODES = {str(outcome): code for code, outcome in enumerate(OUTCOMES)}


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
        request = self._requests
        events = ",".join([f"[{visit},{position},{count}]" for visit, position, count in spans])
        carried = b',"bodies":%b' % orjson.dumps([body.decode() for body in bodies]) if bodies else b""
        self._append(
            b'{"intent":%d,"events":[%b],"intended_ms":%d,"sent_ms":%d%b}\n'
            % (request, events.encode(), intended_ms, sent_ms, carried)
        )
        self._requests += 1
        return request

    def answered(self, request: int, answers: Sequence[EventAnswer], *, status: int | None, at_ms: int) -> None:
        """Write down what became of *request*: an answer for each of its events, in the order they were sent.

        Args:
            status: the HTTP status, or None when no answer came.
            at_ms: when the answer came or was given up, milliseconds since 1970.

        Raises:
            LedgerError: it could not be written; the request stays indeterminate.
        """
        row: dict[str, object] = {"outcome": request, "answered_ms": at_ms, "status": status}
        row["answers"] = _compact(answers)
        if reason := next((answer.reason for answer in answers if answer.outcome is not EventOutcome.OK), ""):
            row["reason"] = reason
        self._append(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))

    def _append(self, row: bytes) -> None:
        try:
            written = os.write(self._file, row)
        except OSError as error:
            raise LedgerError(f"the ledger {self._path} cannot be written: {error.strerror}") from error
        if written != len(row):
            raise LedgerError(f"the ledger {self._path} cannot be written: the disk is full")

    def close(self) -> None:
        """Close the file; the writer is of no use afterwards."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


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
    """Read the ledgers of all workers in *folder*. Half rows are left out and named in `broken`."""
    paths = sorted(folder.glob("*.ndjson"))
    rows: list[tuple[int, ...]] = []
    reasons: dict[tuple[int, int], str] = {}
    bodies: dict[tuple[int, int], bytes] = {}
    broken: list[tuple[str, int]] = []
    for worker, path in enumerate(paths):
        intents, outcomes = _read_worker(path, broken)
        for request, intent in intents.items():
            outcome = outcomes.get(request)
            if outcome and "reason" in outcome:
                reasons[worker, request] = str(outcome["reason"])
            spans = intent["events"]
            rows.extend(_rows(worker, request, intent, outcome))
            if "bodies" in intent:
                places = [(visit, position + step) for visit, position, count in spans for step in range(count)]  # type: ignore[attr-defined]
                bodies |= zip(places, (body.encode() for body in intent["bodies"]), strict=False)  # type: ignore[attr-defined]
    table = _one_row_an_event(np.array(rows, dtype=np.int64).reshape(-1, 10))
    table = table[np.lexsort((table[:, 1], table[:, 0]))]
    types = (np.int64, np.int32, np.int16, np.int64, np.int64, np.int64, np.int64, np.int16, np.uint8)
    columns = [table[:, i].astype(kind) for i, kind in enumerate(types)]
    return SentEvents(*columns, tuple(path.stem for path in paths), reasons, bodies, tuple(broken))  # type: ignore[arg-type,call-arg]


def _read_worker(
    path: Path, broken: list[tuple[str, int]]
) -> tuple[dict[int, dict[str, object]], dict[int, dict[str, object]]]:
    intents: dict[int, dict[str, object]] = {}
    outcomes: dict[int, dict[str, object]] = {}
    for number, row in enumerate(_objects(path.read_bytes()), start=1):
        if isinstance(row, dict) and isinstance(row.get("intent"), int):
            intents[row["intent"]] = row
        elif isinstance(row, dict) and isinstance(row.get("outcome"), int):
            outcomes[row["outcome"]] = row
        else:
            broken.append((path.name, number))
    return intents, outcomes


def _objects(content: bytes) -> Iterable[object]:
    """Return what each line holds, None where it is no JSON or the last one has no end."""
    lines = content.splitlines(keepends=True)
    try:
        # All at once is several times as fast as line by line.
        rows = orjson.loads(b"[%b]" % b",".join(lines))
        if content.endswith(b"\n") and len(rows) == len(lines):
            return list(rows)
    except orjson.JSONDecodeError:
        pass
    return [_object(line) for line in lines]


def _object(line: bytes) -> object:
    try:
        return orjson.loads(line) if line.endswith(b"\n") else None
    except orjson.JSONDecodeError:
        return None


def _rows(
    worker: int, request: int, intent: dict[str, object], outcome: dict[str, object] | None
) -> Iterable[tuple[int, ...]]:
    """Yield a row a span, or a row an event where those of one request fared differently; the last column counts."""
    spans: list[list[int]] = intent["events"]  # type: ignore[assignment]
    times = (int(intent["intended_ms"]), int(intent["sent_ms"]))  # type: ignore[call-overload]
    if outcome is None:
        for visit, position, count in spans:
            yield (visit, position, worker, request, *times, -1, 0, _CODES["indeterminate"], count)
        return
    facts = (worker, request, *times, int(outcome["answered_ms"]), int(outcome["status"] or 0))  # type: ignore[call-overload]
    answers = outcome["answers"]
    if isinstance(answers, str):
        for visit, position, count in spans:
            yield (visit, position, *facts, _CODES[answers], count)
        return
    places = ((visit, position + step) for visit, position, count in spans for step in range(count))
    for place, answer in zip(places, answers, strict=True):  # type: ignore[call-overload]
        yield (*place, *facts, _CODES[answer], 1)


def _one_row_an_event(spans: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return rows of events, without their last column, for rows of which that counts the events of one span."""
    counts = spans[:, 9]
    rows = np.repeat(spans[:, :9], counts, axis=0)
    begins = np.cumsum(counts) - counts
    rows[:, 1] += np.arange(len(rows)) - np.repeat(begins, counts)
    return rows
