"""The stream's interfaces, and its embedded form: append-only segment files, one folder per topic.

The intake writes to a `Producer`; readers open topics with an `OpenTopic`. The Kafka versions are in
`testbed.stream.kafka` and `contracts.kafka`.

A segment is NDJSON, `<topic>/<nanoseconds since 1970>-<pid>.ndjson`, written by one process. Every writer starts a new
segment, so the partial line of a killed process stays the unterminated end of a segment that is never continued, and
readers skip it. A terminated line is complete, because a line and its end are written in one `write`.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from contracts.streams import Batch

SEGMENT_BYTES = 64 << 20


class StreamFullError(OSError):
    """A batch was not written, not even partly."""


class Producer(Protocol):
    """Destination of the intake's events."""

    async def produce(self, topic: str, events: Sequence[bytes]) -> Mapping[int, str]:
        """Write *events* (JSON without line ends) to *topic* and wait until they are stored.

        Returns:
            Reason of each event that may not be stored, by index; empty when all are stored.
        """

    def close(self) -> None:
        """Finish pending writes."""


class TopicReader(Protocol):
    """Reads one topic from a position that the caller can save."""

    @property
    def position(self) -> dict[str, int]:
        """Start of the next read, by segment or partition of the topic."""

    def read(self) -> Iterator[Batch]:
        """Yield the batches written since the position."""


class OpenTopic(Protocol):
    """Opens a topic for reading, such as `partial(SegmentReader, folder)`."""

    def __call__(self, topic: str, position: Mapping[str, int] | None = None) -> TopicReader:
        """Return a reader that starts at *position*, or at the beginning when it is None."""


class StreamWriter(Protocol):
    """Appends to a stream of segments."""

    def append(self, topic: str, events: Sequence[bytes]) -> None:
        """Append *events* (JSON without line ends) to *topic*, all or none. Raises StreamFullError."""

    def close(self) -> None:
        """Close all segments."""


class SegmentProducer:
    """Produces to segments: an event is stored when `append` returns."""

    def __init__(self, writer: StreamWriter) -> None:
        self._writer = writer

    async def produce(self, topic: str, events: Sequence[bytes]) -> Mapping[int, str]:
        """Append *events* to *topic*, all or none; see `Producer`."""
        try:
            self._writer.append(topic, events)
        except StreamFullError as error:
            return dict.fromkeys(range(len(events)), str(error))
        return {}

    def close(self) -> None:
        """Close all segments."""
        self._writer.close()


class SegmentWriter:
    """Appends events to the segment files under *folder*."""

    def __init__(self, folder: Path, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._open: dict[str, tuple[int, int]] = {}  # topic → file, bytes in it

    def append(self, topic: str, events: Sequence[bytes]) -> None:
        """Append *events* to *topic* in one write, all or none.

        Raises:
            StreamFullError: the disk is full or the write failed; no partial line is left.
        """
        batch = b"\n".join(events) + b"\n"
        try:
            file, size = self._open.get(topic) or self._new_segment(topic)
            written = os.write(file, batch)
        except OSError as error:
            raise StreamFullError(error.errno, f"cannot append to {topic}: {error.strerror}") from error
        if written < len(batch):
            self._roll_back(topic, file, size)
            raise StreamFullError(0, f"cannot append to {topic}: the disk is full")
        self._open[topic] = (file, size + written)
        if size + written >= self._segment_bytes:
            self._close(topic)

    def close(self) -> None:
        """Close all segments."""
        for topic in list(self._open):
            self._close(topic)

    def _new_segment(self, topic: str) -> tuple[int, int]:
        folder = self._folder / topic
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{time.time_ns():020d}-{os.getpid()}.ndjson"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._open[topic] = (file, 0)
        return file, 0

    def _roll_back(self, topic: str, file: int, size: int) -> None:
        """Remove the part of a batch that a full disk accepted; if that fails, close the segment."""
        try:
            os.ftruncate(file, size)
        except OSError:
            self._close(topic)

    def _close(self, topic: str) -> None:
        os.close(self._open.pop(topic)[0])


class SegmentReader:
    """Reads the segments of one topic from a position: bytes read of each segment, by the segment's name."""

    def __init__(self, folder: Path, topic: str, position: Mapping[str, int] | None = None) -> None:
        self._folder = folder / topic
        self._position = dict(position or {})

    @property
    def position(self) -> dict[str, int]:
        """Start of the next read; a new reader can continue from it."""
        return dict(self._position)

    def read(self) -> Iterator[Batch]:
        """Yield the new complete lines, in one batch per segment, oldest segment first."""
        for path in sorted(self._folder.glob("*.ndjson")):
            start = self._position.get(path.name, 0)
            if path.stat().st_size <= start:
                continue
            with path.open("rb") as file:
                file.seek(start)
                fresh = file.read()
            complete = fresh.rfind(b"\n") + 1
            if complete:
                self._position[path.name] = start + complete
                yield Batch(path.name, fresh[:complete].splitlines(), start + complete)


def topics(folder: Path) -> list[str]:
    """Return the names of the topics under *folder*."""
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
