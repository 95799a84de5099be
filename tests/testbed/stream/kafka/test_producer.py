"""The producer after a fatal error of its client, with fake clients."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from tests.brokers import need_client

Report = Callable[[object, object], None]


def failure(name: str) -> Any:  # noqa: ANN401 (the library need not be installed)
    """Return librdkafka's error *name*."""
    from confluent_kafka import KafkaError

    return KafkaError(getattr(KafkaError, name))


def fatal() -> Exception:
    """Return librdkafka's exception: the code alone, without the flag of a fatal error."""
    from confluent_kafka import KafkaException

    return KafkaException(failure("_FATAL"))


class Client:
    """Acknowledges when polled; once broken, it accepts nothing and fails pending messages, as librdkafka does."""

    def __init__(self) -> None:
        self.queued: list[tuple[bytes, Report]] = []
        self.broken = self.reported = False
        self.written: list[bytes] = []

    def produce(self, _topic: str, event: bytes, on_delivery: Report) -> None:
        if self.broken:
            raise fatal()
        self.queued.append((event, on_delivery))
        if event == b"breaks":
            self.broken = True

    def poll(self, _seconds: float) -> int:
        if self.broken and not self.reported:
            self.reported = True
            raise fatal()
        queued, self.queued = self.queued, []
        for event, report in queued:
            report(failure("_PURGE_QUEUE") if self.broken else None, None)
            if not self.broken:
                self.written.append(event)
        return len(queued)

    def flush(self, seconds: float) -> int:
        return self.poll(seconds)

    def __len__(self) -> int:
        return len(self.queued)


def test_a_fatal_error_replaces_the_client() -> None:
    need_client()
    from testbed.stream.kafka.producer import KafkaProducer

    clients: list[Client] = []

    def connect(_options: Mapping[str, object]) -> Client:
        clients.append(Client())
        return clients[-1]

    producer = KafkaProducer("nowhere:1", 1.0, connect)  # type: ignore[arg-type]  # it has the methods that are used
    producer._topics.add("topic")

    async def post(*events: bytes) -> Mapping[int, str]:
        return await asyncio.wait_for(producer.produce("topic", events), 10)

    async def post_all() -> list[Mapping[int, str]]:
        return [await post(b"one"), await post(b"breaks", b"two"), await post(b"three", b"four")]

    try:
        before, during, after = asyncio.run(post_all())
    finally:
        producer.close()
    assert before == {}
    assert set(during) == {0, 1}
    assert after == {}
    assert [client.written for client in clients] == [[b"one"], [b"three", b"four"]]
