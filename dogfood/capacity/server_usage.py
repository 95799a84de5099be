"""CPU and memory of the server's processes, sampled every second during a step."""

import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self

import psutil

from common.errors import DogfoodError

_EVERY_S = 1.0


class Usage(NamedTuple):
    """Usage of processes: time in seconds since 1970, CPU seconds since their start, memory in bytes."""

    at_s: float
    cpu_s: float
    memory: int


class ServerWatch:
    """Samples processes of this machine, with their children, until the block ends.

    Args:
        pids: process ids of the server; without any, nothing is sampled.

    Raises:
        DogfoodError: a process does not exist.
    """

    def __init__(self, pids: Sequence[int]) -> None:
        try:
            self._processes = [psutil.Process(pid) for pid in pids]
        except psutil.NoSuchProcess as error:
            raise DogfoodError(f"server process {error.pid} does not exist; check --server-pid") from error
        self._usages: list[Usage] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="server-watch", daemon=True)

    def __enter__(self) -> Self:
        if self._processes:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def usages(self, from_s: float = 0.0, until_s: float = float("inf")) -> list[Usage]:
        """Return the samples between two times, in seconds since 1970."""
        return [usage for usage in self._usages if from_s <= usage.at_s <= until_s]

    def cores(self, from_s: float, until_s: float) -> float | None:
        """Return the mean number of cores used between two times; None without two samples."""
        usages = self.usages(from_s, until_s)
        if len(usages) < 2:
            return None
        return (usages[-1].cpu_s - usages[0].cpu_s) / (usages[-1].at_s - usages[0].at_s)

    def _sample(self) -> None:
        while not self._over.is_set():
            self._usages.append(_usage(self._processes))
            self._over.wait(_EVERY_S)
        self._usages.append(_usage(self._processes))


def _usage(processes: Sequence[psutil.Process]) -> Usage:
    cpu, memory = 0.0, 0
    for process in processes:
        try:
            family = [process, *process.children(recursive=True)]
        except psutil.Error:
            continue
        for member in family:
            try:
                times = member.cpu_times()
                cpu += times.user + times.system
                memory += member.memory_info().rss
            except psutil.Error:
                continue
    return Usage(time.time(), cpu, memory)
