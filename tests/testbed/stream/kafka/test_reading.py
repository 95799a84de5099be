"""Reads topics from positions, and ingests them, also with invalid messages."""

import json
from functools import partial
from itertools import count
from pathlib import Path

import duckdb
import pytest

from common.errors import DogfoodError
from contracts.table import TABLE, read_parquet
from testbed.table.ingest import CHECKPOINT, ingest
from testbed.table.table_export import export_table
from tests.brokers import RunningBroker
from tests.testbed.table.test_ingest import event

_numbers = count()


@pytest.fixture
def stream() -> str:
    """Return the name of a stream that no other test uses."""
    return f"test.reading{next(_numbers)}"


def produce(broker: RunningBroker, topic: str, *values: bytes | None, partition: int = -1) -> None:
    from confluent_kafka import Producer

    from contracts.kafka import make_topics

    make_topics(broker.bootstrap, [topic])
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for value in values:
        producer.produce(topic, value, partition=partition)
    assert producer.flush(120) == 0


def lines_of(broker: RunningBroker, topic: str, position: dict[str, int] | None = None) -> list[bytes]:
    from contracts.kafka import KafkaReader

    return sorted(line for batch in KafkaReader(broker.bootstrap, topic, position).read() for line in batch.lines)


def rows(folder: Path) -> list[str]:
    table = read_parquet(folder / "table" / TABLE, duckdb.connect())
    return sorted(row["id"] for row in table.column("meta").to_pylist())


def test_a_reader_continues_from_a_position(broker: RunningBroker, stream: str) -> None:
    from contracts.kafka import KafkaReader

    first = KafkaReader(broker.bootstrap, stream)
    assert list(first.read()) == []
    assert first.position == {}
    for part in range(3):
        produce(broker, stream, b"%d" % part, partition=part)
    assert sorted(line for batch in first.read() for line in batch.lines) == [b"0", b"1", b"2"]
    assert list(first.read()) == []
    assert set(first.position.values()) == {1}
    produce(broker, stream, b"3", b"4", partition=1)
    assert lines_of(broker, stream, first.position) == [b"3", b"4"]
    [batch] = KafkaReader(broker.bootstrap, stream, first.position).read()
    assert batch.position == 3
    assert batch.part.endswith("/1")


def test_skipped_messages_are_not_read(broker: RunningBroker, stream: str) -> None:
    from contracts.kafka import KafkaReader

    produce(broker, stream, b"1", b"2", b"3")
    reader = KafkaReader(broker.bootstrap, stream)
    reader.skip()
    assert list(reader.read()) == []
    produce(broker, stream, b"4")
    assert [line for batch in reader.read() for line in batch.lines] == [b"4"]


def test_a_position_beyond_the_end_restarts_the_topic(broker: RunningBroker, stream: str) -> None:
    from contracts.kafka import KafkaReader

    produce(broker, stream, b"1", partition=0)
    reader = KafkaReader(broker.bootstrap, stream)
    list(reader.read())
    [name] = reader.position
    assert lines_of(broker, stream, {name: 1000}) == [b"1"]
    assert lines_of(broker, stream, {"another-cluster/0": 1}) == [b"1"]


def test_many_messages_are_all_read(broker: RunningBroker, stream: str) -> None:
    values = [b"%05d" % i for i in range(25_000)]
    produce(broker, stream, *values)
    assert lines_of(broker, stream) == values


def test_a_missing_broker_is_one_clear_line() -> None:
    from contracts import kafka

    assert not kafka.is_reachable("127.0.0.1:1", within_s=0.2)
    with pytest.raises(DogfoodError, match=r"Kafka at 127\.0\.0\.1:1 does not answer .* is it up\?"):
        kafka.topics("127.0.0.1:1", within_s=0.2)


INVALID = (b"not json", b"[]", b"\xff\xfe", b"", None, b'{"meta": 3}', b'{"meta": {"id": "x"}}', b"1e400", b'"\\ud800"',
          b'{"meta":{"id":"y","dt":"yesterday"}}', b"[" * 100_000, b'{"a":' * 2000)  # fmt: skip


def test_invalid_messages_are_counted_and_skipped(broker: RunningBroker, stream: str, tmp_path: Path) -> None:
    from contracts.kafka import KafkaReader

    good = [json.dumps(event(str(i))).encode() for i in range(20)]
    odd = json.dumps({**event("odd"), "action": "nul \0 and \u2028", "performer": "no object"}).encode()
    produce(broker, f"eqiad.{stream}", *good[:10], *INVALID, odd, *good[10:])
    done = ingest(partial(KafkaReader, broker.bootstrap), tmp_path / "table", stream)
    assert (done.read, done.written, done.broken) == (21 + len(INVALID), 21, len(INVALID))
    assert rows(tmp_path) == sorted([*map(str, range(20)), "odd"])


def test_a_partition_read_twice_adds_no_rows(broker: RunningBroker, stream: str, tmp_path: Path) -> None:
    from contracts.kafka import KafkaReader

    open_topic = partial(KafkaReader, broker.bootstrap)
    produce(broker, f"eqiad.{stream}", *(json.dumps(event(str(i))).encode() for i in range(100)))
    assert ingest(open_topic, tmp_path / "table", stream).written == 100
    checkpoint = tmp_path / "table" / CHECKPOINT
    positions = json.loads(checkpoint.read_text())
    again = max(positions[f"eqiad.{stream}"].items(), key=lambda item: item[1])
    positions[f"eqiad.{stream}"][again[0]] = 0
    checkpoint.write_text(json.dumps(positions))
    done = ingest(open_topic, tmp_path / "table", stream)
    assert (done.read, done.duplicates, done.written) == (again[1], again[1], 0)
    # The same messages again, as from a producer that is not idempotent.
    produce(broker, f"eqiad.{stream}", *(json.dumps(event(str(i))).encode() for i in range(100)))
    done = ingest(open_topic, tmp_path / "table", stream)
    assert (done.read, done.duplicates, done.written) == (100, 100, 0)
    assert len(rows(tmp_path)) == 100


def test_an_export_has_the_error_reports(broker: RunningBroker, tmp_path: Path) -> None:
    from contracts.kafka import KafkaReader

    topic = "codfw.eventgate-analytics-external.error.validation"
    times = ("2024-01-31T14:00:00.000Z", "2099-01-31T15:30:00.000Z")
    produce(broker, topic, b"poison", *(json.dumps({"meta": {"dt": dt}, "raw_event": "{}"}).encode() for dt in times))
    since = 2_500_000_000_000
    export_table(partial(KafkaReader, broker.bootstrap), tmp_path / "table", tmp_path, since, since + 1)
    [report] = (tmp_path / "errors.ndjson").read_text().splitlines()
    assert json.loads(report)["meta"]["dt"] == times[1]
