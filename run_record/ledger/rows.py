"""Read the ledger of one worker; `run_record.ledger.files` describes its rows."""

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

#: The request numbers in a row of several outcomes.
_OUTCOMES_ROW = re.compile(rb'\{"outcomes":\[([0-9,]+)\]')

#: The visits, one for each event, in a row of several intents.
_INTENTS_ROW = re.compile(rb'\{"intents":[0-9]+,"visits":\[([0-9,]+)\]')
_INTENT_ROW = b'{"intent":'

CODES = {str(outcome): code for code, outcome in enumerate(OUTCOMES)}


class WorkerLedger:
    """The ledger of one worker, stored in arrays, because it may have many millions of rows.

    Attributes:
        count: number of sent events.
        reasons: reasons for refused events, by request.
        bodies: the events in the ledger, by (visit, position).
    """

    def __init__(self) -> None:
        self.count = 0
        self.reasons: dict[int, str] = {}
        self.bodies: dict[tuple[int, int], bytes] = {}
        # (visit, position, count) of every span, flattened.
        self._spans = array("q")
        # (request, events, intended_ms, sent_ms) of every intent, flattened.
        self._intents = array("q")
        # (request, answered_ms, status, outcome) of every outcome, flattened.
        self._answers = array("q")
        # Outcomes of requests whose events have different ones.
        self._several: dict[int, list[str]] = {}
        # Line of each request in `_several`.
        self._lines: dict[int, int] = {}

    def read(self, path: Path) -> list[int]:
        """Add the rows of a file; return the numbers (1 is the first) of the lines that are not JSON.

        Raises:
            LedgerFormatError: a line is JSON, but not a row of the ledger.
        """
        origin = Origin(path, LedgerFormatError)
        broken: list[int] = []
        number = 0
        with path.open("rb") as file:
            while lines := file.readlines(_BLOCK_BYTES):
                # Nearly all rows are plain, and those are parsed in blocks; blocks with others are parsed row by row.
                if not self._add_block(b"".join(lines), len(lines)):
                    broken += self._add_lines(lines, number, origin)
                number += len(lines)
        return broken

    def _add_lines(self, lines: list[bytes], before: int, origin: Origin) -> list[int]:
        """Add *lines*, which follow *before* others; return the numbers of those that are not JSON."""
        broken: list[int] = []
        for number, line in enumerate(lines, start=before + 1):
            row = _object(line)
            if row is _NOT_JSON:
                broken.append(number)
                continue
            for single in split_row(checked(row, origin, number)):
                self.add(single)
                answers = single.get("answers")
                if isinstance(answers, list):
                    self._lines[single["outcome"]] = number
        return broken

    def check(self, path: Path) -> None:
        """Check that answers have one outcome for each event. Raises LedgerFormatError."""
        for request, events, *_ in (
            np.frombuffer(self._intents, np.int64).reshape(-1, 4).tolist() if self._several else ()
        ):
            answers = self._several.get(request)
            if answers is not None and len(answers) != events:
                why = f"request {request} has {events} events, and {len(answers)} answers"
                raise Origin(path, LedgerFormatError).fault(why, line=self._lines.get(request, 0), field="answers")

    def _add_block(self, block: bytes, count: int) -> bool:
        """Add *count* rows of a block; return False, and add none, when one of them is not plain."""
        if not block.endswith(b"\n"):
            return False
        try:
            rows = pa_json.read_json(pa.BufferReader(block), _READ_OPTIONS, _PLAIN).combine_chunks()
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
        if not _lengths_match(kinds["intents"]) or not _in_bounds(kinds, parts[0]):
            return False
        self._add_intent_rows(kinds["intent"], parts[0].to_numpy().reshape(-1, 3))
        self._add_intents_rows(kinds["intents"])
        self._add_outcome_rows(kinds["outcome"], codes["outcome"])
        self._add_outcomes_rows(kinds["outcomes"], codes["outcomes"])
        return True

    def _add_intent_rows(self, intents: pa.Table, spans: NDArray[np.int64]) -> None:
        owner = pc.list_parent_indices(intents["events"].combine_chunks()).to_numpy()
        events = np.bincount(owner, weights=spans[:, 2], minlength=len(intents)).astype(np.int64)
        numbers = [intents[name].to_numpy() for name in ("intent", "intended_ms", "sent_ms")]
        self._spans.frombytes(spans.tobytes())
        self._intents.frombytes(_rows(numbers[0], events, *numbers[1:]))
        self.count += int(events.sum())

    def _add_intents_rows(self, rows: pa.Table) -> None:
        visits, positions, intended = (pc.list_flatten(rows[name]).to_numpy() for name in _LISTS)
        requests = pc.list_value_length(rows["intended"]).to_numpy()
        first, size, sent = (np.repeat(rows[name].to_numpy(), requests) for name in ("intents", "size", "sent_ms"))
        within = np.arange(len(first)) - np.repeat(np.cumsum(requests) - requests, requests)
        self._spans.frombytes(_rows(visits, positions, np.ones(len(visits), np.int64)))
        self._intents.frombytes(_rows(first + within, size, intended, sent))
        self.count += len(visits)

    def _add_outcome_rows(self, outcomes: pa.Table, codes: pa.ChunkedArray) -> None:
        at_ms, status = outcomes["answered_ms"].to_numpy(), pc.fill_null(outcomes["status"], 0).to_numpy()
        self._answers.frombytes(_rows(outcomes["outcome"].to_numpy(), at_ms, status, codes.to_numpy()))
        refused = outcomes.filter(pc.is_valid(outcomes["reason"]))
        self.reasons |= zip(refused["outcome"].to_pylist(), refused["reason"].to_pylist(), strict=True)

    def _add_outcomes_rows(self, rows: pa.Table, codes: pa.ChunkedArray) -> None:
        requests = pc.list_value_length(rows["outcomes"]).to_numpy()
        status = pc.fill_null(rows["status"], 0).to_numpy()
        columns = (np.repeat(column, requests) for column in (rows["answered_ms"].to_numpy(), status, codes.to_numpy()))
        self._answers.frombytes(_rows(pc.list_flatten(rows["outcomes"]).to_numpy(), *columns))

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a checked row of one request."""
        if "intent" in row:
            self._add_intent(row)
        else:
            self._add_outcome(row)

    def _add_intent(self, row: Mapping[str, Any]) -> None:
        spans = row["events"]
        self._spans.extend(chain.from_iterable(spans))
        events = sum(span[2] for span in spans)
        self._intents.extend((row["intent"], events, int(row["intended_ms"]), int(row["sent_ms"])))
        self.count += events
        if "bodies" in row:
            keys = ((visit, position + step) for visit, position, count in spans for step in range(count))
            self.bodies |= zip(keys, (body.encode() for body in row["bodies"]), strict=False)

    def _add_outcome(self, row: Mapping[str, Any]) -> None:
        request, answers = row["outcome"], row["answers"]
        same = isinstance(answers, str)
        code = CODES[answers] if same else -1
        self._answers.extend((request, int(row["answered_ms"]), int(row["status"] or 0), code))
        if not same:
            self._several[request] = answers
        if "reason" in row:
            self.reasons[request] = str(row["reason"])

    def events(self) -> list[NDArray[Any]]:
        """Return columns of events: visit, position, request, intended_ms, sent_ms, answered_ms, status, outcome."""
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
        """Return answered_ms, status and outcome of *requests*; -1, 0 and indeterminate without an outcome."""
        answers = np.frombuffer(self._answers, np.int64).reshape(-1, 4)
        times = np.full(len(requests), -1, np.int64)
        status = np.zeros(len(requests), np.int16)
        outcome = np.full(len(requests), CODES["indeterminate"], np.uint8)
        _, of_requests, of_answers = np.intersect1d(requests, answers[:, 0], return_indices=True)
        times[of_requests], status[of_requests] = answers[of_answers, 1], answers[of_answers, 2]
        outcome[of_requests] = np.maximum(answers[of_answers, 3], 0)
        return times, status, outcome


#: The value of a line that is not JSON.
_NOT_JSON = object()

#: Bounds of a span's visit, position and count: least, and upper bound (exclusive).
_SPAN_BOUNDS = ((0, MOST_VISITS), (0, MOST_POSITIONS), (1, MOST_POSITIONS))
#: Upper bounds (exclusive) of the columns of plain rows.
_BOUNDS = {
    "intent": MOST_REQUESTS, "intents": MOST_REQUESTS, "outcome": MOST_REQUESTS, "outcomes": MOST_REQUESTS,
    "intended_ms": LAST_MS, "sent_ms": LAST_MS, "answered_ms": LAST_MS, "intended": LAST_MS, "visits": MOST_VISITS,
    "positions": MOST_POSITIONS, "size": MOST_POSITIONS, "status": 1000,
}  # fmt: skip

#: Bytes of a file that are parsed at a time.
_BLOCK_BYTES = 4 << 20


def split_row(row: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Split a row of several requests into rows of one request each; yield any other row unchanged.

    Raises:
        KeyError, TypeError, ValueError: *row* is malformed.
    """
    if "intents" in row:
        size = row["size"]
        events = list(zip(row["visits"], row["positions"], strict=True))
        if len(events) != size * len(row["intended"]):
            raise ValueError("number of events differs from that of the requests")
        for index, intended_ms in enumerate(row["intended"]):
            spans = [[visit, position, 1] for visit, position in events[index * size : (index + 1) * size]]
            yield {
                "intent": row["intents"] + index, "events": spans, "intended_ms": intended_ms,
                "sent_ms": row["sent_ms"],
            }  # fmt: skip
    elif "outcomes" in row:
        common = {name: row[name] for name in ("answered_ms", "status", "answers")}
        yield from ({"outcome": request, **common} for request in row["outcomes"])
    else:
        yield row


