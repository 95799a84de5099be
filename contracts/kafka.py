"""Kafka as the platform's clients see it: whether a broker answers, its topics, and reading one from a position.

Importing this module needs the package confluent-kafka, which only those install who use Kafka; so it is imported where
Kafka was asked for.
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

#: Partitions of a topic that is made here.
PARTITIONS = 3
_ANSWER_S = 10.0
_MESSAGES = 10_000

#: Errors of a partition without a leader.
_LED_BY_NOBODY = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)

#: What every client of ours is told. The library's own log repeats each failed attempt to connect; errors are raised.
CLIENT = {"log_level": 0, "reconnect.backoff.max.ms": 500, "socket.connection.setup.timeout.ms": 5000}


class BrokerError(DogfoodError):
    """Kafka does not answer, or not as it should."""


def no_log() -> logging.Logger:
    """Return a logger that says nothing, for clients: what matters is raised, or told by delivery reports."""
    logger = logging.getLogger("experiment-dogfood.kafka")
    logger.disabled = True
    return logger


def answers(bootstrap: str, *, within_s: float = _ANSWER_S) -> bool:
    """Return whether the brokers at *bootstrap* (`host:port`, with commas) answer with their metadata in time."""
    try:
        topics(bootstrap, within_s=within_s)
    except BrokerError:
        return False
    return True


def topics(bootstrap: str, *, within_s: float = _ANSWER_S) -> frozenset[str]:
    """Return the names of all topics.

    Raises:
        BrokerError: nothing answers within so many seconds.
    """
    admin = AdminClient({**CLIENT, "bootstrap.servers": bootstrap}, logger=no_log())
    try:
        return frozenset(admin.list_topics(timeout=within_s).topics)
    except KafkaException as error:
        raise _no_answer(bootstrap, error) from error


def make_topics(bootstrap: str, names: Collection[str], *, within_s: float = _ANSWER_S) -> None:
    """Make the topics that are not there yet, with `PARTITIONS` partitions and the brokers' own replication.

    Raises:
        BrokerError: nothing answers, or the brokers do not allow it.
    """
    missing = sorted(frozenset(names) - topics(bootstrap, within_s=within_s))
    if not missing:
        return
    admin = AdminClient({**CLIENT, "bootstrap.servers": bootstrap}, logger=no_log())
    made = admin.create_topics([NewTopic(name, PARTITIONS) for name in missing], operation_timeout=within_s)
    for name, future in made.items():
        try:
            future.result(within_s)
        except KafkaException as error:
            # Another process may have been faster.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise BrokerError(f"Kafka at {bootstrap} does not let topic {name} be made: {_told(error)}") from error


class KafkaReader:
    """Reads one topic from a position: the next offset of each partition.

    A partition is called `<cluster id>/<number>`, because its offsets mean nothing in another cluster, or in one that
    was made anew.
    """

    def __init__(self, bootstrap: str, topic: str, position: Mapping[str, int] | None = None) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._position = dict(position or {})

    @property
    def position(self) -> dict[str, int]:
        """Where the next read begins; give it to a new reader to go on there."""
        return dict(self._position)

    def read(self) -> Iterator[Batch]:
        """Yield what has been written since, up to now; a message without a value is an empty line.

        Raises:
            BrokerError: the brokers do not answer, or stop to.
        """
        with _consumer(self._bootstrap) as consumer:
            metadata = _metadata(consumer)
            known = metadata.topics.get(self._topic)
            for number in sorted(known.partitions) if known else ():
                yield from self._read_partition(consumer, f"{metadata.cluster_id}/{number}", number)

    def skip(self) -> None:
        """Move the position behind everything that is there. Raises BrokerError."""
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
            # Messages were deleted, or the topic was made anew: what is there is read, and readers know doubles by id.
            start = first
        if start == end:
            return
        consumer.assign([TopicPartition(self._topic, number, start)])
        give_up = time.monotonic() + _ANSWER_S
        while start < end:
            messages = consumer.consume(min(_MESSAGES, end - start), timeout=0.5)
            lines = [line for message in messages for line in _line(message)]
            start = _behind(consumer, messages, start)
            if lines:
                self._position[name] = start
                yield Batch(name, lines, start)
                give_up = time.monotonic() + _ANSWER_S
            elif time.monotonic() > give_up:
                raise BrokerError(f"Kafka at {self._bootstrap} stopped answering in the middle of {self._topic}")


@contextmanager
def _consumer(bootstrap: str) -> Iterator["Consumer"]:
    # The library asks for a group, which plays no role where partitions are assigned by hand. A broker that waits for
    # more messages of one partition keeps the next one waiting.
    options = {
        "group.id": "dogfood",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 10,
    }
    consumer = Consumer({**CLIENT, **options, "bootstrap.servers": bootstrap}, logger=no_log())
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
    """Return the first offset of a partition and the one behind its last.

    A partition that has just been made, or whose broker has just come back, is led by nobody for a moment.
    """
    give_up = time.monotonic() + _ANSWER_S
    while True:
        try:
            first, end = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=_ANSWER_S)
        except KafkaException as error:
            if error.args[0].code() not in _LED_BY_NOBODY or time.monotonic() > give_up:
                raise
            time.sleep(0.1)
        else:
            return first, end


def _line(message: "Message") -> tuple[bytes, ...]:
    return () if message.error() else (message.value() or b"",)


def _behind(consumer: "Consumer", messages: "list[Message]", start: int) -> int:
    """Return the offset behind *messages*; offsets of which there is no message are passed over as well."""
    [partition] = consumer.position(consumer.assignment())
    here = partition.offset if partition.offset > OFFSET_BEGINNING and partition.offset >= 0 else start
    return max([start, here, *(offset + 1 for message in messages if (offset := message.offset()) is not None)])


def _no_answer(bootstrap: str, error: KafkaException) -> BrokerError:
    return BrokerError(f"Kafka at {bootstrap} does not answer ({_told(error)}): is it up? `dogfood status` tells")


def _told(error: KafkaException) -> str:
    reason = error.args[0]
    return str(reason.str()) if isinstance(reason, KafkaError) else str(reason)
