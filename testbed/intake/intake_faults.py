"""The intake's switches of the fault catalogue: other parts, put in at the start (`testbed.faults`).

Which events are hit follows from the events themselves, so that the same traffic is hit alike every time.
"""

import asyncio
import contextlib
import re
import subprocess
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import orjson
import psutil

from contracts.schemas import Problem, SchemaRegistry
from contracts.streams import ERROR_STREAM
from testbed.faults import TREATMENTS, FaultLocation, choose_at
from testbed.intake.app import App, Message, Receive, Scope, Send
from testbed.intake.eventgate import Fill
from testbed.intake.http_reason import ReasonProtocol
from testbed.stream.segments import Producer

#: Shares of events that are hit, per thousand.
_INVALID, _CUT_OFF, _RETRIED = 50, 20, 30

#: Events that are swallowed: all after the first of these counts until the second.
_SILENT_FROM, _SILENT_UNTIL = 800, 2_400

#: The sender stands still from this request on, for so many seconds.
_FREEZE_AT, _FREEZE_S = 100, 8

#: By this on its command line a load generator is told from anybody else who sends.
_GENERATOR = re.compile(r"\b(locust|sender)\b")

_NO_ANSWER = 444

_IDS = uuid.UUID("6f1d6f2e-0f5c-4d52-9a64-3f3f6a1c2b7d")


@dataclass(frozen=True)
class Parts:
    """What an intake is made of.

    Attributes:
        schemas: where `$schema` is looked up.
        fill: fills in what events leave to the intake.
        producer: produces events.
        wrap: puts something in front of the application.
        protocol: how HTTP is spoken.
    """

    schemas: SchemaRegistry
    fill: Fill
    producer: Producer
    wrap: Callable[[App], App] = lambda app: app
    protocol: type[ReasonProtocol] = ReasonProtocol


def inject(parts: Parts, faults: Iterable[str]) -> Parts:
    """Return *parts* with the switches of *faults* on; faults of other places change nothing."""
    for fault in choose_at(FaultLocation.INTAKE, faults):
        parts = _SWITCHES[fault](parts)
    return parts


class FaultySchemaRegistry(SchemaRegistry):
    """Schemas that find a share of valid events invalid, as a version of the schema would that nobody agreed on."""

    def validate(self, event: Mapping[str, object]) -> tuple[Problem, ...]:
        """Return why *event* is invalid."""
        problems = super().validate(event)
        if not problems and _is_hit(event, "invalid", _INVALID):
            return (Problem(".agent.client_platform", "should be equal to one of the allowed values"),)
        return problems


