"""Whether the machine is too busy to judge how a generator keeps its schedule."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_NAP_S = 0.005
_BUSY_DELAY_S = 0.02
_BUSY_LOAD = 2.0


def is_overloaded() -> bool:
    """Return whether more than two processes per core want to run."""
    return os.getloadavg()[0] > _BUSY_LOAD * (os.cpu_count() or 1)


def skip_when_too_busy(done: subprocess.CompletedProcess[str]) -> None:
    """Skip the test when a command of the kit was INVALID for its late schedule, on a machine that is overloaded.

    On any other machine the same answer stays what it is, and the test's own assertion fails.
    """
    if done.returncode == 4 and "p99 lag" in done.stdout + done.stderr and is_overloaded():
        pytest.skip(f"the machine is too busy (load {os.getloadavg()[0]:.0f}): the schedule was not kept")


def skip_when_workers_went_missing(console: str) -> None:
    """Skip the test when Locust gave its workers up for their late heartbeats, on a machine that is overloaded."""
    if "failed to send heartbeat" in console and is_overloaded():
        pytest.skip(f"the machine is too busy (load {os.getloadavg()[0]:.0f}): Locust's workers went missing")


class Jitter:
    """How late a thread woke up that only sleeps: seconds, in the order of measurement."""

    def __init__(self) -> None:
        self.delays_s: list[float] = []

    @property
    def is_busy(self) -> bool:
        """Whether one waking in a hundred was late by 20 ms: then lag says nothing about the generator."""
        late = sorted(self.delays_s)
        return is_overloaded() or (bool(late) and late[int(0.99 * len(late))] > _BUSY_DELAY_S)

    def measure(self, stop: threading.Event) -> None:
        """Measure until *stop* is set."""
        while not stop.is_set():
            began = time.monotonic()
            time.sleep(_NAP_S)
            self.delays_s.append(time.monotonic() - began - _NAP_S)


@contextmanager
def measured_jitter() -> Iterator[Jitter]:
    """Measure the jitter of this machine until the block ends."""
    jitter, stop = Jitter(), threading.Event()
    thread = threading.Thread(target=jitter.measure, args=(stop,))
    thread.start()
    try:
        yield jitter
    finally:
        stop.set()
        thread.join()
