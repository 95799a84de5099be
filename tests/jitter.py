"""Detect a machine that is too busy to judge whether a generator keeps its schedule."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_SLEEP_S = 0.005
_BUSY_DELAY_S = 0.02
_BUSY_LOAD = 2.0


def is_overloaded() -> bool:
    """Return whether more than two processes per core want to run."""
    return os.getloadavg()[0] > _BUSY_LOAD * (os.cpu_count() or 1)


def skip_when_too_busy(done: subprocess.CompletedProcess[str]) -> None:
    """Skip the test when a command was INVALID for its lag on an overloaded machine.

    On any other machine the assertion of the test fails.
    """
    if done.returncode == 4 and "p99 lag" in done.stdout + done.stderr and is_overloaded():
        pytest.skip(f"the machine is too busy (load {os.getloadavg()[0]:.0f}): the schedule was not kept")


def skip_when_workers_went_missing(console: str) -> None:
    """Skip the test when Locust lost workers with late heartbeats on an overloaded machine."""
    if "failed to send heartbeat" in console and is_overloaded():
        pytest.skip(f"the machine is too busy (load {os.getloadavg()[0]:.0f}): Locust's workers went missing")


class Jitter:
    """Delays, in seconds, of the wake-ups of a sleeping thread, in order."""

    def __init__(self) -> None:
        self.delays_s: list[float] = []

    @property
    def is_busy(self) -> bool:
        """Whether the p99 delay is above 20 ms, so lag proves nothing about the generator."""
        late = sorted(self.delays_s)
        return is_overloaded() or (bool(late) and late[int(0.99 * len(late))] > _BUSY_DELAY_S)

    def measure(self, stop: threading.Event) -> None:
        """Measure until *stop* is set."""
        while not stop.is_set():
            began = time.monotonic()
            time.sleep(_SLEEP_S)
            self.delays_s.append(time.monotonic() - began - _SLEEP_S)


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
