"""Sources of new events: growing NDJSON files, or topics of Kafka."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import orjson

from common.errors import DogfoodError
from contracts.streams import DATA_CENTRES, topic
from dogfood.testbed_control.services import Testbed
from run_record.file_tail import FileTail

Event = Mapping[str, object]


class EventSource(Protocol):
    """Source of new events."""

    @property
    def broken(self) -> int:
        """Number of lines so far that were not events."""

    def skip(self) -> None:
        """Skip the existing events."""

    def new_events(self) -> Iterator[Event]:
        """Yield the events that arrived since the last call. Raises DogfoodError when they cannot be read."""


class FileSource:
    """Reads the new lines of NDJSON files, also of files that appear later.

    Args:
        paths: files, or folders whose `*.ndjson` are read; a folder may appear later.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = tuple(paths)
        self._files = FileTail()
        self.broken = 0

    def skip(self) -> None:
        """Skip the existing events, except the beginning of an unfinished line."""
        for _ in self.new_events():
            pass
        self.broken = 0

    def new_events(self) -> Iterator[Event]:
        """Yield the events that arrived since the last call; an unfinished line waits for the next call.

        Raises:
            DogfoodError: a file cannot be read.
        """
        for path in self._paths_of_files():
            try:
                lines = self._files.new_lines(path).splitlines()
            except OSError as error:
                raise DogfoodError(f"{path} cannot be read: {error.strerror}") from error
            for event in map(_event, lines):
                if event is None:
                    self.broken += 1
                else:
                    yield event

    def _paths_of_files(self) -> list[Path]:
        return [file for path in self._paths for file in ([path] if path.is_file() else sorted(path.glob("*.ndjson")))]


class TopicSource:
    """Reads the new events of topics of the Kafka at *bootstrap*.

    Raises:
        DogfoodError: Kafka's client is not installed.
    """

    def __init__(self, bootstrap: str, topics: Sequence[str]) -> None:
        from contracts.kafka import KafkaReader

        self._readers = [KafkaReader(bootstrap, topic) for topic in topics]
        self.broken = 0

    def skip(self) -> None:
        """Skip the existing events. Raises BrokerError."""
        for reader in self._readers:
            reader.skip()

    def new_events(self) -> Iterator[Event]:
        """Yield the events that arrived since the last call. Raises BrokerError."""
        for reader in self._readers:
            for batch in reader.read():
                for event in map(_event, batch.lines):
                    if event is None:
                        self.broken += 1
                    else:
                        yield event


def open_source(
    testbed: Testbed, observed: Sequence[Path], kafka: str, stream: str, *, must_exist: bool
) -> EventSource:
    """Return the source of events: files, a given Kafka, or else the testbed's stream.

    Args:
        testbed: testbed whose stream is read without *observed* and *kafka*.
        observed: files of events.
        kafka: bootstrap servers.
        stream: name of the stream.
        must_exist: whether a stream without a topic is an error.

    Raises:
        DogfoodError: the stream does not exist, or Kafka does not answer.
    """
    if observed:
        return FileSource(observed)
    names = [topic(stream, data_centre) for data_centre in DATA_CENTRES]
    bootstrap = kafka or testbed.bootstrap()
    if bootstrap:
        from contracts.kafka import topics

        existing: frozenset[str] = topics(bootstrap)
        carrier = f"Kafka at {bootstrap}"
    else:
        existing = frozenset(path.name for path in testbed.stream_dir.glob("*"))
        carrier = str(testbed.folder)
    if must_exist and not existing.intersection(names):
        raise DogfoodError(f"{carrier} has no stream {stream!r} yet; start a run, or name a file with --observed")
    return TopicSource(bootstrap, names) if bootstrap else FileSource([testbed.stream_dir / name for name in names])


def _event(line: bytes) -> Event | None:
    try:
        event: object = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return event if isinstance(event, dict) else None
