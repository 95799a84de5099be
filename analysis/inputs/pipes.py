"""Pipes as input: `--observed <(zcat rows.gz)` and named pipes, which can be read only once."""

import os
import select
import stat
from pathlib import Path
from typing import BinaryIO

from analysis.inputs.errors import InputError

#: Seconds to wait for the writer of a named pipe.
TIMEOUT_S = 60.0


def is_pipe(path: Path) -> bool:
    """Return whether *path* can be read only once. Raises InputError for an unreadable path."""
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
    """Return the opened pipe *path*, after its writer starts to write.

    Args:
        path: path of the pipe.
        timeout_s: seconds to wait for a writer.

    Raises:
        InputError: the pipe has no writer, or cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    poller = select.poll()
    poller.register(descriptor, select.POLLIN | select.POLLHUP)
    if not poller.poll(timeout_s * 1000):
        os.close(descriptor)
        raise InputError(f"{path} is a pipe, and nothing was written into it for {timeout_s:g} s; start its writer")
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "rb")
