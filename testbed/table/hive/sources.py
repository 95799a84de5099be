"""Sources that Spark reads: the stream's segments or Kafka topics. Both continue from a checkpoint."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from pathlib import Path
from typing import NamedTuple

import orjson
import pyarrow as pa
from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.readwriter import DataStreamWriter

from common.atomic_write import atomic_write
from common.errors import KitFaultError
from contracts.streams import DATA_CENTRES, topic
from testbed.table.ingest_summary import Summary

Add = Callable[[DataFrame], Summary]

#: Largest batch of segments in bytes, unless the new part of a single segment is larger.
_BATCH_BYTES = 512 << 20

#: Largest batch of Kafka messages.
_BATCH_MESSAGES = 1_000_000

#: Approximate lines per record batch that Python passes to Spark.
_LINES = 10_000

_LINE_TYPE = "datacenter STRING, line BINARY, topic_ms BIGINT"


class Span(NamedTuple):
    """Complete lines of a segment: its bytes from *start* up to *end*."""

    datacenter: str
    segment: str
    start: int
    end: int


def add_segments(spark: SparkSession, folder: Path, stream: str, checkpoint: Path, add: Add) -> Summary:
    """Add the new lines of the segments under *folder*. The file *checkpoint* is updated after each batch."""
    positions: dict[str, dict[str, int]] = orjson.loads(checkpoint.read_bytes()) if checkpoint.exists() else {}
    total = Summary()
    for batch in _batches(_new_spans(folder, stream, positions)):
        rows = [(span.datacenter, str(folder / topic(stream, span.datacenter) / span.segment), span.start, span.end)
                for span in batch]  # fmt: skip
        spans = spark.createDataFrame(rows, "datacenter STRING, path STRING, start BIGINT, until BIGINT")
        lines = spans.repartition(min(len(rows), 8)).mapInArrow(_read, _LINE_TYPE)
        total = total.plus(add(lines))
        for span in batch:
            positions.setdefault(topic(stream, span.datacenter), {})[span.segment] = span.end
        atomic_write(checkpoint, orjson.dumps(positions))
    return total


def add_topics(spark: SparkSession, bootstrap: str, stream: str, checkpoint: Path, add: Add) -> Summary:
    """Add the new messages in the topics of *stream* at *bootstrap*; Spark keeps its offsets in *checkpoint*.

    Raises:
        KitFaultError: the broker does not respond, or has lost unread messages.
    """
    names = "|".join(DATA_CENTRES)
    messages = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", bootstrap)
        # Not `subscribe`: a topic without messages may not exist yet.
        .option("subscribePattern", rf"({names})\.{re.escape(stream)}")
        .option("startingOffsets", "earliest")
        .option("failOnDataLoss", "true")
        .option("maxOffsetsPerTrigger", _BATCH_MESSAGES)
        .load()
    )
    lines = messages.selectExpr(
        "substring_index(topic, '.', 1) AS datacenter", "value AS line", "unix_millis(timestamp) AS topic_ms"
    )
    parts: list[Summary] = []
    writer = (
        lines.writeStream.foreachBatch(lambda batch, _: parts.append(add(batch)))
        .option("checkpointLocation", str(checkpoint))
        .trigger(availableNow=True)
    )
    try:
        _drain(writer, checkpoint)
    except StreamingQueryException as error:
        raise KitFaultError(f"reading {stream} from the broker at {bootstrap} failed: {_cause(error)}") from error
    return reduce(Summary.plus, parts, Summary())


def _drain(writer: DataStreamWriter, checkpoint: Path) -> None:
    """Run the query until all messages are read.

    Spark 4.1 fails in its statistics (`KafkaMicroBatchStream.metrics` needs newest offsets that it did not fetch) after
    it has finished the batch of a job that was killed. The batch itself is complete then, and a restart continues.
    """
    unfinished = _has_unfinished_batch(checkpoint)
    try:
        writer.start().awaitTermination()
    except StreamingQueryException:
        if not unfinished or _has_unfinished_batch(checkpoint):
            raise
        writer.start().awaitTermination()


def _has_unfinished_batch(checkpoint: Path) -> bool:
    """Return whether the query has not finished the last batch that it planned."""
    planned, finished = (
        max((int(path.name) for path in (checkpoint / name).glob("[0-9]*")), default=-1)
        for name in ("offsets", "commits")
    )
    return planned > finished


def _new_spans(folder: Path, stream: str, done: dict[str, dict[str, int]]) -> Iterator[Span]:
    for data_centre in DATA_CENTRES:
        name = topic(stream, data_centre)
        for path in sorted((folder / name).glob("*.ndjson")):
            start = done.get(name, {}).get(path.name, 0)
            end = _last_line_end(path, start)
            if end > start:
                yield Span(data_centre, path.name, start, end)


def _last_line_end(path: Path, start: int, step: int = 1 << 20) -> int:
    """Return the end of the last complete line of *path*, or *start* when no complete line follows it."""
    with path.open("rb") as file:
        end = file.seek(0, 2)
        while end > start:
            begin = max(start, end - step)
            file.seek(begin)
            index = file.read(end - begin).rfind(b"\n")
            if index >= 0:
                return begin + index + 1
            end = begin
    return start


def _batches(spans: Iterator[Span], max_bytes: int = _BATCH_BYTES) -> Iterator[Sequence[Span]]:
    batch: list[Span] = []
    size = 0
    for span in spans:
        if batch and size + span.end - span.start > max_bytes:
            yield batch
            batch, size = [], 0
        batch.append(span)
        size += span.end - span.start
    if batch:
        yield batch


def _read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the lines of *batches* of spans; runs in Spark's Python workers."""
    for batch in batches:
        for span in batch.to_pylist():
            with Path(span["path"]).open("rb") as file:
                file.seek(span["start"])
                remaining = span["until"] - span["start"]
                while remaining > 0:
                    lines = file.readlines(min(remaining, _LINES * 1000))
                    # The file may have grown since; every line that begins in the span also ends in it.
                    lines = lines[: _lines_within(lines, remaining)]
                    remaining -= sum(map(len, lines))
                    yield _lines(span["datacenter"], lines)


def _lines_within(lines: Sequence[bytes], remaining: int) -> int:
    size = 0
    for count, line in enumerate(lines):
        if size >= remaining:
            return count
        size += len(line)
    return len(lines)


def _lines(data_centre: str, lines: Sequence[bytes]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {
            "datacenter": pa.array([data_centre] * len(lines), pa.string()),
            "line": pa.array([line.rstrip(b"\r\n") for line in lines], pa.binary()),
            "topic_ms": pa.nulls(len(lines), pa.int64()),
        }
    )


def _cause(error: Exception) -> str:
    """Return the last cause that Spark names, in one line."""
    causes = re.findall(r"Caused by: (.*)", str(error)) or str(error).strip().splitlines()[:1]
    return str(causes[-1]) if causes else type(error).__name__
