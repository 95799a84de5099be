"""The testbed's small files, read and checked: records of services, faults, the wiki's settings."""

from pathlib import Path
from typing import Annotated

import msgspec
import psutil

from common.typed_json import Origin, Reader


class ServiceRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The process of a service.

    Attributes:
        pid: process id.
        born: start time in seconds since 1970; tells a reused process id apart.
        port: port that it listens on.
    """

    pid: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    born: float
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)]

    def write(self) -> bytes:
        """Return the content of the file."""
        return msgspec.json.encode(self)


class _WikiSettings(msgspec.Struct):
    """The settings of the wiki that the command line reads."""

    extensions: dict[str, object] = {}


_RECORD, _FAULTS, _SETTINGS = Reader(ServiceRecord), Reader(list[str]), Reader(_WikiSettings)


def running(path: Path) -> ServiceRecord | None:
    """Return the record at *path* if its process runs; None otherwise.

    Raises:
        DamagedFileError: the file is not a record, so the process is unknown.
    """
    try:
        record = _RECORD.file(Origin(path, fix="stop the service with `dogfood down`"))
        process = psutil.Process(record.pid)
        same = abs(process.create_time() - record.born) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except (FileNotFoundError, psutil.Error):
        return None
    return record if same else None


def read_faults(path: Path) -> tuple[str, ...]:
    """Return the faults that are switched on; without a file, none. Raises DamagedFileError."""
    try:
        return tuple(_FAULTS.file(Origin(path, fix="remove it: no fault is then switched on")))
    except FileNotFoundError:
        return ()


def wiki_extensions(path: Path) -> frozenset[str]:
    """Return the names of the extensions in the wiki's settings; without a file, none. Raises DamagedFileError."""
    try:
        return frozenset(
            _SETTINGS.file(Origin(path, fix="remove the wiki's folder; `dogfood up` creates it")).extensions
        )
    except FileNotFoundError:
        return frozenset()
