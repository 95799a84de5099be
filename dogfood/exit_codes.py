"""Exit codes and signals: every error becomes one line and an exit code, and a crash is INVALID, never NO-GO."""

import errno
import os
import re
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from analysis.memory import address_limit
from common.errors import DogfoodError
from dogfood.console import visible

#: Exit codes of wrong use, of an interrupted command, and of a fault of the kit or the machine.
_WRONG_USE, _INCONCLUSIVE, _INVALID = 2, 3, 4

_PAGE = "docs/guide/troubleshooting.md"

#: Prints the line of an error.
PrintLine = Callable[[str], None]

#: Messages of libraries without memory: most raise other errors than MemoryError.
_NO_MEMORY = re.compile(r"cannot allocate|alloc(ate|ation) (memory|fail)|bad_alloc|map segment|start new thread", re.I)

#: Errors of the machine, and the fix of each.
_MACHINE_FIXES = {
    errno.ENOSPC: "free some space and run it again",
    errno.EDQUOT: "free some space and run it again",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close other programs",
}


def print_line(line: str) -> None:
    """Print *line* on standard error, as one line; ignore a full or closed standard error."""
    try:
        click.echo(visible(" ".join(line.splitlines())), err=True)
    except (OSError, ValueError):
        return


def treat_as_interrupts() -> None:
    """Let SIGTERM and SIGHUP do what Ctrl-C does, so that one code path cleans up; ignored signals (nohup) stay so."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(_: int, __: FrameType | None) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell starts background jobs with SIGINT ignored.
        raise KeyboardInterrupt
    # asyncio handles SIGINT itself and ends its tasks first.
    signal.raise_signal(signal.SIGINT)


def run_guarded(command: Callable[[], object], print_error: PrintLine = print_line) -> int:
    """Run *command* and return its exit code.

    An error that the user can fix becomes one line. An unexpected error is INVALID (4): one line that names a file
    with the traceback.

    Args:
        command: returns an exit code or None; may raise any exception.
        print_error: prints the line of an error.
    """
    try:
        code = _run(command, print_error)
        sys.stdout.flush()
    except BaseException as error:
        code = _crashed(error, print_error)
    return code


def leave(code: int) -> NoReturn:
    """End the process with *code*, even when standard output cannot be flushed."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            # A failed flush at exit would change the exit code.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


def _run(command: Callable[[], object], print_error: PrintLine) -> int:
    try:
        result = command()
    except SystemExit as error:
        return _code(error.code, print_error)
    except DogfoodError as error:
        see = f" (see {error.page})" if error.page else ""
        print_error(f"error: {error}{see}")
        return error.exit_code
    except click.ClickException as error:
        # A usage error also shows the command's usage.
        error.show()
        return _WRONG_USE
    except (KeyboardInterrupt, click.Abort):
        print_error("error: interrupted before there was a result; run the command again")
        return _INCONCLUSIVE
    return _code(result, print_error)


def _code(result: object, print_error: PrintLine) -> int:
    if isinstance(result, str):
        print_error(result)
        return _WRONG_USE
    return int(result) if isinstance(result, int) else 0


def _crashed(error: BaseException, print_error: PrintLine) -> int:
    """Print the error in one line, write the traceback to a file, and return 4."""
    print_error(f"error: {_why(error)}; {_remedy(error)} (traceback: {_write_traceback(error)}; see {_PAGE})")
    return _INVALID


def _why(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror and error.errno != errno.ENOMEM:
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror}: the run is INVALID"
    if (reason := _no_memory(error)) is not None:
        limit = address_limit()
        return f"out of memory{f' under {limit}' if limit else ''}{reason}: the run is INVALID"
    text = str(error)
    return f"the kit failed, which is INVALID: {type(error).__name__}{f': {text}' if text else ''}"


def _no_memory(error: BaseException) -> str | None:
    """Return the message of a library without memory, in brackets, or empty; None for any other error."""
    cause: BaseException | None = error
    while cause is not None:
        text = str(cause)
        is_named = isinstance(cause, MemoryError) or getattr(cause, "errno", 0) == errno.ENOMEM
        if is_named or _NO_MEMORY.search(text):
            return f" ({text.splitlines()[0]})" if text else ""
        cause = cause.__cause__ or cause.__context__
    return None


def _remedy(error: BaseException) -> str:
    if _no_memory(error) is not None:
        return "raise the limit" if address_limit() else "free some memory"
    return _MACHINE_FIXES.get(getattr(error, "errno", 0) or 0, "report it with the traceback")


def _write_traceback(error: BaseException) -> str:
    """Write the traceback to a file that only its owner can read; return its path, or the line of code on failure."""
    content = "".join(traceback.format_exception(error))
    try:
        descriptor, name = tempfile.mkstemp(prefix="dogfood-crash-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(content)
    except OSError:
        frames = traceback.extract_tb(error.__traceback__)
        return f"not written; {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "not written"
    return name
