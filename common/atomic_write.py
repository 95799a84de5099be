"""Writing small files so that a reader sees the old one or the new one, never half of one."""

import os
from pathlib import Path


def atomic_write(path: Path, content: bytes) -> None:
    """Replace *path* by *content* in one step.

    The bytes go to a neighbour of *path* first and are flushed to disk before the rename, so neither a full
    disk nor a killed process leaves a truncated file behind.

    Raises:
        OSError: the file cannot be written; *path* is as it was before.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
