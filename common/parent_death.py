"""End child processes when their parent ends, by a crash or a kill too (Linux: prctl(2), PR_SET_PDEATHSIG).

The file is also a program, which replaces itself by the command that it is given: `parent_death.py with PID SIGNAL
COMMAND…`. It imports nothing of the kit, so it starts fast. As `parent_death.py group PGID` it kills a process group
when its standard input ends without the message that the group has ended.
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

#: Message to the watchdog of a group that has ended.
_GROUP_ENDED = b"ended\n"


def end_with_parent(command: Sequence[str], signal_number: signal.Signals = signal.SIGKILL) -> list[str]:
    """Return *command* in a form whose process gets a signal when this process ends.

    Start it from a thread that lives as long as the process should: Linux sends the signal when that thread ends.

    Args:
        command: program and arguments; the program is searched in PATH.
        signal_number: the signal.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), "with", str(os.getpid()),
            str(int(signal_number)), *command]  # fmt: skip


def set_parent_death_signal(parent: int, signal_number: signal.Signals = signal.SIGKILL) -> None:
    """Request a signal for this process when its *parent* ends; end now if the parent has ended already."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal_number)


class ProcessGroupWatchdog:
    """Kills a process group when this process ends without a call of `release`.

    Args:
        group: id of the process group.
    """

    def __init__(self, group: int) -> None:
        command = [sys.executable, "-I", "-S", str(Path(__file__).resolve()), "group", str(group)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    @property
    def pid(self) -> int:
        """Process id of the watchdog."""
        return self._process.pid

    def release(self) -> None:
        """End the watchdog without killing the group, which has ended."""
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate(_GROUP_ENDED)


def _watch_group(group: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    message = b""
    while chunk := os.read(0, 64):
        message += chunk
    if message != _GROUP_ENDED:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def _main(arguments: Sequence[str]) -> None:
    if arguments[0] == "group":
        _watch_group(int(arguments[1]))
        return
    set_parent_death_signal(int(arguments[1]), signal.Signals(int(arguments[2])))
    try:
        os.execvp(arguments[3], list(arguments[3:]))  # noqa: S606 (arguments of the kit's code, and no shell)
    except OSError as error:
        print(f"error: {arguments[3]} cannot be run: {error.strerror}", file=sys.stderr)
        sys.exit(127)


if __name__ == "__main__":
    _main(sys.argv[1:])
