"""Reading what one worker wrote into the ledger: `run_record.ledger.files` tells what the rows are."""

import re
from array import array
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import json as pa_json

from common.typed_json import Origin
from contracts.intake import EventOutcome
from run_record.ledger.types import LAST_MS, MOST_POSITIONS, MOST_REQUESTS, MOST_VISITS, LedgerFormatError, checked

OUTCOMES = tuple(EventOutcome)

#: The requests' numbers in a row for several that were answered in the same moment.
_SEVERAL = re.compile(rb'\{"outcomes":\[([0-9,]+)\]')

#: The visits, one an event, in a row for several requests that were sent in the same moment.
_SEVERAL_SENT = re.compile(rb'\{"intents":[0-9]+,"visits":\[([0-9,]+)\]')
_ONE_SENT = b'{"intent":'

CODES = {str(outcome): code for code, outcome in enumerate(OUTCOMES)}


class WorkerLedger:
    """What one worker wrote: numbers in arrays, as there may be many millions of them.

    Attributes:
        count: events that were put on the wire.
        reasons: why the events of a request were refused, by request.
        bodies: the events that the ledger carries, by (visit, position).
    """

    def __init__(self) -> None:
        self.count = 0
        self.reasons: dict[int, str] = {}
        self.bodies: dict[tuple[int, int], bytes] = {}
        # (visit, position, count) of every span, one after the other.
        self._spans = array("q")
        # (request, events, intended_ms, sent_ms) of every intent.
        self._intents = array("q")
        # (request, answered_ms, status, outcome) of every answer.
        self._answers = array("q")
        self._several: dict[int, list[str]] = {}
        # Where the answers are that name an outcome an event.
        self._lines: dict[int, int] = {}

    def read(self, path: Path) -> list[int]:
        """Take in the rows of a file; return the numbers (1 is the first) of the lines that are not JSON.

        Raises:
            LedgerFormatError: a line is JSON, and not a row of the ledger.
        """
        origin = Origin(path, LedgerFormatError)
        broken: list[int] = []
        number = 0
        with path.open("rb") as file:
            while lines := file.readlines(_BLOCK_BYTES):
                # Nearly all of a ledger is plain rows, and those are read a block at a time; any others one by one.
                if not self._take_block(b"".join(lines), len(lines)):
                    broken += self._take_lines(lines, number, origin)
                number += len(lines)
        return broken

    def _take_lines(self, lines: list[bytes], before: int, origin: Origin) -> list[int]:
        """Take in *lines*, which come after *before* others; return the numbers of those that are not JSON."""
        broken: list[int] = []
        for number, line in enumerate(lines, start=before + 1):
            row = _object(line)
            if row is _NOTHING:
                broken.append(number)
                continue
            for single in singly(checked(row, origin, number)):
                self.take(single)
                answers = single.get("answers")
                if isinstance(answers, list):
                    self._lines[single["outcome"]] = number
        return broken

    def check(self, path: Path) -> None:
        """Refuse answers that name other than one outcome an event. Raises LedgerFormatError."""
        for request, events, *_ in (
            np.frombuffer(self._intents, np.int64).reshape(-1, 4).tolist() if self._several else ()
        ):
            answers = self._several.get(request)
            if answers is not None and len(answers) != events:
                why = f"request {request} has {events} events, and {len(answers)} answers"
                raise Origin(path, LedgerFormatError).fault(why, line=self._lines.get(request, 0), field="answers")

    def _take_block(self, block: bytes, count: int) -> bool:
        """Take in *count* rows at once; return False, having taken none, where one of them is not plain."""
        if not block.endswith(b"\n"):
            return False
        try:
            rows = pa_json.read_json(pa.BufferReader(block), _AT_ONCE, _PLAIN).combine_chunks()
        except pa.ArrowInvalid:
            return False
        kinds = {name: rows.filter(pc.is_valid(rows[name])) for name in _NEEDED}
        if sum(map(len, kinds.values())) != count:
            return False
        if any(kinds[kind][name].null_count for kind, names in _NEEDED.items() for name in names):
            return False
        codes = {kind: pc.index_in(kinds[kind]["answers"], pa.array(CODES)) for kind in ("outcome", "outcomes")}
        spans = pc.list_flatten(kinds["intent"]["events"])
        parts = [pc.list_flatten(spans), *(pc.list_flatten(kinds["intents"][name]) for name in _LISTS)]
        if any(column.null_count for column in (spans, *parts, *codes.values())):
            return False
        if len(spans) and set(pc.unique(pc.list_value_length(spans)).to_pylist()) != {3}:
            return False
        if not _agree(kinds["intents"]) or not _in_bounds(kinds, parts[0]):
            return False
        self._take_intents(kinds["intent"], parts[0].to_numpy().reshape(-1, 3))
        self._take_several(kinds["intents"])
        self._take_outcomes(kinds["outcome"], codes["outcome"])
        self._take_several_outcomes(kinds["outcomes"], codes["outcomes"])
        return True

    def _take_intents(self, intents: pa.Table, spans: NDArray[np.int64]) -> None:
        owner = pc.list_parent_indices(intents["events"].combine_chunks()).to_numpy()
        events = np.bincount(owner, weights=spans[:, 2], minlength=len(intents)).astype(np.int64)
        numbers = [intents[name].to_numpy() for name in ("intent", "intended_ms", "sent_ms")]
        self._spans.frombytes(spans.tobytes())
        self._intents.frombytes(_rows(numbers[0], events, *numbers[1:]))
        self.count += int(events.sum())

    def _take_several(self, rows: pa.Table) -> None:
        visits, positions, intended = (pc.list_flatten(rows[name]).to_numpy() for name in _LISTS)
        requests = pc.list_value_length(rows["intended"]).to_numpy()
        first, size, sent = (np.repeat(rows[name].to_numpy(), requests) for name in ("intents", "size", "sent_ms"))
        within = np.arange(len(first)) - np.repeat(np.cumsum(requests) - requests, requests)
        self._spans.frombytes(_rows(visits, positions, np.ones(len(visits), np.int64)))
        self._intents.frombytes(_rows(first + within, size, intended, sent))
        self.count += len(visits)

    def _take_outcomes(self, outcomes: pa.Table, codes: pa.ChunkedArray) -> None:
        at_ms, status = outcomes["answered_ms"].to_numpy(), pc.fill_null(outcomes["status"], 0).to_numpy()
        self._answers.frombytes(_rows(outcomes["outcome"].to_numpy(), at_ms, status, codes.to_numpy()))
        said = outcomes.filter(pc.is_valid(outcomes["reason"]))
        self.reasons |= zip(said["outcome"].to_pylist(), said["reason"].to_pylist(), strict=True)

    def _take_several_outcomes(self, rows: pa.Table, codes: pa.ChunkedArray) -> None:
        requests = pc.list_value_length(rows["outcomes"]).to_numpy()
        status = pc.fill_null(rows["status"], 0).to_numpy()
        columns = (np.repeat(column, requests) for column in (rows["answered_ms"].to_numpy(), status, codes.to_numpy()))
        self._answers.frombytes(_rows(pc.list_flatten(rows["outcomes"]).to_numpy(), *columns))

    def take(self, row: Mapping[str, Any]) -> None:
        """Take in a row that was checked, of one request."""
        if "intent" in row:
            self._intend(row)
        else:
            self._answer(row)

    def _intend(self, row: Mapping[str, Any]) -> None:
        spans = row["events"]
        self._spans.extend(chain.from_iterable(spans))
        events = sum(span[2] for span in spans)
        self._intents.extend((row["intent"], events, int(row["intended_ms"]), int(row["sent_ms"])))
        self.count += events
        if "bodies" in row:
            places = ((visit, position + step) for visit, position, count in spans for step in range(count))
            self.bodies |= zip(places, (body.encode() for body in row["bodies"]), strict=False)

    def _answer(self, row: Mapping[str, Any]) -> None:
        request, answers = row["outcome"], row["answers"]
        same = isinstance(answers, str)
        code = CODES[answers] if same else -1
        self._answers.extend((request, int(row["answered_ms"]), int(row["status"] or 0), code))
        if not same:
            self._several[request] = answers
        if "reason" in row:
            self.reasons[request] = str(row["reason"])

    def events(self) -> list[NDArray[Any]]:
        """Return a row an event: visit, position, request, intended_ms, sent_ms, answered_ms, status, outcome."""
        intents = np.frombuffer(self._intents, np.int64).reshape(-1, 4)
        requests, events_of = intents[:, 0], intents[:, 1]
        spans = np.frombuffer(self._spans, np.int64).reshape(-1, 3)
        counts = spans[:, 2]
        within = np.arange(self.count) - np.repeat(np.cumsum(counts) - counts, counts)
        answered, status, outcome = (np.repeat(column, events_of) for column in self._answers_of(requests))
        ends = np.cumsum(events_of)
        for index in np.flatnonzero(np.isin(requests, list(self._several))).tolist():
            first = int(ends[index] - events_of[index])
            codes = [CODES[answer] for answer in self._several[int(requests[index])]]
            outcome[first : first + int(events_of[index])] = codes
        return [
            np.repeat(spans[:, 0], counts),
            (np.repeat(spans[:, 1], counts) + within).astype(np.int32),
            np.repeat(requests, events_of),
            np.repeat(intents[:, 2], events_of),
            np.repeat(intents[:, 3], events_of),
            answered,
            status,
            outcome,
        ]

    def _answers_of(self, requests: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return when each of *requests* was answered, with what status and outcome; -1, 0, indeterminate if never."""
        answers = np.frombuffer(self._answers, np.int64).reshape(-1, 4)
        times = np.full(len(requests), -1, np.int64)
        status = np.zeros(len(requests), np.int16)
        outcome = np.full(len(requests), CODES["indeterminate"], np.uint8)
        _, mine, theirs = np.intersect1d(requests, answers[:, 0], return_indices=True)
        times[mine], status[mine] = answers[theirs, 1], answers[theirs, 2]
        outcome[mine] = np.maximum(answers[theirs, 3], 0)
        return times, status, outcome


#: What a line holds that is not JSON.
_NOTHING = object()

#: The bounds of a span's visit, position and count, and of the columns of plain rows: what each has to be below.
_SPAN_BOUNDS = ((0, MOST_VISITS), (0, MOST_POSITIONS), (1, MOST_POSITIONS))
_BOUNDS = {
    "intent": MOST_REQUESTS, "intents": MOST_REQUESTS, "outcome": MOST_REQUESTS, "outcomes": MOST_REQUESTS,
    "intended_ms": LAST_MS, "sent_ms": LAST_MS, "answered_ms": LAST_MS, "intended": LAST_MS, "visits": MOST_VISITS,
    "positions": MOST_POSITIONS, "size": MOST_POSITIONS, "status": 1000,
}  # fmt: skip

#: So much of a file is turned into objects at a time.
_BLOCK_BYTES = 4 << 20


def singly(row: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the rows that say the same as a row of several intents or outcomes, one request each; any other row itself.

    Raises:
        KeyError, TypeError, ValueError: it is no row of the ledger.
    """
    if "intents" in row:
        size = row["size"]
        events = list(zip(row["visits"], row["positions"], strict=True))
        if len(events) != size * len(row["intended"]):
            raise ValueError("as many events as the requests have")
        for place, intended_ms in enumerate(row["intended"]):
            own = [[visit, position, 1] for visit, position in events[place * size : (place + 1) * size]]
            yield {
                "intent": row["intents"] + place, "events": own, "intended_ms": intended_ms, "sent_ms": row["sent_ms"],
            }  # fmt: skip
    elif "outcomes" in row:
        common = {name: row[name] for name in ("answered_ms", "status", "answers")}
        yield from ({"outcome": request, **common} for request in row["outcomes"])
    else:
        yield row


#: The columns of plain rows: those whose events fared alike and are not carried. A row with any other is not one.
_PLAIN = pa_json.ParseOptions(
    explicit_schema=pa.schema(
        {
            "intent": pa.int64(),
            "events": pa.list_(pa.list_(pa.int64())),
            "intended_ms": pa.int64(),
            "sent_ms": pa.int64(),
            "outcome": pa.int64(),
            "answered_ms": pa.int64(),
            "status": pa.int64(),
            "answers": pa.string(),
            "reason": pa.string(),
            "intents": pa.int64(),
            "visits": pa.list_(pa.int64()),
            "positions": pa.list_(pa.int64()),
            "size": pa.int64(),
            "intended": pa.list_(pa.int64()),
            "outcomes": pa.list_(pa.int64()),
        }
    ),
    unexpected_field_behavior="error",
)
#: The kinds of rows by the column that only they have, and what each has to have besides.
_NEEDED = {
    "intent": ("events", "intended_ms", "sent_ms"),
    "intents": ("visits", "positions", "size", "intended", "sent_ms"),
    "outcome": ("answered_ms", "answers"),
    "outcomes": ("answered_ms", "answers"),
}
_LISTS = ("visits", "positions", "intended")
_AT_ONCE = pa_json.ReadOptions(block_size=1 << 20)


def _agree(rows: pa.Table) -> bool:
    """Whether rows of several intents have as many visits and positions as their requests have events."""
    visits, positions, requests = (pc.list_value_length(rows[name]) for name in _LISTS)
    events = pc.multiply(requests, pc.cast(rows["size"], pa.int64()))
    return bool(pc.all(pc.equal(visits, positions), min_count=0).as_py()) and bool(
        pc.all(pc.equal(pc.cast(visits, pa.int64()), events), min_count=0).as_py()
    )


def _in_bounds(kinds: Mapping[str, pa.Table], spans: pa.Array) -> bool:
    """Whether all numbers are within the bounds of `run_record.ledger.types`."""
    columns = [(spans[place::3], low, most) for place, (low, most) in enumerate(_SPAN_BOUNDS)]
    for rows in kinds.values():
        for name, most in _BOUNDS.items():
            column = rows[name]
            flat = pc.list_flatten(column) if pa.types.is_list(column.type) else column
            columns.append((flat, 1 if name == "size" else 0, most))
    for column, low, most in columns:
        lowest, highest = pc.min_max(column).as_py().values()
        if lowest is not None and not low <= lowest <= highest < most:
            return False
    return True


def _rows(*columns: NDArray[Any]) -> bytes:
    return np.column_stack(columns).astype(np.int64).tobytes()


def _object(line: bytes) -> object:
    """Return what a line holds, `_NOTHING` where it is not JSON or the last one has no end."""
    try:
        return orjson.loads(line) if line.endswith(b"\n") else _NOTHING
    except orjson.JSONDecodeError:
        return _NOTHING


def count_outcomes(rows: bytes) -> int:
    """Return how many requests *rows* of a ledger tell the outcome of, without reading them whole."""
    several: list[bytes] = _SEVERAL.findall(rows)
    return rows.count(b'{"outcome":') + sum(numbers.count(b",") + 1 for numbers in several)


def count_sent(path: Path) -> int:
    """Return how many events the ledger at *path* has intents for, without reading its rows whole."""
    events = 0
    with path.open("rb") as file:
        while lines := file.readlines(_BLOCK_BYTES):
            if not lines[-1].endswith(b"\n"):
                # A worker that is killed leaves half a row.
                lines.pop()
            several: list[bytes] = _SEVERAL_SENT.findall(b"".join(lines))
            events += sum(visits.count(b",") + 1 for visits in several)
            for row in (_object(line) for line in lines if line.startswith(_ONE_SENT)):
                events += sum(span[2] for span in row["events"]) if isinstance(row, dict) else 0
    return events
