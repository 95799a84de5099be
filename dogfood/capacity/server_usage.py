"""What the server's processes use, looked at once a second while a step goes on."""

import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self

import psutil

from common.errors import DogfoodError

_EVERY_S = 1.0


class Usage(NamedTuple):
    """What processes had used by a moment: *at_s* since 1970, CPU seconds since they began, memory in bytes."""

    at_s: float
    cpu_s: float
    memory: int


class ServerWatch:
    """Watches processes of this machine, with their children, until the block ends.

    Args:
        pids: of the server; with none, nothing is watched.

    Raises:
        DogfoodError: there is no such process.
    """

    def __init__(self, pids: Sequence[int]) -> None:
        try:
            self._processes = [psutil.Process(pid) for pid in pids]
        except psutil.NoSuchProcess as error:
            raise DogfoodError(f"there is no process {error.pid} to watch") from error
        self._seen: list[Usage] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="server-watch", daemon=True)

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

    def seen(self, from_s: float = 0.0, until_s: float = float("inf")) -> list[Usage]:
        """Return what was seen between two moments, seconds since 1970."""
        return [usage for usage in self._seen if from_s <= usage.at_s <= until_s]

    def cores(self, from_s: float, until_s: float) -> float | None:
        """Return how many cores were used on average between two moments; None when nothing was watched."""
        seen = self.seen(from_s, until_s)
        if len(seen) < 2:
            return None
        return (seen[-1].cpu_s - seen[0].cpu_s) / (seen[-1].at_s - seen[0].at_s)

    def _look_on(self) -> None:
        while not self._over.is_set():
            self._seen.append(_usage(self._processes))
            self._over.wait(_EVERY_S)
        self._seen.append(_usage(self._processes))


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
