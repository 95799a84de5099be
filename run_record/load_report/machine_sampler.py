"""Sample the load of the machine and the CPU of a run's processes, in a thread."""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

import psutil

from run_record.load_report.machine_usage import Machine

_EVERY_S = 5.0

#: Words in the command line of a process, and the part of the run that they identify.
_PARTS = (("traffic.sender", "sender"), ("locust", "locust"), ("chrom", "browsers"), ("playwright", "browsers"))


def load_now() -> Machine:
    """Return the current usage of the machine, without shares of CPU time, which need two samples."""
    load = os.getloadavg()[0]
    return Machine(cores(), load, load, 0.0, 0.0)


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class MachineSampler:
    """Takes samples until the block ends.

    Args:
        own: part of the run that this process is; the parts of its children follow from their command lines.
        others: returns process ids, by part, of processes that this process did not start.
        every_s: seconds between samples.
    """

    def __init__(
        self,
        own: str,
        others: Callable[[], Mapping[str, Sequence[int]]] = dict,
        every_s: float = _EVERY_S,
    ) -> None:
        self._own = own
        self._others = others
        self._every_s = every_s
        self._loads: list[float] = []
        #: Part, first and last CPU seconds of each process, by (process id, start time).
        self._processes: dict[tuple[int, float], tuple[str, float, float]] = {}
        self._first_times = self._last_times = psutil.cpu_times()
        self._started_s = time.monotonic()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="machine-sampler", daemon=True)
        self._sample(first=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop sampling."""
        self._stopped.set()

    def usage(self) -> Machine:
        """Return the usage of the machine until now."""
        self._sample()
        elapsed_s = max(time.monotonic() - self._started_s, 0.001)
        parts: dict[str, float] = {}
        with self._lock:
            for part, first, last in self._processes.values():
                parts[part] = parts.get(part, 0.0) + (last - first) / elapsed_s
            steal, used = _shares(self._first_times, self._last_times)
            loads = list(self._loads)
        count = cores()
        return Machine(
            count,
            round(sum(loads) / len(loads), 2),
            round(max(loads), 2),
            round(steal, 4),
            round(used * (psutil.cpu_count() or count), 3),
            {part: round(value, 4) for part, value in sorted(parts.items())},
        )

    def _run(self) -> None:
        while not self._stopped.wait(self._every_s):
            self._sample()

    def _sample(self, *, first: bool = False) -> None:
        processes = list(_family(self._own, os.getpid()))
        for part, pids in self._others().items():
            processes += [(part, process) for pid in pids for _, process in _family(part, pid)]
        with self._lock:
            self._loads.append(os.getloadavg()[0])
            self._last_times = psutil.cpu_times()
            for part, process in processes:
                try:
                    times, started = process.cpu_times(), process.create_time()
                except psutil.Error:
                    continue
                cpu_s = times.user + times.system
                key = (process.pid, started)
                # CPU that a process used before the first sample does not count.
                _, first_cpu_s, _ = self._processes.get(key, (part, cpu_s if first else 0.0, cpu_s))
                self._processes[key] = (part, first_cpu_s, cpu_s)


def _family(own: str, pid: int) -> list[tuple[str, psutil.Process]]:
    """Return the process *pid* and its descendants, each with its part."""
    try:
        head = psutil.Process(pid)
        return [(own, head), *((_part(child, own), child) for child in head.children(recursive=True))]
    except psutil.Error:
        return []


def _part(process: psutil.Process, own: str) -> str:
    try:
        words = " ".join(process.cmdline())
    except psutil.Error:
        return own
    return next((part for word, part in _PARTS if word in words), own)


def _shares(first: object, last: object) -> tuple[float, float]:
    """Return the stolen and the used share of CPU time between two samples."""
    names = ("user", "nice", "system", "irq", "softirq", "steal", "idle", "iowait")
    spent = {name: getattr(last, name, 0.0) - getattr(first, name, 0.0) for name in names}
    total = sum(spent.values())
    if total <= 0:
        return 0.0, 0.0
    return spent["steal"] / total, 1 - (spent["idle"] + spent["iowait"] + spent["steal"]) / total
