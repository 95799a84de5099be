"""Reading events as they come: from files that grow, or from topics of Kafka."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import orjson

from common.errors import DogfoodError
from contracts.streams import DATA_CENTRES, topic
from dogfood.testbed_control.services import Testbed
from run_record.file_tail import FileTail

Event = Mapping[str, object]


class Source(Protocol):
    """Where events come from."""

    @property
    def broken(self) -> int:
        """How many lines were no events, so far."""

    def skip(self) -> None:
        """Leave out what is there already."""

    def new_events(self) -> Iterator[Event]:
        """Yield the events that came since the last call. Raises DogfoodError when they cannot be read."""


class Tail:
    """Reads NDJSON files from where it stopped the last time; files that come later are read as well.

    Args:
        paths: files, or folders whose `*.ndjson` are read; a folder may come later, too.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = tuple(paths)
        self._growing = FileTail()
        self.broken = 0

    def skip(self) -> None:
        """Leave out what is there already; of a half line, what is there of it is not left out."""
        for _ in self.new_events():
            pass
        self.broken = 0

    def new_events(self) -> Iterator[Event]:
        """Yield the events that came since the last call; a line without an end is left for the next one.

        Raises:
            DogfoodError: a file cannot be read.
        """
        for path in self._files():
            try:
                lines = self._growing.new_lines(path).splitlines()
            except OSError as error:
                raise DogfoodError(f"{path} cannot be read: {error.strerror}") from error
            for event in map(_event, lines):
                if event is None:
                    self.broken += 1
                else:
                    yield event

    def _files(self) -> list[Path]:
        return [file for path in self._paths for file in ([path] if path.is_file() else sorted(path.glob("*.ndjson")))]


class TopicTail:
    """Reads topics of the Kafka at *bootstrap* from where it stopped the last time.

    Raises:
        DogfoodError: Kafka's client is not installed.
    """

    def __init__(self, bootstrap: str, topics: Sequence[str]) -> None:
        from contracts.kafka import KafkaReader

        self._readers = [KafkaReader(bootstrap, topic) for topic in topics]
        self.broken = 0

    def skip(self) -> None:
        """Leave out what is there already. Raises BrokerError."""
        for reader in self._readers:
            reader.skip()

    def new_events(self) -> Iterator[Event]:
        """Yield the events that came since the last call. Raises BrokerError."""
        for reader in self._readers:
            for batch in reader.read():
                for event in map(_event, batch.lines):
                    if event is None:
                        self.broken += 1
                    else:
                        yield event


def observed_or_stream(
    testbed: Testbed, observed: Sequence[Path], kafka: str, stream: str, *, must_exist: bool
) -> Source:
    """Return where to read events from: files, a Kafka that was named, or else the testbed's stream.

    Args:
        testbed: whose stream is read when neither files nor a Kafka are named.
        observed: files.
        kafka: bootstrap servers.
        stream: its name.
        must_exist: whether a stream of which there is no topic yet is an error.

    Raises:
        DogfoodError: there is no such stream, or Kafka does not answer.
    """
    if observed:
        return Tail(observed)
    names = [topic(stream, data_centre) for data_centre in DATA_CENTRES]
    bootstrap = kafka or testbed.bootstrap()
    if bootstrap:
        from contracts.kafka import topics

        there: frozenset[str] = topics(bootstrap)
        where = f"Kafka at {bootstrap}"
    else:
        there = frozenset(path.name for path in testbed.stream_dir.glob("*"))
        where = str(testbed.folder)
    if must_exist and not there.intersection(names):
        raise DogfoodError(f"{where} has no stream {stream!r} yet: start a run, or name a file with --observed")
    return TopicTail(bootstrap, names) if bootstrap else Tail([testbed.stream_dir / name for name in names])


def _event(line: bytes) -> Event | None:
    try:
        event: object = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return event if isinstance(event, dict) else None
