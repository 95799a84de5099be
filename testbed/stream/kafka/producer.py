"""Kafka producer for an event loop: idempotent, acknowledged by all replicas, and never blocking the loop.

librdkafka queues, batches and retries in background threads, and reports each message's delivery to the thread that
polls. One thread here polls and resolves the futures of complete requests in the loop, so any number of requests can be
pending.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import Producer as Client

from common.errors import DogfoodError
from contracts.kafka import CLIENT, disabled_logger, make_topics

#: Largest message in bytes: that of the largest body, plus filled-in fields.
MESSAGE_BYTES = 5 << 20
_POLL_S = 0.1
_CLOSE_S = 5.0


def _client(options: Mapping[str, object]) -> Client:
    return Client(dict(options), logger=disabled_logger())


class _Pending:
    """The messages of one `produce` call, until all of them have a delivery report."""

    def __init__(self, count: int, loop: asyncio.AbstractEventLoop) -> None:
        self.count = count
        self.settled: asyncio.Future[Mapping[int, str]] = loop.create_future()
        self.failures: dict[int, str] = {}
        # Two threads append to it, which is safe; decrementing a counter would not be.
        self._done: list[int] = []

    def report(self, number: int, reason: str = "") -> bool:
        """Record the delivery of message *number*; return whether it was the last one."""
        if reason:
            self.failures[number] = reason
        self._done.append(number)
        return len(self._done) == self.count

    def settle(self) -> None:
        """Resolve the future; runs in the loop's thread."""
        if not self.settled.done():
            self.settled.set_result(self.failures)


class KafkaProducer:
    """Producer for the brokers at *bootstrap*; see `testbed.stream.segments.Producer`.

    Args:
        bootstrap: `host:port` of one or more brokers, separated by commas.
        within_s: seconds after which an unacknowledged message counts as failed. The broker may have written it
            nevertheless.
        connect: function that returns librdkafka's producer for its options; tests replace it.
    """

    def __init__(
        self, bootstrap: str, within_s: float, connect: Callable[[Mapping[str, object]], Client] = _client
    ) -> None:
        self._bootstrap = bootstrap
        self._within_s = within_s
        self._new_client = connect
        self._topics: set[str] = set()
        self._settled: deque[_Pending] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = False
        self._client = self._connect()
        self._retired: deque[Client] = deque()
        self._poller = threading.Thread(target=self._poll, name="kafka-delivery", daemon=True)
        self._poller.start()

    def make_topics(self, names: Collection[str]) -> None:
        """Create the missing topics. Raises BrokerError."""
        make_topics(self._bootstrap, names, within_s=self._within_s)
        self._topics.update(names)

    async def produce(self, topic: str, events: Sequence[bytes]) -> Mapping[int, str]:
        """Write *events* to *topic* and wait for all acknowledgements; see `Producer`."""
        if topic not in self._topics:
            try:
                await asyncio.to_thread(self.make_topics, [topic])
            except DogfoodError as error:
                return dict.fromkeys(range(len(events)), str(error))
        self._loop = asyncio.get_running_loop()
        pending = _Pending(len(events), self._loop)
        for number, event in enumerate(events):
            reason = self._enqueue(topic, event, partial(self._report, pending, number))
            if reason and pending.report(number, reason):
                pending.settle()
        return await pending.settled

    def close(self) -> None:
        """Wait up to 5 s for pending messages, and stop."""
        with suppress(KafkaException):
            self._client.flush(_CLOSE_S)
        self._closing = True
        self._poller.join()

    def _connect(self) -> Client:
        options = {
            "bootstrap.servers": self._bootstrap,
            "enable.idempotence": True,
            "acks": "all",
            "delivery.timeout.ms": int(self._within_s * 1000),
            "message.max.bytes": MESSAGE_BYTES,
            "linger.ms": 2,
        }
        return self._new_client({**CLIENT, **options})

    def _renew(self) -> None:
        """Replace the client after a fatal error, after which it cannot produce any more."""
        self._retired.append(self._client)
        self._client = self._connect()

    def _enqueue(self, topic: str, event: bytes, report: "partial[None]") -> str:
        """Queue a message; return why that is impossible, or an empty text."""
        try:
            self._client.produce(topic, event, on_delivery=report)
        except BufferError:
            return "Kafka is too slow: the producer's queue is full"
        except KafkaException as error:
            cause: KafkaError = error.args[0]
            if cause.fatal() or cause.code() == KafkaError._FATAL:
                # This message is not retried: that is up to the client, as after any other response of status 500.
                self._renew()
            return _reason(cause)
        return ""

    def _report(self, pending: _Pending, number: int, error: KafkaError | None, _: Message) -> None:
        """Handle one delivery report; runs in the poller's thread."""
        if pending.report(number, _reason(error) if error else ""):
            self._settled.append(pending)

    def _poll(self) -> None:
        while not self._closing:
            _take_reports(self._client, _POLL_S)
            for _ in range(len(self._retired)):
                # It still reports the failure of pending messages.
                client = self._retired.popleft()
                _take_reports(client, 0)
                if len(client):
                    self._retired.append(client)
            if self._settled and self._loop is not None:
                # One call for all settled requests. In a closed loop nothing waits for them.
                with suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        while self._settled:
            self._settled.popleft().settle()


def _take_reports(client: Client, within_s: float) -> None:
    # A client with a fatal error raises it here once; the next call of `produce` raises it again.
    with suppress(KafkaException):
        client.poll(within_s)


def _reason(error: KafkaError) -> str:
    return f"Kafka did not acknowledge it: {error.str()}"
