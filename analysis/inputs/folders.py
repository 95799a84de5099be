"""The files that a path stands for, without those that are not data; tables of Delta, Iceberg and Hudi by name."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from analysis.inputs.errors import InputError
from analysis.inputs.file_format import hidden

#: Files that lie beside rows in the folder of a run.
_OTHER_FILES = frozenset({"errors.ndjson"})


def table_format(folder: Path) -> str:
    """Return whose table the folder is: `Delta`, `Iceberg`, `Hudi`, `Hive ACID`, a stream of `Spark`; else empty."""
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
    """Return the table that *path* lies in, or is, and whose format it is; empty where it lies in none."""
    resolved = path.resolve()
    for folder in (resolved, *list(resolved.parents)[:8]):
        if folder.is_dir() and (found := table_format(folder)):
            return folder, found
    return path, ""


def data_files(folder: Path) -> Iterator[Path]:
    """Yield the files of data under *folder*, in order, following links once; nothing from tables of other formats.

    Raises:
        InputError: a folder cannot be read, or a table of Delta, Iceberg or Hudi is inside.
    """
    seen: set[tuple[int, int]] = set()
    yield from _walk(folder, folder, seen)


def _walk(folder: Path, top: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    try:
        status = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return  # gone since it was listed, as what a writer moves
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror}") from error
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    if folder != top and (found := table_format(folder)):
        raise InputError(f"{folder} inside {top} is a table of {found}: name it with an --observed of its own")
    for entry in entries:
        path = folder / entry.name
        if hidden(Path(entry.name)) or entry.name in _OTHER_FILES:
            continue
        if entry.is_dir():
            yield from _walk(path, top, seen)
        elif _is_data(path, seen):
            yield path


def _is_data(path: Path, seen: set[tuple[int, int]]) -> bool:
    """Return whether *path* is a regular file that was not seen under another name; empty ones hold nothing."""
    try:
        status = path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            raise InputError(f"{path} is a link to a file that does not exist; restore or remove it") from None
        return False
    key = (status.st_dev, status.st_ino)
    if not stat.S_ISREG(status.st_mode) or not status.st_size or key in seen:
        return False
    seen.add(key)
    return True
