"""The load report: the generator's measurements of its traffic, in `load.json` of the run's folder.

Counts are of events; latencies are of requests, because a batch gets one response. *Latency* is the time from the
intended time to the response, so a stall of the server counts for every request due meanwhile. *Service time* is the
time from sending the request to the response. Both are HdrHistograms of microseconds with three significant digits, in
their standard encoding, so seconds, workers and runs can be merged without loss.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Self

import orjson
from hdrh.histogram import HdrHistogram

from common.atomic_write import atomic_write
from common.errors import DogfoodError
from common.typed_json import Origin, Reader
from run_record.load_report.machine_usage import Machine

FILE_NAME = "load.json"

#: The longest latency that histograms resolve: an hour, in microseconds.
LONGEST_US = 3_600_000_000

#: Delay after which an event counts as late, in milliseconds.
LATE_MS = 100

_DIGITS = 3


class LoadError(DogfoodError):
    """A run has no `load.json`, or one that this version cannot read."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles of a delay, in milliseconds; all 0 without measurements."""

    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    max: float = 0.0


@dataclass(frozen=True, slots=True)
class Lag:
    """The delay between the intended time of a request and its start by the generator, in milliseconds.

    It is caused by the generator: waiting for a connection while the server keeps all of them busy does not count.
    """

    p50: float = 0.0
    p99: float = 0.0
    max: float = 0.0


@dataclass(frozen=True, slots=True)
class Window:
    """The events that were intended for one second of the schedule.

    Attributes:
        second: whole seconds after the schedule's zero.
        offered, sent, answered, late, dropped: as in `LoadReport`.
        accepted: events that the intake accepted (201, or its part of a 207).
        failed: events that were refused, or whose request had no response or another one than 201 or 202.
        latency, service: encoded histograms, microseconds; empty without responses.
    """

    second: int
    offered: int = 0
    sent: int = 0
    answered: int = 0
    late: int = 0
    dropped: int = 0
    accepted: int = 0
    failed: int = 0
    latency: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """One worker of the generator.

    Attributes:
        name: name of the worker and its ledger.
        host: host of the worker.
        offered, sent, answered: numbers of events.
        cpu: share of one core that its sender used during traffic; the largest mean over ten seconds.
        lag_max_ms: maximum lag.
        alive: whether it was alive at the end.
    """

    name: str
    host: str
    offered: int
    sent: int
    answered: int
    cpu: float
    lag_max_ms: float
    alive: bool


