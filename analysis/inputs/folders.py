"""Data files of a folder; detection of Delta, Iceberg, Hudi and other tables."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from analysis.inputs.errors import InputError
from analysis.inputs.file_format import hidden

#: Files in a run's folder of rows that hold no rows.
_OTHER_FILES = frozenset({"errors.ndjson"})


def table_format(folder: Path) -> str:
    """Return the table format of a folder: `Delta`, `Iceberg`, `Hudi`, `Hive ACID`, `Spark stream`; otherwise empty."""
    if (folder / "_delta_log").is_dir():
        return "Delta"
    if (folder / ".hoodie").is_dir():
        return "Hudi"
    if (folder / "_spark_metadata").is_dir():
        return "Spark stream"
    metadata = folder / "metadata"
    if metadata.is_dir() and any(metadata.glob("*.metadata.json*")):
        return "Iceberg"
    if any(folder.glob("delta_[0-9]*_[0-9]*")) or any(folder.glob("base_[0-9]*")):
        return "Hive ACID"
    return ""


def enclosing_table(path: Path) -> tuple[Path, str]:
    """Return the table that contains *path* and its format; *path* and an empty format without one."""
    resolved = path.resolve()
    for folder in (resolved, *list(resolved.parents)[:8]):
        if folder.is_dir() and (format_ := table_format(folder)):
            return folder, format_
    return path, ""


def data_files(folder: Path) -> Iterator[Path]:
    """Yield the data files under *folder* in order, and the target of each link once.

    Raises:
        InputError: a folder cannot be read, or a table of Delta, Iceberg or Hudi is inside.
    """
    visited: set[tuple[int, int]] = set()
    yield from _scan(folder, folder, visited)


def _scan(folder: Path, top: Path, visited: set[tuple[int, int]]) -> Iterator[Path]:
    try:
        status = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return  # a writer moved or removed it after the listing
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror}") from error
    if (status.st_dev, status.st_ino) in visited:
        return
    visited.add((status.st_dev, status.st_ino))
    if folder != top and (format_ := table_format(folder)):
        raise InputError(f"{folder} inside {top} is a table of {format_}: name it with a separate --observed")
    for entry in entries:
        path = folder / entry.name
        if hidden(Path(entry.name)) or entry.name in _OTHER_FILES:
            continue
        if entry.is_dir():
            yield from _scan(path, top, visited)
        elif _is_data(path, visited):
            yield path


def _is_data(path: Path, visited: set[tuple[int, int]]) -> bool:
    """Return whether *path* is a regular file with content that was not visited under another name."""
    try:
        status = path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            raise InputError(f"{path} is a link to a file that does not exist; restore or remove it") from None
        return False
    key = (status.st_dev, status.st_ino)
    if not stat.S_ISREG(status.st_mode) or not status.st_size or key in visited:
        return False
    visited.add(key)
    return True
