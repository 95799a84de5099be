"""Replace files in one step: a reader sees the old content or the new one, never half of either."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary file beside *path*; rename it to *path* when the block ends without an error.

    Raises:
        OSError: the file cannot be renamed; *path* is unchanged.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def atomic_write(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Replace *path* by *content* in one step.

    The content is flushed to disk before the rename, so neither a full disk nor a killed process leaves a truncated
    file behind.

    Args:
        path: of the file.
        content: of the file.
        mode: permissions of the file, from which the process's umask is subtracted.

    Raises:
        OSError: the file cannot be written; *path* is unchanged.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    with replacing(path) as temporary, os.fdopen(os.open(temporary, flags, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
