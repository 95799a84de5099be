"""Count a generator's requests by seconds of its schedule; counts can be sent to other processes and added."""

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from run_record.load_report.report import LATE_MS, LONGEST_US, Window, encoded, new_histogram

#: Significant bits of a histogram of three digits; values are rounded to them before they are counted. During a run
#: delays are stored as counts by value, because a histogram has tens of thousands of counters.
_BITS = 11

#: Number of requests by delay, in rounded microseconds.
Delays = Counter[int]

_TAKEN, _DONE = 3, 6  # numbers of columns of `LoadCounters.taken` and `LoadCounters.done`


@dataclass
class Second:
    """The events intended for one second; see `run_record.load_report.report.Window`."""

    offered: int = 0
    sent: int = 0
    answered: int = 0
    late: int = 0
    dropped: int = 0
    accepted: int = 0
    failed: int = 0
    latency: Delays = field(default_factory=Counter)
    service: Delays = field(default_factory=Counter)

    def counts(self) -> dict[str, int]:
        """Return the counts in a fixed order."""
        return {name: getattr(self, name) for name in _COUNTS}


_COUNTS = ("offered", "sent", "answered", "late", "dropped", "accepted", "failed")


@dataclass
class LoadCounts:
    """Counts of a generator, or of one of its workers.

    Attributes:
        seconds: by whole seconds after the schedule's zero.
        lag: delays of requests that the generator caused, in microseconds.
        requests: number of sent requests.
        errors: number of events by the error of their request.
    """

    seconds: dict[int, Second] = field(default_factory=dict)
    lag: Delays = field(default_factory=Counter)
    requests: int = 0
    errors: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, object]:
        """Return the counts as JSON for another process."""
        rows = {
            str(number): [*row.counts().values(), _columns_of(row.latency), _columns_of(row.service)]
            for number, row in self.seconds.items()
        }
        return {"seconds": rows, "lag": _columns_of(self.lag), "requests": self.requests, "errors": dict(self.errors)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the counts that `to_json` wrote. Raises LookupError, TypeError or ValueError for other content."""
        seconds = {
            int(number): Second(
                **dict(zip(_COUNTS, map(_count, row[:-2]), strict=True)),
                latency=_delays(row[-2]),
                service=_delays(row[-1]),
            )
            for number, row in content["seconds"].items()
        }
        errors = Counter({str(kind): _count(events) for kind, events in content["errors"].items()})
        return cls(seconds, _delays(content["lag"]), _count(content["requests"]), errors)

    def add(self, other: Self) -> None:
        """Add the counts of *other*."""
        for number, row in other.seconds.items():
            second = self.seconds.setdefault(number, Second())
            for name, count in row.counts().items():
                setattr(second, name, getattr(second, name) + count)
            second.latency.update(row.latency)
            second.service.update(row.service)
        self.lag.update(other.lag)
        self.requests += other.requests
        self.errors += other.errors

    def total(self, name: str) -> int:
        """Return the sum of one count over all seconds."""
        return sum(getattr(row, name) for row in self.seconds.values())

    def delays(self, name: str) -> Delays:
        """Return `latency` or `service` over all seconds."""
        delays: Delays = Counter()
        for row in self.seconds.values():
            delays.update(getattr(row, name))
        return delays

    def histogram(self, name: str) -> HdrHistogram:
        """Return `latency` or `service` over all seconds as a histogram."""
        return histogram_of(self.delays(name))

    def windows(self) -> tuple[Window, ...]:
        """Return the seconds in the form of the load report."""
        return tuple(
            Window(
                number,
                **row.counts(),
                latency=encoded(histogram_of(row.latency)),
                service=encoded(histogram_of(row.service)),
            )
            for number, row in sorted(self.seconds.items())
        )


class LoadCounters:
    """Counts requests cheaply: a few machine words for each, which `sum_up` aggregates."""

    def __init__(self) -> None:
        self._taken = _columns(_TAKEN)
        self._done = _columns(_DONE)
        self._errors: Counter[str] = Counter()

    def taken(self, intended_us: Sequence[int], at_us: int, events: int) -> None:
        """Record that requests with *events* events each, of these intended times, were started *at_us*."""
        intended, at, size = self._taken
        intended.extend(intended_us)
        at.extend(_same(at_us, len(intended_us)))
        size.extend(_same(events, len(intended_us)))

    def done(
        self, intended_us: Sequence[int], sent_us: Sequence[int], answered_us: int, events: int, accepted: int,
        failed: int,
    ) -> None:  # fmt: skip
        """Record requests with the same outcome.

        Args:
            intended_us, sent_us: times of each request; sent is -1 if it was dropped.
            answered_us: time of the response; -1 without one.
            events, accepted, failed: numbers of events in each request.
        """
        count = len(intended_us)
        self._done[0].extend(intended_us)
        self._done[1].extend(sent_us)
        for column, value in zip(self._done[2:], (answered_us, events, accepted, failed), strict=True):
            column.extend(_same(value, count))

    def error(self, kind: str, events: int) -> None:
        """Record that *events* events were not accepted."""
        self._errors[kind] += events

    def sum_up(self) -> LoadCounts:
        """Return the counts since the last call, and reset them."""
        taken, done = (np.array(columns, np.int64).T for columns in (self._taken, self._done))
        counts = LoadCounts(requests=int(np.count_nonzero(done[:, 1] >= 0)), errors=self._errors)
        _record(counts.lag, taken[:, 1] - taken[:, 0])
        for number, rows in _by_second(taken):
            counts.seconds.setdefault(number, Second()).offered = int(rows[:, 2].sum())
        for number, rows in _by_second(done):
            _fill(counts.seconds.setdefault(number, Second()), rows)
        self._taken, self._done, self._errors = _columns(_TAKEN), _columns(_DONE), Counter()
        return counts


def _columns(count: int) -> list["array[int]"]:
    return [array("q") for _ in range(count)]


def _same(value: int, count: int) -> "array[int]":
    return array("q", (value,)) * count


def _by_second(rows: NDArray[np.int64]) -> list[tuple[int, NDArray[np.int64]]]:
    numbers = rows[:, 0] // 1_000_000
    return [(int(number), rows[numbers == number]) for number in np.unique(numbers)]


def _fill(second: Second, rows: NDArray[np.int64]) -> None:
    intended, sent, answered, events, accepted, failed = rows.T
    was_sent, was_answered = sent >= 0, answered >= 0
    second.sent = int(events[was_sent].sum())
    second.dropped = int(events[~was_sent].sum())
    second.answered = int(events[was_answered].sum())
    second.late = int(events[was_sent & (sent - intended > LATE_MS * 1000)].sum())
    second.accepted, second.failed = int(accepted.sum()), int(failed.sum())
    _record(second.latency, (answered - intended)[was_answered])
    _record(second.service, (answered - sent)[was_answered])


def histogram_of(delays: Delays) -> HdrHistogram:
    """Return a histogram of *delays*."""
    histogram = new_histogram()
    for value, count in delays.items():
        histogram.record_value(value, count)
    return histogram


def _columns_of(delays: Delays) -> list[list[int]]:
    return [list(delays.keys()), list(delays.values())]


def _delays(columns: Sequence[Sequence[int]]) -> Delays:
    values, counts = columns
    return Counter(dict(zip(map(_delay, values), map(_count, counts), strict=True)))


def _delay(value: object) -> int:
    if not isinstance(value, int) or not 1 <= value <= LONGEST_US:
        raise ValueError(f"{value!r} is not a delay in microseconds")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is not a count")
    return value


def _record(delays: Delays, values: NDArray[np.int64]) -> None:
    clipped = np.clip(values, 1, LONGEST_US)
    shift = np.maximum(np.frexp(clipped.astype(np.float64))[1] - _BITS, 0)
    rounded, counts = np.unique((clipped >> shift) << shift, return_counts=True)
    for value, count in zip(rounded.tolist(), counts.tolist(), strict=True):
        delays[value] += count
