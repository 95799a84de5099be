"""Killing a process at a moment that is proven: it is stopped, looked at, and then killed or let go on."""

import os
import random
import signal
import time
from collections.abc import Callable

import psutil

#: Seconds in which a process has to come to its work, on a machine however busy.
WITHIN_S = 240.0


def killed_inside(pid: int, inside: Callable[[], bool], chance: random.Random, *, longest_s: float = 0.05) -> bool:
    """Kill the process *pid* while *inside* holds; return whether it was, and not just ended by itself.

    The process stands still while *inside* is asked, so the kill falls into what was seen.

    Args:
        pid: the process; what it started is not killed with it.
        inside: whether the work is under way.
        chance: draws how long the process goes on between two looks.
        longest_s: seconds of the longest such time.
    """
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        try:
            os.kill(pid, signal.SIGSTOP)
            _stands(pid)
            if inside():
                os.kill(pid, signal.SIGKILL)
                return True
            os.kill(pid, signal.SIGCONT)
        except (ProcessLookupError, psutil.NoSuchProcess):
            return False
        time.sleep(chance.uniform(0, longest_s))
    raise AssertionError(f"process {pid} did not come to its work within {WITHIN_S:.0f} s")


def _stands(pid: int) -> None:
    while (status := psutil.Process(pid).status()) != psutil.STATUS_STOPPED:
        if status == psutil.STATUS_ZOMBIE:
            raise ProcessLookupError(pid)
        time.sleep(0.0005)


def until(holds: Callable[[], bool], otherwise: str) -> None:
    """Wait until *holds*. Raises AssertionError, with *otherwise*, when that takes too long."""
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.01)