#: The columns of plain rows: one outcome for all events, and no bodies.
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
#: The kinds of rows by their first column, and the required other columns of each.
_NEEDED = {
    "intent": ("events", "intended_ms", "sent_ms"),
    "intents": ("visits", "positions", "size", "intended", "sent_ms"),
    "outcome": ("answered_ms", "answers"),
    "outcomes": ("answered_ms", "answers"),
}
_LISTS = ("visits", "positions", "intended")
_READ_OPTIONS = pa_json.ReadOptions(block_size=1 << 20)


def _lengths_match(rows: pa.Table) -> bool:
    """Return whether rows of several intents have one visit and one position for each event."""
    visits, positions, requests = (pc.list_value_length(rows[name]) for name in _LISTS)
    events = pc.multiply(requests, pc.cast(rows["size"], pa.int64()))
    return bool(pc.all(pc.equal(visits, positions), min_count=0).as_py()) and bool(
        pc.all(pc.equal(pc.cast(visits, pa.int64()), events), min_count=0).as_py()
    )


def _in_bounds(kinds: Mapping[str, pa.Table], spans: pa.Array) -> bool:
    """Return whether all numbers are within the bounds of `run_record.ledger.types`."""
    columns = [(spans[index::3], low, most) for index, (low, most) in enumerate(_SPAN_BOUNDS)]
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
    """Return the value of a line; `_NOT_JSON` when it is not JSON or incomplete."""
    try:
        return orjson.loads(line) if line.endswith(b"\n") else _NOT_JSON
    except orjson.JSONDecodeError:
        return _NOT_JSON


def count_outcomes(rows: bytes) -> int:
    """Return the number of requests with an outcome in *rows* of a ledger, without parsing the rows."""
    several: list[bytes] = _OUTCOMES_ROW.findall(rows)
    return rows.count(b'{"outcome":') + sum(numbers.count(b",") + 1 for numbers in several)


def count_sent(path: Path) -> int:
    """Return the number of events with an intent in the ledger at *path*, parsing as little as possible."""
    events = 0
    with path.open("rb") as file:
        while lines := file.readlines(_BLOCK_BYTES):
            if not lines[-1].endswith(b"\n"):
                # A killed worker leaves an incomplete row.
                lines.pop()
            several: list[bytes] = _INTENTS_ROW.findall(b"".join(lines))
            events += sum(visits.count(b",") + 1 for visits in several)
            for row in (_object(line) for line in lines if line.startswith(_INTENT_ROW)):
                events += sum(span[2] for span in row["events"]) if isinstance(row, dict) else 0
    return events
