"""Whether the machine was too busy during a test to judge a generator's lag: measured by a thread that only sleeps."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_NAP_S = 0.005


class Jitter:
    """How late a sleeping thread woke up.

    Attributes:
        worst_ms: the longest delay.
    """

    def __init__(self) -> None:
        self.worst_ms = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether a process had to wait for a CPU so long that a generator's lag says nothing about the generator."""
        return self.worst_ms > 50

    def watch(self, stop: threading.Event) -> None:
        while not stop.is_set():
            began = time.monotonic()
            time.sleep(_NAP_S)
            self.worst_ms = max(self.worst_ms, (time.monotonic() - began - _NAP_S) * 1000)


@contextmanager
def measured_jitter() -> Iterator[Jitter]:
    """Measure the jitter of this machine until the block ends."""
    jitter, stop = Jitter(), threading.Event()
    thread = threading.Thread(target=jitter.watch, args=(stop,))
    thread.start()
    try:
        yield jitter
    finally:
        stop.set()
        thread.join()
