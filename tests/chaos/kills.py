"""Kill processes during their work: stop them, check that they are working, then kill or continue them."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import psutil

#: Maximum seconds until a process begins its work, on a busy machine.
WITHIN_S = 240.0


def kill_during(
    victims: Sequence[int], is_working: Callable[[], bool], rng: random.Random, *, max_interval_s: float = 0.05,
    paused: Sequence[int] = (),
) -> bool:  # fmt: skip
    """Kill *victims* while *is_working* holds; return False if one had ended before.

    All victims are stopped during the check, so the kill falls into the checked state.

    Args:
        victims: process ids; their child processes are not killed.
        is_working: whether the work has begun and not ended.
        rng: draws the intervals between two checks.
        max_interval_s: maximum interval between two checks, in seconds.
        paused: ids of further processes that are stopped during the check only.
    """
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        try:
            if not all(map(_runs, victims)):
                return False
            # The first check stops nothing: constant stopping would prevent the work.
            if is_working():
                _stop([*paused, *victims])
                if is_working():
                    for pid in victims:
                        os.kill(pid, signal.SIGKILL)
                    return True
                _continue(victims)
        except (ProcessLookupError, psutil.NoSuchProcess):
            _continue(victims)
            return False
        finally:
            _continue(paused)
        time.sleep(rng.uniform(0, max_interval_s))
    raise AssertionError(f"process {victims[0]} did not begin its work within {WITHIN_S:.0f} s")


def _runs(pid: int) -> bool:
    return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)


def _stop(pids: Iterable[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    for pid in pids:
        while (status := psutil.Process(pid).status()) != psutil.STATUS_STOPPED:
            if status == psutil.STATUS_ZOMBIE:
                raise ProcessLookupError(pid)
            time.sleep(0.0005)


def _continue(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def until(condition: Callable[[], bool], message: str) -> None:
    """Wait until *condition* holds. Raises AssertionError with *message* after `WITHIN_S`."""
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, message
        time.sleep(0.02)


def below(pid: int, pattern: str = "") -> list[psutil.Process]:
    """Return the child processes of *pid*, also indirect ones, with *pattern* in their command line."""
    processes = []
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.Error):
                if any(pattern in part for part in child.cmdline()):
                    processes.append(child)
    return processes
