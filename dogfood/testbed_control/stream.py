"""Carrier of a testbed's stream, recorded in `stream.json`: segment files, the testbed's Kafka or an external one."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import orjson

from common.atomic_write import atomic_write
from common.errors import DogfoodError
from common.typed_json import Origin, Reader

_RECORD = "stream.json"


class StreamKind(StrEnum):
    """Carrier of the stream."""

    SEGMENTS = "segments"
    KAFKA = "kafka"


@dataclass(frozen=True)
class StreamChoice:
    """Carrier of a testbed's stream.

    Attributes:
        kind: segment files or Kafka.
        bootstrap: servers of an external Kafka, `host:port` with commas; empty for the testbed's.
    """

    kind: StreamKind = StreamKind.SEGMENTS
    bootstrap: str = ""

    @property
    def own_broker(self) -> bool:
        """Whether the testbed runs a broker."""
        return self.kind is StreamKind.KAFKA and not self.bootstrap

    def write(self, testbed: Path) -> None:
        """Record the choice in the testbed's folder."""
        testbed.mkdir(parents=True, exist_ok=True)
        atomic_write(testbed / _RECORD, orjson.dumps({"kind": self.kind, "bootstrap": self.bootstrap}))


_READER = Reader(StreamChoice)


def chosen(kind: str | None, bootstrap: str) -> StreamChoice | None:
    """Return the choice of the options `--stream` and `--kafka`; None without either.

    Raises:
        DogfoodError: they contradict each other.
    """
    if bootstrap and kind == StreamKind.SEGMENTS:
        raise DogfoodError("--kafka and --stream segments contradict each other; leave one out")
    if bootstrap:
        return StreamChoice(StreamKind.KAFKA, bootstrap)
    return StreamChoice(StreamKind(kind)) if kind else None


def recorded(testbed: Path) -> StreamChoice:
    """Return the recorded carrier of the testbed in that folder; without a record, segment files.

    Raises:
        DogfoodError: the record is invalid.
    """
    try:
        return _READER.file(Origin(testbed / _RECORD, fix="remove it, and give --stream again"))
    except FileNotFoundError:
        return StreamChoice()
