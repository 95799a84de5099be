"""The small files of a testbed, read as what they have to be: records of services, faults, the wiki's settings."""

from pathlib import Path
from typing import Annotated

import msgspec
import psutil

from common.typed_json import Origin, Reader


class ServiceRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The process of a service.

    Attributes:
        pid: its process id.
        born: when it was started, seconds since 1970: a process id is used again after a while.
        port: that it listens on.
    """

    pid: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    born: float
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)]

    def write(self) -> bytes:
        """Return the content of the file."""
        return msgspec.json.encode(self)


class _WikiSettings(msgspec.Struct):
    """Those of the wiki's settings that the command line asks about."""

    extensions: dict[str, object] = {}


_RECORD, _FAULTS, _SETTINGS = Reader(ServiceRecord), Reader(list[str]), Reader(_WikiSettings)


def running(path: Path) -> ServiceRecord | None:
    """Return the record at *path* when its process runs; None when it does not, or there is no record.

    Raises:
        DamagedFileError: the file is not a record, so that nobody knows which process it is about.
    """
    try:
        record = _RECORD.file(Origin(path, fix="stop the service with `dogfood down`"))
        process = psutil.Process(record.pid)
        same = abs(process.create_time() - record.born) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except (FileNotFoundError, psutil.Error):
        return None
    return record if same else None


def read_faults(path: Path) -> tuple[str, ...]:
    """Return the faults that are switched on; none where no file is. Raises DamagedFileError."""
    try:
        return tuple(_FAULTS.file(Origin(path, fix="remove it: no fault is then switched on")))
    except FileNotFoundError:
        return ()


def wiki_extensions(path: Path) -> frozenset[str]:
    """Return the names of the extensions in the wiki's settings; none where no file is. Raises DamagedFileError."""
    try:
        return frozenset(_SETTINGS.file(Origin(path, fix="remove the wiki's folder: `dogfood up` makes it")).extensions)
    except FileNotFoundError:
        return frozenset()
