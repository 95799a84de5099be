"""Commands under a limit of address space run in a child process, whose crash becomes one line and exit code 4.

Without memory, a library or one of its threads may end the process by a signal or by `exit()`, even after the result
exists. So the child reports its exit code through a pipe: without a report there is no result.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

from analysis.memory import scratch_prefix
from common.errors import KitFaultError
from common.parent_death import set_parent_death_signal
from dogfood.exit_codes import PrintLine, print_line

#: Signals of the user, which are forwarded, and of the child's end.
_FORWARDED = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
_AWAITED = _FORWARDED | {signal.SIGCHLD}

#: Code of a signal that a process sent (`kill`). A terminal's Ctrl-C also reaches the child directly.
_SENT_BY_PROCESS = 0

#: Settings that save addresses: OpenBLAS takes tens of megabytes per thread, Arrow's allocator reserves a gigabyte.
_ADDRESS_SAVING = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}


class _Report(NamedTuple):
    """Report of a child: the exit code of its command, and the lines for standard error."""

    code: int
    lines: list[str]


def run_contained(command: Callable[[PrintLine], int], limit: str) -> int:
    """Run *command* in a child process and return its exit code; 4 when the child ends without a report.

    Args:
        command: takes a function that prints error lines, and returns its exit code.
        limit: description of the memory limit.

    Raises:
        KeyboardInterrupt: a signal of the user ended the child.
    """
    reader, writer = os.pipe()
    # Libraries and Python print to stderr before they end a process without memory.
    child_stderr = os.memfd_create("stderr")
    parent = os.getpid()
    with _held_signals() as before:
        child = os.fork()
        if not child:
            os.close(reader)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            set_parent_death_signal(parent, signal.SIGTERM)
            _work(command, writer, child_stderr)
        os.close(writer)
        status = _await(child)
    # A crashed child leaves its database behind.
    for folder in Path(tempfile.gettempdir()).glob(f"{scratch_prefix(child)}*"):
        shutil.rmtree(folder, ignore_errors=True)
    report = _read(reader)
    if report is None and -status in _FORWARDED:
        raise KeyboardInterrupt
    if report is None:
        print_line(
            f"error: the command ran out of memory under {limit} ({_how(status, _text(child_stderr))}); raise the limit"
        )
        return KitFaultError.exit_code
    # With exit code 4 the lines give the reason, and the output of libraries adds nothing.
    if report.code != KitFaultError.exit_code:
        sys.stderr.write(_text(child_stderr))
    for line in report.lines:
        print_line(line)
    return report.code


def _work(command: Callable[[PrintLine], int], writer: int, child_stderr: int) -> NoReturn:
    """Run *command* in the child process, report, and end the process."""
    os.environ.update(_ADDRESS_SAVING)
    os.dup2(child_stderr, 2)
    lines: list[str] = []
    code = KitFaultError.exit_code
    try:
        code = command(lines.append)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os.write(writer, json.dumps(_Report(code, lines)).encode())
    except BaseException:
        # Without memory, even the report of an error may fail.
        os._exit(KitFaultError.exit_code)
    if code == KitFaultError.exit_code:
        # Without memory, libraries may wait at exit for threads that have ended.
        os._exit(code)
    sys.exit(code)


@contextlib.contextmanager
def _held_signals() -> Iterator[set[signal.Signals]]:
    """Block the awaited signals until the block ends; yield their previous mask."""
    before = {signal.Signals(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)}
    try:
        yield before
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _await(child: int) -> int:
    """Wait for the end of *child* and forward signals; return its exit code, or minus the number of its signal."""
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            _drain()
            return os.waitstatus_to_exitcode(status)
        caught = signal.sigwaitinfo(_AWAITED)
        if caught.si_signo in _FORWARDED and caught.si_code == _SENT_BY_PROCESS:
            os.kill(child, caught.si_signo)


def _drain() -> None:
    """Discard the signals that arrived with the child's end: they were meant for it."""
    while signal.sigtimedwait(_AWAITED, 0) is not None:
        pass


def _read(reader: int) -> _Report | None:
    os.set_blocking(reader, False)
    with contextlib.suppress(BlockingIOError), os.fdopen(reader, "rb", buffering=0) as pipe:
        if content := pipe.readall():
            return _Report(*json.loads(content))
    return None


def _text(file: int) -> str:
    return os.pread(file, 1 << 20, 0).decode(errors="replace")


def _how(status: int, stderr: str) -> str:
    ended = f"ended by {signal.Signals(-status).name}" if status < 0 else f"ended with exit code {status}"
    last = stderr.strip().splitlines()[-1:]
    return ": ".join([ended, *last])
