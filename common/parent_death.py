"""Processes that end when the one that started them does, however that ends (Linux: prctl(2), PR_SET_PDEATHSIG).

The file is also a program, which becomes the command it is given; it imports nothing of ours, so that starting it is
cheap: `tether.py with PID SIGNAL COMMAND…`, or `tether.py group PGID`, which kills a process group when its standard
input ends before it has said that all is well.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1

#: What the keeper of a group reads when the group has ended as it should.
_ALL_IS_WELL = b"ended\n"


def tethered(command: Sequence[str], number: signal.Signals = signal.SIGKILL) -> list[str]:
    """Return *command* as one whose process gets a signal when this process ends.

    To be started from a thread that lives as long as the process should: Linux looks at the thread.

    Args:
        command: the words; the first is looked for in PATH.
        number: of the signal.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), "with", str(os.getpid()), str(int(number)),
            *command]  # fmt: skip


def die_with(parent: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Let this process get a signal when its *parent* ends; when that has happened already, end now."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


class GroupKeeper:
    """Kills a process group when this process ends without having said that the group has ended.

    Args:
        group: its number.
    """

    def __init__(self, group: int) -> None:
        command = [sys.executable, "-I", "-S", str(Path(__file__).resolve()), "group", str(group)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    @property
    def pid(self) -> int:
        """Process id of the keeper."""
        return self._process.pid

    def release(self) -> None:
        """Say that the group has ended."""
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate(_ALL_IS_WELL)


def _keep(group: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    read = b""
    while chunk := os.read(0, 64):
        read += chunk
    if read != _ALL_IS_WELL:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def _main(words: Sequence[str]) -> None:
    if words[0] == "group":
        _keep(int(words[1]))
        return
    die_with(int(words[1]), signal.Signals(int(words[2])))
    try:
        os.execvp(words[3], list(words[3:]))  # noqa: S606 (the words of our own caller, and no shell)
    except OSError as error:
        print(f"error: {words[3]} cannot be run: {error.strerror}", file=sys.stderr)
        sys.exit(127)


if __name__ == "__main__":
    _main(sys.argv[1:])
