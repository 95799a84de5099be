"""Pipes as input: `--observed <(zcat rows.gz)` and named pipes, which can be read once only."""

import os
import select
import stat
from pathlib import Path
from typing import BinaryIO

from analysis.inputs.errors import InputError

#: A named pipe into which nobody writes for so long is given up.
TIMEOUT_S = 60.0


def is_pipe(path: Path) -> bool:
    """Return whether *path* can be read once only. Raises InputError where it cannot be read at all."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: --observed takes files and folders of events") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if stat.S_ISSOCK(mode) or stat.S_ISBLK(mode):
        raise InputError(f"{path} is a socket or a disk, not a file of events; name a file, a folder or a pipe")
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def open_pipe(path: Path, timeout_s: float = TIMEOUT_S) -> BinaryIO:
    """Return the pipe *path* to be read, once somebody writes into it.

    Args:
        path: of the pipe.
        timeout_s: seconds to wait for a writer.

    Raises:
        InputError: nobody writes into it, or it cannot be opened.
    """
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    poll = select.poll()
    poll.register(number, select.POLLIN | select.POLLHUP)
    if not poll.poll(timeout_s * 1000):
        os.close(number)
        raise InputError(f"{path} is a pipe, and nothing was written into it for {timeout_s:g} s; start its writer")
    os.set_blocking(number, True)
    return os.fdopen(number, "rb")