class _FaultyProducer:
    """A producer that produces something else in place of a batch; reports of errors are left alone."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    async def produce(self, topic: str, events: Sequence[bytes]) -> Mapping[int, str]:
        """Produce what *events* have become; the answer is that on *events*, as far as they are among it."""
        if topic.endswith(ERROR_STREAM):
            return await self._producer.produce(topic, events)
        failures: Mapping[int, str] = {}
        for other, batch in self.inject(topic, events):
            answer = await self._producer.produce(other, batch) if batch else {}
            failures = answer if batch is events else failures
        return failures

    def inject(self, topic: str, events: Sequence[bytes]) -> Iterator[tuple[str, Sequence[bytes]]]:
        """Yield what is produced in place of *events*, by topic."""
        yield topic, events

    def close(self) -> None:
        """Finish what is under way."""
        self._producer.close()


class SilentProducer(_FaultyProducer):
    """Swallows what comes between two counts of events."""

    _count = 0

    def inject(self, topic: str, events: Sequence[bytes]) -> Iterator[tuple[str, Sequence[bytes]]]:
        """Yield the events that are not swallowed."""
        first = self._count
        self._count += len(events)
        kept = [event for number, event in enumerate(events, start=first) if not _SILENT_FROM <= number < _SILENT_UNTIL]
        yield topic, kept


class MisroutingProducer(_FaultyProducer):
    """Produces to another stream."""

    def inject(self, topic: str, events: Sequence[bytes]) -> Iterator[tuple[str, Sequence[bytes]]]:
        """Yield the events under another topic."""
        yield f"{topic}_other", events


class RetryingProducer(_FaultyProducer):
    """Produces some batches twice, and half of those copies under new ids."""

    def inject(self, topic: str, events: Sequence[bytes]) -> Iterator[tuple[str, Sequence[bytes]]]:
        """Yield the events, and then perhaps their copies."""
        yield topic, events
        first = orjson.loads(events[0])
        if _is_hit(first, "retried", _RETRIED):
            again = _is_hit(first, "retried", _RETRIED // 2)
            yield topic, [_renamed(event) if again else event for event in events]


class DroppingProxy:
    """In front of the intake: cuts the connection on a share of one group's events, without an answer."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or cut it off."""
        if scope.get("method") != "POST":
            await self._app(scope, receive, send)
            return
        messages: list[Message] = []
        while not messages or messages[-1].get("more_body"):
            messages.append(await receive())
        body = b"".join(cast(bytes, message.get("body", b"")) for message in messages)
        if any(_is_treated(event) and _is_hit(event, "cut off", _CUT_OFF) for event in _events(body)):
            await send({"type": "http.response.start", "status": _NO_ANSWER, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        waiting = iter(messages)

        async def again() -> Message:
            return next(waiting, None) or await receive()

        await self._app(scope, again, send)


class CuttingProtocol(ReasonProtocol):
    """HTTP that closes the connection in place of an answer of status 444 (nginx's word for it)."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a connection."""
        super().connection_made(cast(asyncio.Transport, _CuttingTransport(cast(asyncio.Transport, transport))))


class _CuttingTransport:
    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def write(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1.1 %d" % _NO_ANSWER):
            self._transport.abort()
        else:
            self._transport.write(data)

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)


class StallingProxy:
    """In front of the intake: stops the process of the load generator for some seconds, once."""

    _requests = 0

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on; at one of them, stop its sender first."""
        if scope.get("method") == "POST":
            self._requests += 1
            if self._requests == _FREEZE_AT:
                await asyncio.to_thread(_freeze, scope.get("client"))
        await self._app(scope, receive, send)


def _freeze(client: object) -> None:
    """Stop the process behind *client* (host and port) when it is a load generator; another wakes it, come what may."""
    connections = psutil.net_connections("tcp")
    for pid in {item.pid for item in connections if item.pid and item.laddr and tuple(item.laddr) == client}:
        with contextlib.suppress(psutil.Error):
            if any(_GENERATOR.search(word) for word in psutil.Process(pid).cmdline()):
                words = f"kill -STOP {pid}; sleep {_FREEZE_S}; kill -CONT {pid}"
                subprocess.Popen(["sh", "-c", words], start_new_session=True)


def _without_receive_time(fill: Fill) -> Fill:
    """Return a *fill* that leaves `meta.dt` as it came."""

    def other(event: dict[str, object], now: str, request: object) -> None:
        meta = event.get("meta")
        had = isinstance(meta, dict) and "dt" in meta
        fill(event, now, request)  # type: ignore[arg-type]
        filled = event.get("meta")
        if not had and isinstance(filled, dict):
            filled.pop("dt", None)

    return other


_SWITCHES: Mapping[str, Callable[[Parts], Parts]] = {
    "hasty-invalid": lambda parts: replace(parts, schemas=FaultySchemaRegistry()),
    "no-meta-dt": lambda parts: replace(parts, fill=_without_receive_time(parts.fill)),
    "silent-intake": lambda parts: replace(parts, producer=SilentProducer(parts.producer)),
    "wrong-stream": lambda parts: replace(parts, producer=MisroutingProducer(parts.producer)),
    "duplicates": lambda parts: replace(parts, producer=RetryingProducer(parts.producer)),
    "loss-by-group": lambda parts: replace(parts, wrap=_in_front(parts.wrap, DroppingProxy), protocol=CuttingProtocol),
    "slow-generator": lambda parts: replace(parts, wrap=_in_front(parts.wrap, StallingProxy)),
}


def _in_front(wrap: Callable[[App], App], front: Callable[[App], App]) -> Callable[[App], App]:
    return lambda app: front(wrap(app))


def _events(body: bytes) -> list[Mapping[str, object]]:
    try:
        content: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return []
    found = content if isinstance(content, list) else [content]
    return [event for event in found if isinstance(event, dict)]


def _is_treated(event: Mapping[str, object]) -> bool:
    """Return whether *event* is of a treatment group, in the shape of either generation."""
    for part in (event.get("experiment"), event.get("experiments")):
        assigned = part.get("assigned") if isinstance(part, Mapping) else None
        groups = assigned.values() if isinstance(assigned, Mapping) else [assigned]
        if TREATMENTS & set(map(str, groups)):
            return True
    return False


def _is_hit(event: Mapping[str, object], what: str, per_thousand: int) -> bool:
    """Return whether *event* is of a share of all events that is chosen by what it says of itself.

    Each fault, *what*, has a share of its own: of two that hit the same events, one would hide the other.
    """
    # Events of a generation without positions differ in their times.
    place = event.get("funnel_event_sequence_position", event.get("dt"))
    said = "/".join([what, *map(str, (event.get("funnel_entry_token"), place, event.get("action")))])
    return zlib.crc32(said.encode()) % 1000 < per_thousand


def _renamed(line: bytes) -> bytes:
    event = orjson.loads(line)
    event["meta"]["id"] = str(uuid.uuid5(_IDS, str(event["meta"]["id"])))
    return orjson.dumps(event)
