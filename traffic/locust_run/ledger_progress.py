"""Progress of a run: counts of its ledger while it is written."""

from collections import Counter
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from hdrh.histogram import HdrHistogram

from contracts.intake import EventOutcome
from run_record.file_tail import FileTail
from run_record.ledger.rows import split_row
from run_record.load_report.report import new_histogram
from run_record.run_folder import LEDGER


class Delays(NamedTuple):
    """Delays of a run's requests so far, in milliseconds: number, sum, p50, p99 and maximum."""

    measured: int
    total_ms: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class Counts(NamedTuple):
    """Counts of a run so far.

    Attributes:
        offered: events with an intent in the ledger.
        answered: events by outcome; events without an answer yet are not counted.
        requests: requests with an intent in the ledger.
        lag: from a request's intended time to its sending.
        latency: from a request's intended time to its answer.
    """

    offered: int
    answered: Mapping[EventOutcome, int]
    requests: int
    lag: Delays
    latency: Delays


_NO_DELAYS = Delays(0, 0, 0.0, 0.0, 0.0)

#: Counts of a run that has not begun.
NOTHING = Counts(0, dict.fromkeys(EventOutcome, 0), 0, _NO_DELAYS, _NO_DELAYS)


class Progress:
    """Counts the ledger of the run in *folder* incrementally: each row is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / LEDGER
        self._files = FileTail()
        self._offered = 0
        self._requests = 0
        self._answered: Counter[EventOutcome] = Counter()
        self._unanswered: dict[tuple[Path, int], tuple[int, int]] = {}
        self._lag, self._latency = _Histogram(), _Histogram()

    def look(self) -> Counts:
        """Return the counts of all rows written so far."""
        for path in sorted(self._folder.glob("*.ndjson")):
            for row in chain.from_iterable(map(split_row, self._files.new_objects(path))):
                if "intent" in row:
                    self._intend(path, row)
                elif "outcome" in row:
                    self._answer(path, row)
        answered = {outcome: self._answered[outcome] for outcome in EventOutcome}
        return Counts(self._offered, answered, self._requests, self._lag.delays(), self._latency.delays())

    def _intend(self, path: Path, row: Mapping[str, object]) -> None:
        spans = row["events"]
        events = sum(span[2] for span in spans) if isinstance(spans, list) else 0
        intended_ms, sent_ms = _number(row["intended_ms"]), _number(row["sent_ms"])
        self._unanswered[path, _number(row["intent"])] = (intended_ms, events)
        self._offered += events
        self._requests += 1
        self._lag.add(sent_ms - intended_ms)

    def _answer(self, path: Path, row: Mapping[str, object]) -> None:
        intended_ms, events = self._unanswered.pop((path, _number(row["outcome"])), (None, 0))
        answers = row["answers"]
        if isinstance(answers, list):
            self._answered.update(EventOutcome(answer) for answer in answers)
        else:
            self._answered[EventOutcome(str(answers))] += events
        if intended_ms is not None:
            self._latency.add(_number(row["answered_ms"]) - intended_ms)


class _Histogram:
    """A histogram of delays with three significant digits."""

    def __init__(self) -> None:
        self._counts: HdrHistogram = new_histogram()
        self._total_ms = 0

    def add(self, delay_ms: int) -> None:
        delay_ms = max(delay_ms, 0)
        self._total_ms += delay_ms
        self._counts.record_value(delay_ms * 1000)

    def delays(self) -> Delays:
        counts = self._counts
        if not counts.total_count:
            return _NO_DELAYS
        p50, p99 = (counts.get_value_at_percentile(share) / 1000 for share in (50, 99))
        return Delays(counts.total_count, self._total_ms, p50, p99, counts.get_max_value() / 1000)


def _number(value: object) -> int:
    return int(str(value))
