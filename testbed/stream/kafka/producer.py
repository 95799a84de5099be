"""Producing to Kafka from an event loop: idempotent, acknowledged by all replicas, and never blocking the loop.

librdkafka queues, batches and retries in threads of its own and reports each message's delivery to whoever polls. That
is one thread here, which hands whole requests back to the loop; so any number of requests may be under way at once.
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

#: The largest message, in bytes: that of the largest body, and what is filled in.
MESSAGE_BYTES = 5 << 20
_POLL_S = 0.1
_CLOSE_S = 5.0


def _client(options: Mapping[str, object]) -> Client:
    return Client(dict(options), logger=disabled_logger())


class _Pending:
    """The messages of one call, of which some are still under way."""

    def __init__(self, count: int, loop: asyncio.AbstractEventLoop) -> None:
        self.count = count
        self.settled: asyncio.Future[Mapping[int, str]] = loop.create_future()
        self.unwritten: dict[int, str] = {}
        # Appended to by two threads, which is safe; counting down would not be.
        self._done: list[int] = []

    def report(self, number: int, reason: str = "") -> bool:
        """Take down what became of message *number*; return whether it was the last one."""
        if reason:
            self.unwritten[number] = reason
        self._done.append(number)
        return len(self._done) == self.count

    def settle(self) -> None:
        """Tell who waits; in the loop's thread."""
        if not self.settled.done():
            self.settled.set_result(self.unwritten)


class KafkaProducer:
    """Produces to the brokers at *bootstrap*; see `testbed.stream.segments.Producer`.

    Args:
        bootstrap: `host:port`, with commas.
        within_s: seconds after which a message that was not acknowledged is given up. It may have been written all
            the same; nothing is claimed of it.
        connect: makes librdkafka's producer of its options; for tests.
    """

    def __init__(
        self, bootstrap: str, within_s: float, connect: Callable[[Mapping[str, object]], Client] = _client
    ) -> None:
        self._bootstrap = bootstrap
        self._within_s = within_s
        self._make_client = connect
        self._topics: set[str] = set()
        self._settled: deque[_Pending] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = False
        self._client = self._connect()
        self._retired: deque[Client] = deque()
        self._poller = threading.Thread(target=self._poll, name="kafka-delivery", daemon=True)
        self._poller.start()

    def make_topics(self, names: Collection[str]) -> None:
        """Make the topics that are not there yet. Raises BrokerError."""
        make_topics(self._bootstrap, names, within_s=self._within_s)
        self._topics.update(names)

    async def produce(self, topic: str, events: Sequence[bytes]) -> Mapping[int, str]:
        """Write *events* to *topic* and wait for the acknowledgements of all; see `Producer`."""
        if topic not in self._topics:
            try:
                await asyncio.to_thread(self.make_topics, [topic])
            except DogfoodError as error:
                return dict.fromkeys(range(len(events)), str(error))
        self._loop = asyncio.get_running_loop()
        pending = _Pending(len(events), self._loop)
        for number, event in enumerate(events):
            reason = self._hand_over(topic, event, partial(self._report, pending, number))
            if reason and pending.report(number, reason):
                pending.settle()
        return await pending.settled

    def close(self) -> None:
        """Wait for what is under way, but not for long, and end."""
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
        return self._make_client({**CLIENT, **options})

    def _renew(self) -> None:
        """Put another client in the place of one that has met an error after which it produces nothing ever again."""
        self._retired.append(self._client)
        self._client = self._connect()

    def _hand_over(self, topic: str, event: bytes, report: "partial[None]") -> str:
        """Queue a message; return why that cannot be done, or nothing."""
        try:
            self._client.produce(topic, event, on_delivery=report)
        except BufferError:
            return "Kafka is behind: too many messages wait for it"
        except KafkaException as error:
            said: KafkaError = error.args[0]
            if said.fatal() or said.code() == KafkaError._FATAL:
                # This message is not tried again: whoever posted it decides, as after any other 500.
                self._renew()
            return _told(said)
        return ""

    def _report(self, pending: _Pending, number: int, error: KafkaError | None, _: Message) -> None:
        """Take one delivery report; in the poller's thread."""
        if pending.report(number, _told(error) if error else ""):
            self._settled.append(pending)

    def _poll(self) -> None:
        while not self._closing:
            _take_reports(self._client, _POLL_S)
            for _ in range(len(self._retired)):
                # It still reports that what was under way has failed.
                client = self._retired.popleft()
                _take_reports(client, 0)
                if len(client):
                    self._retired.append(client)
            if self._settled and self._loop is not None:
                # Once for all requests that are settled. A loop that has ended has nobody who waits.
                with suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        while self._settled:
            self._settled.popleft().settle()


def _take_reports(client: Client, within_s: float) -> None:
    # A client that can go on no longer says so here once, however it was asked; whoever produces next is told again.
    with suppress(KafkaException):
        client.poll(within_s)


def _told(error: KafkaError) -> str:
    return f"Kafka did not acknowledge it: {error.str()}"
