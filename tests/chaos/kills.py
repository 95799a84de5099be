"""Killing processes at a moment that is proven: they are stopped, looked at, and then killed or continued."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import psutil

#: Seconds in which a process has to come to its work, on a machine however busy.
WITHIN_S = 240.0


def killed_inside(
    victims: Sequence[int], inside: Callable[[], bool], chance: random.Random, *, longest_s: float = 0.05,
    held: Sequence[int] = (),
) -> bool:  # fmt: skip
    """Kill the processes *victims* while *inside* holds; return False when one of them had ended before.

    All of them stand still while *inside* is asked, so the kill falls into what was seen.

    Args:
        victims: process ids; what they started is not killed with them.
        inside: whether the work is under way.
        chance: draws how long the processes go on between two looks.
        longest_s: seconds of the longest such time.
        held: process ids of others that stand still meanwhile, and go on afterwards.
    """
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        try:
            if not all(map(_runs, victims)):
                return False
            # A look that stops nothing comes first: stopping all the time would keep the work from being done.
            if inside():
                _stop([*held, *victims])
                if inside():
                    for pid in victims:
                        os.kill(pid, signal.SIGKILL)
                    return True
                _continue(victims)
        except (ProcessLookupError, psutil.NoSuchProcess):
            _continue(victims)
            return False
        finally:
            _continue(held)
        time.sleep(chance.uniform(0, longest_s))
    raise AssertionError(f"process {victims[0]} did not come to its work within {WITHIN_S:.0f} s")


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


def until(holds: Callable[[], bool], otherwise: str) -> None:
    """Wait until *holds*. Raises AssertionError, with *otherwise*, when that takes too long."""
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)


def below(pid: int, word: str = "") -> list[psutil.Process]:
    """Return the processes that *pid* has started, directly or not, with *word* in their command line."""
    items = []
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.Error):
                if any(word in part for part in child.cmdline()):
                    items.append(child)
    return items
