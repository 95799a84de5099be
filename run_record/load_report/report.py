"""What the generator did in a run, as measured by itself: `load.json`, beside the manifest.

Counts are of events; latencies are of requests, for a batch is answered as a whole. *Latency* is from the intended
time to the answer, so a stall of the server counts for every request that was due while it lasted; *service time* is
from the moment a request was put on the wire. Both are kept in HdrHistograms of microseconds with three significant
digits, in their standard encoded form, so that the seconds of a run, its workers, and runs can be merged without loss.
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

#: The longest latency that is told apart, an hour, in microseconds.
LONGEST_US = 3_600_000_000

#: An event that was sent this long after its intended time is late, in milliseconds.
LATE_MS = 100

_DIGITS = 3


class LoadError(DogfoodError):
    """A run without `load.json`, or with one that this version cannot read."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of one delay, in milliseconds; all 0 when nothing was measured."""

    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    max: float = 0.0


@dataclass(frozen=True, slots=True)
class Lag:
    """How long after its intended time the generator took up a request, in milliseconds.

    That is the generator's own doing: waiting for a connection because the server keeps all of them busy is no lag.
    """

    p50: float = 0.0
    p99: float = 0.0
    max: float = 0.0


@dataclass(frozen=True, slots=True)
class Window:
    """The events that were intended for one second of the schedule.

    Attributes:
        second: whole seconds after the schedule's zero.
        offered, sent, answered, late, dropped: as in `Load`.
        accepted: events that the intake accepted (201, or its part of a 207).
        failed: events whose request had no answer or another one than 201 or 202, or that were refused.
        latency, service: encoded histograms, microseconds; empty when nothing was answered.
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
        name: of its ledger.
        host: that it ran on.
        offered, sent, answered: events.
        cpu: the share of one core that its sender used while there was traffic; the largest over ten seconds.
        lag_max_ms: the most that it was behind its schedule.
        alive: whether it was there to the end.
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
        offered: events whose intended time came.
        sent: of those, put on the wire.
        answered: of those, with an HTTP answer.
        late: sent more than `LATE_MS` after their intended time, for whatever reason.
        dropped: offered and never sent, because no connection became free before the run was over.
        requests: put on the wire.
        accepted: events that the intake accepted (201, or its part of a 207).
        errors: events by what became of their request when it was not accepted: `400`, `500`, `timeout`, `refused`, …
        event_rate: events a second that were asked for; 0 when visits arrive instead.
        arrival_rate: visits a second that were asked for; 0 when single events are paced.
        pace: `constant` or `poisson`, how single events or visits follow each other.
        shape: how the rate changes over time, as it was asked for.
        seconds: from the schedule's zero to the end of the traffic.
        latency_ms, service_ms: from the intended time, and from the wire, to the answer.
        lag_ms: of the generator behind its schedule.
        workers: of the generator.
        workers_needed: how many there should have been, where there were too few; None when the generator kept up, or
            the machine was short and more workers would not help.
        invalid: why the run proves nothing about the server; empty when the generator was honest.
        windows: second by second.
        latency, service: encoded histograms of the whole run, microseconds.
        machine: that the run was made on, and the CPU of each part; None when nobody looked.
        ended: why the traffic ended (`run_record.end_reason.End`).
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
        """Return the load of a run without a generator: all that is known is the machine."""
        return cls(
            0, 0, 0, 0, 0, 0, 0, {}, 0.0, 0.0, "constant", "constant", 0.0, Percentiles(), Percentiles(), Lag(),
            (), None, (), (), "", "", machine=machine,
        )  # fmt: skip

    @property
    def has_generator(self) -> bool:
        """Whether a generator measured itself; otherwise only the machine is known."""
        return bool(self.workers or self.invalid)

    @classmethod
    def read(cls, folder: Path) -> "LoadReport":
        """Read the load of the run in *folder*.

        Raises:
            LoadError: the run has none, or it is not one.
        """
        origin = Origin(folder / FILE_NAME, LoadError, "restore the file, or make the run again")
        try:
            return _reader().file(origin)
        except FileNotFoundError:
            raise LoadError(
                f"{folder} has no {FILE_NAME}: the run was made without the generator, or is not over"
            ) from None

    def write(self, folder: Path) -> None:
        """Write this into the run's *folder*, in one step. Raises OSError."""
        options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        atomic_write(folder / FILE_NAME, orjson.dumps(asdict(self), option=options))


def record_machine(folder: Path, machine: Machine) -> None:
    """Write what was seen of the *machine* during the whole run in *folder* into its load; make one if there is none.

    Raises:
        LoadError: the run has a load that cannot be read.
    """
    load = LoadReport.read(folder) if (folder / FILE_NAME).is_file() else LoadReport.nothing(machine)
    replace(load, machine=machine).write(folder)


def record_analysis(folder: Path, judging: Machine) -> None:
    """Add the CPU that the analysis used, as seen while it was *judging*, to the run's load. Raises LoadError."""
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
    """Return *histogram* in HdrHistogram's compressed, base64 form; empty when it holds nothing."""
    return histogram.encode().decode() if histogram.total_count else ""


def merged(parts: Iterable[str]) -> HdrHistogram:
    """Return one histogram of all that the encoded *parts* hold; empty ones are skipped. Raises LoadError."""
    whole = new_histogram()
    for part in parts:
        if part:
            try:
                whole.decode_and_add(part.encode())
            except Exception as error:
                raise LoadError(f"a histogram in {FILE_NAME} is damaged ({error}); make the run again") from error
    return whole


def percentiles(histogram: HdrHistogram) -> Percentiles:
    """Return what *histogram*, of microseconds, says in milliseconds."""
    if not histogram.total_count:
        return Percentiles()
    p50, p95, p99 = (histogram.get_value_at_percentile(share) / 1000 for share in (50, 95, 99))
    return Percentiles(p50, p95, p99, histogram.get_max_value() / 1000)
