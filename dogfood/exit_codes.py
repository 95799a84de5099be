"""The end of a command: every error is one line and an exit code, and a crash never looks like a NO-GO."""

import errno
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click

from analysis.memory import address_limit
from common.errors import DogfoodError
from dogfood.console import visible

#: The exit codes of wrong use, of a command that was ended by hand, and of a fault of the kit or the machine.
_WRONG_USE, _INCONCLUSIVE, _INVALID = 2, 3, 4

_PAGE = "docs/guide/troubleshooting.md"

#: Takes an error's line.
Tell = Callable[[str], None]

#: What libraries say that find no memory: most raise an error of another kind than MemoryError.
_NO_MEMORY = re.compile(r"cannot allocate|alloc(ate|ation) (memory|fail)|bad_alloc|map segment|start new thread", re.I)

#: Errors of the machine, with what to do about them.
_MACHINE = {
    errno.ENOSPC: "free some space and run it again",
    errno.EDQUOT: "free some space and run it again",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close other programs",
}


def tell(line: str) -> None:
    """Print *line* on standard error, as one line; where that is full or closed there is nobody to tell."""
    try:
        click.echo(visible(" ".join(line.splitlines())), err=True)
    except (OSError, ValueError):
        return


def run_guarded(command: Callable[[], object], tell: Tell = tell) -> int:
    """Run *command* and return its exit code.

    An error that a user can fix becomes one line. Anything unexpected is INVALID (4): one line, and the traceback in a
    file that the line names.

    Args:
        command: returns an exit code or nothing; raises SystemExit, click's exceptions, or anything else.
        tell: takes an error's line; prints it by default.
    """
    try:
        code = _run(command, tell)
        sys.stdout.flush()
    except BaseException as error:
        code = _crashed(error, tell)
    return code


def leave(code: int) -> NoReturn:
    """End the process with *code*, also where standard output cannot be flushed any more."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            # What Python flushes at its end would change the exit code.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


def _run(command: Callable[[], object], tell: Tell) -> int:
    try:
        result = command()
    except SystemExit as error:
        return _code(error.code, tell)
    except DogfoodError as error:
        see = f" (see {error.page})" if error.page else ""
        tell(f"error: {error}{see}")
        return error.exit_code
    except click.ClickException as error:
        # A usage error shows the command's usage as well; any other is wrong use, too.
        error.show()
        return _WRONG_USE
    except (KeyboardInterrupt, click.Abort):
        tell("error: interrupted before there was a result: run the command again")
        return _INCONCLUSIVE
    return _code(result, tell)


def _code(result: object, tell: Tell) -> int:
    if isinstance(result, str):
        tell(result)
        return _WRONG_USE
    return int(result) if isinstance(result, int) else 0


def _crashed(error: BaseException, tell: Tell) -> int:
    """Print what failed in one line, put the traceback into a file, and return 4."""
    tell(f"error: {_why(error)}; {_remedy(error)} (traceback: {_kept(error)}; see {_PAGE})")
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
    """Return what a library said that found no memory, in brackets if it said anything; None for any other error."""
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
    return _MACHINE.get(getattr(error, "errno", 0) or 0, "report it with the traceback")


def _kept(error: BaseException) -> str:
    """Write the traceback into a file readable by its owner only; return where, or the place in the code."""
    content = "".join(traceback.format_exception(error))
    try:
        descriptor, name = tempfile.mkstemp(prefix="dogfood-crash-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(content)
    except OSError:
        frames = traceback.extract_tb(error.__traceback__)
        return f"not written; {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "not written"
    return name
