"""Kafka client: check brokers, create topics, read a topic from a position.

Importing this module needs the optional package confluent-kafka, so import it only where Kafka is used.
"""

import logging
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from common.errors import DogfoodError
from contracts.streams import Batch

try:
    from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.cimpl import NewTopic
except ImportError as error:
    raise DogfoodError(
        "Kafka needs the package confluent-kafka: pip install '.[kafka]', or leave out --stream kafka and --kafka"
    ) from error

if TYPE_CHECKING:
    from confluent_kafka import Message
    from confluent_kafka.admin._metadata import ClusterMetadata

#: Partitions of a topic that the kit creates.
PARTITIONS = 3
_ANSWER_S = 10.0
_MESSAGES = 10_000

#: Errors of a partition without a leader.
_NO_LEADER = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)

#: Options of every client. The library's log is off, as it repeats each failed connection; errors are raised.
CLIENT = {"log_level": 0, "reconnect.backoff.max.ms": 500, "socket.connection.setup.timeout.ms": 5000}


class BrokerError(DogfoodError):
    """Kafka does not respond, or fails."""


def disabled_logger() -> logging.Logger:
    """Return a disabled logger for clients, whose errors are raised or are in delivery reports."""
    logger = logging.getLogger("experiment-dogfood.kafka")
    logger.disabled = True
    return logger


def is_reachable(bootstrap: str, *, within_s: float = _ANSWER_S) -> bool:
    """Return whether the brokers at *bootstrap* (`host:port`, comma-separated) return their metadata in time."""
    try:
        topics(bootstrap, within_s=within_s)
    except BrokerError:
        return False
    return True


def topics(bootstrap: str, *, within_s: float = _ANSWER_S) -> frozenset[str]:
    """Return the names of all topics.

    Raises:
        BrokerError: no response within *within_s* seconds.
    """
    admin = AdminClient({**CLIENT, "bootstrap.servers": bootstrap}, logger=disabled_logger())
    try:
        return frozenset(admin.list_topics(timeout=within_s).topics)
    except KafkaException as error:
        raise _no_answer(bootstrap, error) from error


def make_topics(bootstrap: str, names: Collection[str], *, within_s: float = _ANSWER_S) -> None:
    """Create the missing topics, with `PARTITIONS` partitions and the brokers' default replication.

    Raises:
        BrokerError: no response, or the brokers do not allow it.
    """
    missing = sorted(frozenset(names) - topics(bootstrap, within_s=within_s))
    if not missing:
        return
    admin = AdminClient({**CLIENT, "bootstrap.servers": bootstrap}, logger=disabled_logger())
    futures = admin.create_topics([NewTopic(name, PARTITIONS) for name in missing], operation_timeout=within_s)
    for name, future in futures.items():
        try:
            future.result(within_s)
        except KafkaException as error:
            # Another process may have created it in the meantime.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise BrokerError(f"Kafka at {bootstrap} does not create the topic {name}: {_reason(error)}") from error


class KafkaReader:
    """Reads one topic from a position: the next offset of each partition.

    The name of a partition is `<cluster id>/<number>`, because its offsets are invalid in another or a recreated
    cluster.
    """

    def __init__(self, bootstrap: str, topic: str, position: Mapping[str, int] | None = None) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._position = dict(position or {})

    @property
    def position(self) -> dict[str, int]:
        """The next offsets; a new reader with this position continues there."""
        return dict(self._position)

    def read(self) -> Iterator[Batch]:
        """Yield the messages from the position to the end of the topic; one without a value is an empty line.

        Raises:
            BrokerError: the brokers do not respond, or stop responding.
        """
        with _consumer(self._bootstrap) as consumer:
            metadata = _metadata(consumer)
            known = metadata.topics.get(self._topic)
            for number in sorted(known.partitions) if known else ():
                yield from self._read_partition(consumer, f"{metadata.cluster_id}/{number}", number)

    def skip(self) -> None:
        """Move the position to the end of the topic. Raises BrokerError."""
        with _consumer(self._bootstrap) as consumer:
            metadata = _metadata(consumer)
            known = metadata.topics.get(self._topic)
            for number in known.partitions if known else ():
                _, end = _span(consumer, self._topic, number)
                self._position[f"{metadata.cluster_id}/{number}"] = end

    def _read_partition(self, consumer: "Consumer", name: str, number: int) -> Iterator[Batch]:
        first, end = _span(consumer, self._topic, number)
        start = self._position.get(name, first)
        if not first <= start <= end:
            # Messages were deleted, or the topic was recreated: read all that exists; readers drop duplicates by id.
            start = first
        if start == end:
            return
        consumer.assign([TopicPartition(self._topic, number, start)])
        give_up = time.monotonic() + _ANSWER_S
        while start < end:
            messages = consumer.consume(min(_MESSAGES, end - start), timeout=0.5)
            lines = [line for message in messages for line in _line(message)]
            start = _next_offset(consumer, messages, start)
            if lines:
                self._position[name] = start
                yield Batch(name, lines, start)
                give_up = time.monotonic() + _ANSWER_S
            elif time.monotonic() > give_up:
                raise BrokerError(f"Kafka at {self._bootstrap} stopped answering in the middle of {self._topic}")


@contextmanager
def _consumer(bootstrap: str) -> Iterator["Consumer"]:
    # The library requires a group, although partitions are assigned explicitly. The short wait keeps a broker that
    # waits for more messages of one partition from delaying the next.
    options = {
        "group.id": "dogfood",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 10,
    }
    consumer = Consumer({**CLIENT, **options, "bootstrap.servers": bootstrap}, logger=disabled_logger())
    try:
        yield consumer
    except KafkaException as error:
        raise _no_answer(bootstrap, error) from error
    finally:
        consumer.close()


def _metadata(consumer: "Consumer") -> "ClusterMetadata":
    metadata: ClusterMetadata = consumer.list_topics(timeout=_ANSWER_S)
    return metadata


def _span(consumer: "Consumer", topic: str, number: int) -> tuple[int, int]:
    """Return the first offset of a partition and the one after its last.

    Retries while the partition has no leader, as just after its creation or the restart of its broker.
    """
    give_up = time.monotonic() + _ANSWER_S
    while True:
        try:
            first, end = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=_ANSWER_S)
        except KafkaException as error:
            if error.args[0].code() not in _NO_LEADER or time.monotonic() > give_up:
                raise
            time.sleep(0.1)
        else:
            return first, end


def _line(message: "Message") -> tuple[bytes, ...]:
    return () if message.error() else (message.value() or b"",)


def _next_offset(consumer: "Consumer", messages: "list[Message]", start: int) -> int:
    """Return the offset after *messages*; offsets without a message are skipped."""
    [partition] = consumer.position(consumer.assignment())
    position = partition.offset if partition.offset > OFFSET_BEGINNING and partition.offset >= 0 else start
    return max([start, position, *(offset + 1 for message in messages if (offset := message.offset()) is not None)])


def _no_answer(bootstrap: str, error: KafkaException) -> BrokerError:
    return BrokerError(f"Kafka at {bootstrap} does not answer ({_reason(error)}): is it up? See `dogfood status`")


def _reason(error: KafkaException) -> str:
    cause = error.args[0]
    return str(cause.str()) if isinstance(cause, KafkaError) else str(cause)
