"""Watches the machine and the processes of a run, from a thread, until it is asked what it saw."""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

import psutil

from run_record.load_report.machine_usage import Machine

_EVERY_S = 5.0

#: Words in a process' command line, and the part of the run that it then is.
_PARTS = (("traffic.sender", "sender"), ("locust", "locust"), ("chrom", "browsers"), ("playwright", "browsers"))


def load_now() -> Machine:
    """Return the machine as it is now; shares of CPU time are not known from one look."""
    load = os.getloadavg()[0]
    return Machine(cores(), load, load, 0.0, 0.0)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class MachineWatch:
    """Takes samples until the block ends.

    Args:
        own: the part that this process itself is; its children are told apart by their command lines.
        others: process ids of parts that this process did not start, looked up at each sample.
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
        #: CPU seconds by process, as seen first and last, and the part that it is.
        self._seen: dict[tuple[int, float], tuple[str, float, float]] = {}
        self._begun = self._times = psutil.cpu_times()
        self._begun_s = time.monotonic()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._look_on, name="machine-watch", daemon=True)
        self._look(first=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Take no more samples."""
        self._over.set()

    def seen(self) -> Machine:
        """Return what was seen until now."""
        self._look()
        passed_s = max(time.monotonic() - self._begun_s, 0.001)
        parts: dict[str, float] = {}
        with self._lock:
            for part, first, last in self._seen.values():
                parts[part] = parts.get(part, 0.0) + (last - first) / passed_s
            steal, used = _shares(self._begun, self._times)
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

    def _look_on(self) -> None:
        while not self._over.wait(self._every_s):
            self._look()

    def _look(self, *, first: bool = False) -> None:
        processes = list(_family(self._own, os.getpid()))
        for part, pids in self._others().items():
            processes += [(part, process) for pid in pids for _, process in _family(part, pid)]
        with self._lock:
            self._loads.append(os.getloadavg()[0])
            self._times = psutil.cpu_times()
            for part, process in processes:
                try:
                    times, born = process.cpu_times(), process.create_time()
                except psutil.Error:
                    continue
                cpu_s = times.user + times.system
                key = (process.pid, born)
                # What a process had used before the watch began is not the run's.
                _, begun, _ = self._seen.get(key, (part, cpu_s if first else 0.0, cpu_s))
                self._seen[key] = (part, begun, cpu_s)


def _family(own: str, pid: int) -> list[tuple[str, psutil.Process]]:
    """Return the process *pid* and its children, each with its part."""
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


def _shares(begun: object, ended: object) -> tuple[float, float]:
    """Return which share of the CPU time between two moments was stolen, and which was used."""
    names = ("user", "nice", "system", "irq", "softirq", "steal", "idle", "iowait")
    spent = {name: getattr(ended, name, 0.0) - getattr(begun, name, 0.0) for name in names}
    whole = sum(spent.values())
    if whole <= 0:
        return 0.0, 0.0
    return spent["steal"] / whole, 1 - (spent["idle"] + spent["iowait"] + spent["steal"]) / whole
