"""Commands under a limit of address space: each runs in a child process, whose crash becomes one line and exit code 4.

A library, or one of its threads, that finds no memory may end the process by a signal or by `exit()`, also after the
result is there. So the child reports its exit code through a pipe: without a report there is no result.
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
from common.parent_death import die_with
from dogfood.exit_codes import Tell, tell

#: What a user may send to the parent, and the end of the child.
_FORWARDED = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
_AWAITED = _FORWARDED | {signal.SIGCHLD}

#: Of a signal that another process sent (`kill`): a terminal's Ctrl-C reaches the child by itself.
_SENT_BY_PROCESS = 0

#: Each thread of OpenBLAS takes tens of megabytes of addresses, and Arrow's own allocator reserves a gigabyte.
_FEW_ADDRESSES = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}


class _Report(NamedTuple):
    """What a child reports when its command has ended: the exit code, and what to print on standard error."""

    code: int
    lines: list[str]


def run_contained(command: Callable[[Tell], int], limit: str) -> int:
    """Run *command* in a child process and return its exit code; 4 when the child ends without a report.

    Args:
        command: is given the function that takes its error lines, and returns its exit code.
        limit: the limit of memory, in words.

    Raises:
        KeyboardInterrupt: a signal ended the child, as a user asked.
    """
    reader, writer = os.pipe()
    # Libraries, and Python itself, print there before they end a process that has no memory.
    noise = os.memfd_create("stderr")
    parent = os.getpid()
    with _held_signals() as before:
        child = os.fork()
        if not child:
            os.close(reader)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            die_with(parent, signal.SIGTERM)
            _work(command, writer, noise)
        os.close(writer)
        status = _await(child)
    # A child that crashed has left its database behind.
    for folder in Path(tempfile.gettempdir()).glob(f"{scratch_prefix(child)}*"):
        shutil.rmtree(folder, ignore_errors=True)
    report = _read(reader)
    if report is None and -status in _FORWARDED:
        raise KeyboardInterrupt
    if report is None:
        tell(f"error: the command ran out of memory under {limit} ({_how(status, _text(noise))}); raise the limit")
        return KitFaultError.exit_code
    # With exit code 4 the lines say why, and what libraries printed meanwhile adds nothing.
    if report.code != KitFaultError.exit_code:
        sys.stderr.write(_text(noise))
    for line in report.lines:
        tell(line)
    return report.code


def _work(command: Callable[[Tell], int], writer: int, noise: int) -> NoReturn:
    """Run *command* in the child process, report, and end the process."""
    os.environ.update(_FEW_ADDRESSES)
    os.dup2(noise, 2)
    lines: list[str] = []
    code = KitFaultError.exit_code
    try:
        code = command(lines.append)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os.write(writer, json.dumps(_Report(code, lines)).encode())
    except BaseException:
        # Without memory even the report of an error may fail.
        os._exit(KitFaultError.exit_code)
    if code == KitFaultError.exit_code:
        # Without memory, what libraries do at the end may wait for threads that are gone.
        os._exit(code)
    sys.exit(code)


@contextlib.contextmanager
def _held_signals() -> Iterator[set[signal.Signals]]:
    """Hold back the awaited signals while the block runs; give their mask from before."""
    before = {signal.Signals(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)}
    try:
        yield before
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _await(child: int) -> int:
    """Wait for the end of *child*, passing on signals; return its exit code, or less than 0: the signal's number."""
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            _drain()
            return os.waitstatus_to_exitcode(status)
        caught = signal.sigwaitinfo(_AWAITED)
        if caught.si_signo in _FORWARDED and caught.si_code == _SENT_BY_PROCESS:
            os.kill(child, caught.si_signo)


def _drain() -> None:
    """Take the signals that came with the child's end: they were meant for it."""
    while signal.sigtimedwait(_AWAITED, 0) is not None:
        pass


def _read(reader: int) -> _Report | None:
    os.set_blocking(reader, False)
    with contextlib.suppress(BlockingIOError), os.fdopen(reader, "rb", buffering=0) as pipe:
        if content := pipe.readall():
            return _Report(*json.loads(content))
    return None


def _text(noise: int) -> str:
    return os.pread(noise, 1 << 20, 0).decode(errors="replace")


def _how(status: int, noise: str) -> str:
    ended = f"ended by {signal.Signals(-status).name}" if status < 0 else f"ended with exit code {status}"
    last = noise.strip().splitlines()[-1:]
    return ": ".join([ended, *last])