@dataclass(frozen=True, slots=True)
class LoadReport:
    """One run of the generator.

    Attributes:
        offered: events whose intended time has passed.
        sent: offered events that were sent.
        answered: sent events with an HTTP response.
        late: events sent more than `LATE_MS` after their intended time, for any reason.
        dropped: offered events that were never sent, because no connection became free before the end.
        requests: number of sent requests.
        accepted: events that the intake accepted (201, or its part of a 207).
        errors: events that were not accepted, by the error of their request: `400`, `500`, `timeout`, `refused`, …
        event_rate: planned events per second; 0 when visits arrive instead.
        arrival_rate: planned visits per second; 0 when single events are paced.
        pace: `constant` or `poisson`, the arrival process of single events or visits.
        shape: the planned rate over time.
        seconds: duration from the schedule's zero to the end of the traffic.
        latency_ms, service_ms: time from the intended time, and from sending, to the response.
        lag_ms: lag of the generator.
        workers: workers of the generator.
        workers_needed: sufficient number of workers, if there were too few; None when the generator kept up, or when
            the machine was too busy for more workers to help.
        invalid: reasons for which the run proves nothing about the server; empty when the schedule was kept.
        windows: the events of each second.
        latency, service: encoded histograms of the whole run, microseconds.
        machine: usage of the machine, and CPU of each part; None when it was not measured.
        ended: reason for the end of the traffic (`run_record.end_reason.End`).
    """

    offered: int
    sent: int
    answered: int
    late: int
    dropped: int
    requests: int
    accepted: int
    errors: Mapping[str, int]
    event_rate: float
    arrival_rate: float
    pace: str
    shape: str
    seconds: float
    latency_ms: Percentiles
    service_ms: Percentiles
    lag_ms: Lag
    workers: tuple[WorkerLoad, ...]
    workers_needed: int | None
    invalid: tuple[str, ...]
    windows: tuple[Window, ...]
    latency: str
    service: str
    ended: str = ""
    machine: Machine | None = None

    @classmethod
    def nothing(cls, machine: Machine) -> Self:
        """Return the load report of a run without a generator, which has only the machine's usage."""
        return cls(
            0, 0, 0, 0, 0, 0, 0, {}, 0.0, 0.0, "constant", "constant", 0.0, Percentiles(), Percentiles(), Lag(),
            (), None, (), (), "", "", machine=machine,
        )  # fmt: skip

    @property
    def has_generator(self) -> bool:
        """Whether the run had a generator; otherwise the report has only the machine's usage."""
        return bool(self.workers or self.invalid)

    @classmethod
    def read(cls, folder: Path) -> "LoadReport":
        """Read the load report of the run in *folder*.

        Raises:
            LoadError: the run has no load report, or it is malformed.
        """
        origin = Origin(folder / FILE_NAME, LoadError, "restore the file, or make the run again")
        try:
            return _reader().file(origin)
        except FileNotFoundError:
            raise LoadError(f"{folder} has no {FILE_NAME}: the run had no generator, or has not ended") from None

    def write(self, folder: Path) -> None:
        """Write the report to the run's *folder* in one step. Raises OSError."""
        options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        atomic_write(folder / FILE_NAME, orjson.dumps(asdict(self), option=options))


def record_machine(folder: Path, machine: Machine) -> None:
    """Write the usage of the *machine* during the run in *folder* to its load report; create one if necessary.

    Raises:
        LoadError: the run's load report cannot be read.
    """
    load = LoadReport.read(folder) if (folder / FILE_NAME).is_file() else LoadReport.nothing(machine)
    replace(load, machine=machine).write(folder)


def record_analysis(folder: Path, judging: Machine) -> None:
    """Add the CPU of the analysis to the run's load report; *judging* is the usage meanwhile. Raises LoadError."""
    load = LoadReport.read(folder)
    if load.machine is not None:
        parts = {**load.machine.parts, "analysis": round(sum(judging.parts.values()), 4)}
        replace(load, machine=replace(load.machine, parts=parts)).write(folder)


@cache
def _reader() -> Reader[LoadReport]:
    return Reader(LoadReport)


def new_histogram() -> HdrHistogram:
    """Return an empty histogram of microseconds, up to an hour, with three significant digits."""
    return HdrHistogram(1, LONGEST_US, _DIGITS)


def encoded(histogram: HdrHistogram) -> str:
    """Return *histogram* in HdrHistogram's compressed base64 encoding; empty without values."""
    return histogram.encode().decode() if histogram.total_count else ""


def merged(parts: Iterable[str]) -> HdrHistogram:
    """Return the encoded histograms *parts* merged; empty ones are skipped. Raises LoadError."""
    total = new_histogram()
    for part in parts:
        if part:
            try:
                total.decode_and_add(part.encode())
            except Exception as error:
                raise LoadError(f"a histogram in {FILE_NAME} is damaged ({error}); make the run again") from error
    return total


def percentiles(histogram: HdrHistogram) -> Percentiles:
    """Return the percentiles of *histogram*, of microseconds, in milliseconds."""
    if not histogram.total_count:
        return Percentiles()
    p50, p95, p99 = (histogram.get_value_at_percentile(share) / 1000 for share in (50, 95, 99))
    return Percentiles(p50, p95, p99, histogram.get_max_value() / 1000)
