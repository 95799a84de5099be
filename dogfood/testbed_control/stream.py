"""Which stream a testbed has: segment files, a Kafka of its own, or one that runs already; kept in `stream.json`."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import orjson

from common.atomic_write import atomic_write
from common.errors import DogfoodError
from common.typed_json import Origin, Reader

_RECORD = "stream.json"


class StreamKind(StrEnum):
    """What carries the stream."""

    SEGMENTS = "segments"
    KAFKA = "kafka"


@dataclass(frozen=True)
class StreamChoice:
    """What carries a testbed's stream.

    Attributes:
        kind: segment files or Kafka.
        bootstrap: of a Kafka that runs already, `host:port` with commas; empty for the testbed's own.
    """

    kind: StreamKind = StreamKind.SEGMENTS
    bootstrap: str = ""

    @property
    def own_broker(self) -> bool:
        """Whether the testbed runs a broker."""
        return self.kind is StreamKind.KAFKA and not self.bootstrap

    def write(self, testbed: Path) -> None:
        """Remember the choice in the testbed's folder."""
        testbed.mkdir(parents=True, exist_ok=True)
        atomic_write(testbed / _RECORD, orjson.dumps({"kind": self.kind, "bootstrap": self.bootstrap}))


_READER = Reader(StreamChoice)


def chosen(kind: str | None, bootstrap: str) -> StreamChoice | None:
    """Return the choice that the options `--stream` and `--kafka` make; None when they make none.

    Raises:
        DogfoodError: they contradict each other.
    """
    if bootstrap and kind == StreamKind.SEGMENTS:
        raise DogfoodError("--kafka says where Kafka is, and --stream segments that there is none: leave one out")
    if bootstrap:
        return StreamChoice(StreamKind.KAFKA, bootstrap)
    return StreamChoice(StreamKind(kind)) if kind else None


def recorded(testbed: Path) -> StreamChoice:
    """Return what the testbed in that folder was made with; segment files when nothing was said.

    Raises:
        DogfoodError: the record makes no sense.
    """
    try:
        return _READER.file(Origin(testbed / _RECORD, fix="remove it, and say --stream again"))
    except FileNotFoundError:
        return StreamChoice()
