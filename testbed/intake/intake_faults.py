"""Faults of transport, intake, stream and generator: components that replace the intake's own at start-up.

A hash of the event decides whether a fault hits it, so the same traffic is hit in the same way every time. The
catalogue is in `testbed.faults`.
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

#: Shares of events that a fault hits, per thousand.
_INVALID, _CUT_OFF, _RETRIED = 50, 20, 30

#: Range of event numbers that `SilentProducer` drops.
_SILENT_FROM, _SILENT_UNTIL = 800, 2_400

#: Number of the request at which the sender is stopped, and for how many seconds.
_STALL_AT, _STALL_S = 100, 8

#: Words on a command line that identify a load generator.
_GENERATOR = re.compile(r"\b(locust|sender)\b")

_NO_ANSWER = 444

_IDS = uuid.UUID("6f1d6f2e-0f5c-4d52-9a64-3f3f6a1c2b7d")


@dataclass(frozen=True)
class IntakeParts:
    """The replaceable components of an intake.

    Attributes:
        schemas: registry that `$schema` refers to.
        fill: function that fills in missing fields of an event.
        producer: destination of events.
        wrap: function that puts middleware in front of the application.
        protocol: uvicorn's HTTP protocol class.
    """

    schemas: SchemaRegistry
    fill: Fill
    producer: Producer
    wrap: Callable[[App], App] = lambda app: app
    protocol: type[ReasonProtocol] = ReasonProtocol


def inject(parts: IntakeParts, faults: Iterable[str]) -> IntakeParts:
    """Return *parts* with *faults* switched on; faults of other parts of the testbed are ignored."""
    for fault in choose_at(FaultLocation.INTAKE, faults):
        parts = _SWITCHES[fault](parts)
    return parts


class FaultySchemaRegistry(SchemaRegistry):
    """A schema registry that rejects a share of valid events, as an unannounced schema version would."""

    def validate(self, event: Mapping[str, object]) -> tuple[Problem, ...]:
        """Return why *event* is invalid."""
        problems = super().validate(event)
        if not problems and _is_hit(event, "invalid", _INVALID):
            return (Problem(".agent.client_platform", "should be equal to one of the allowed values"),)
        return problems


class _FaultyProducer:
    """A producer that changes batches before it produces them, except those of the error stream."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    async def produce(self, topic: str, events: Sequence[bytes]) -> Mapping[int, str]:
        """Produce the faulty batches; return the failures of *events* if that batch is among them."""
        if topic.endswith(ERROR_STREAM):
            return await self._producer.produce(topic, events)
        failures: Mapping[int, str] = {}
        for other, batch in self.inject(topic, events):
            answer = await self._producer.produce(other, batch) if batch else {}
            failures = answer if batch is events else failures
        return failures

    def inject(self, topic: str, events: Sequence[bytes]) -> Iterator[tuple[str, Sequence[bytes]]]:
        """Yield the batches to produce instead of *events*, each with its topic."""
        yield topic, events

    def close(self) -> None:
        """Finish pending batches."""
        self._producer.close()


class SilentProducer(_FaultyProducer):
    """Drops the events between two event numbers."""

    _count = 0

    def inject(self, topic: str, events: Sequence[bytes]) -> Iterator[tuple[str, Sequence[bytes]]]:
        """Yield the events that are not dropped."""
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
            renew_ids = _is_hit(first, "retried", _RETRIED // 2)
            yield topic, [_with_new_id(event) if renew_ids else event for event in events]


class DroppingProxy:
    """Middleware that closes the connection without a response for a share of the treatment group's events."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request, or close its connection."""
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
        buffered = iter(messages)

        async def replay() -> Message:
            return next(buffered, None) or await receive()

        await self._app(scope, replay, send)


class CuttingProtocol(ReasonProtocol):
    """HTTP protocol that closes the connection instead of sending a response of status 444 (as nginx does)."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start a connection."""
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
    """Middleware that stops the process of the load generator for some seconds, once."""

    _requests = 0

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request; stop the sender before one of them."""
        if scope.get("method") == "POST":
            self._requests += 1
            if self._requests == _STALL_AT:
                await asyncio.to_thread(_stall, scope.get("client"))
        await self._app(scope, receive, send)


def _stall(client: object) -> None:
    """Stop the process of *client* (host and port) if it is a load generator; a separate process resumes it."""
    connections = psutil.net_connections("tcp")
    for pid in {item.pid for item in connections if item.pid and item.laddr and tuple(item.laddr) == client}:
        with contextlib.suppress(psutil.Error):
            if any(_GENERATOR.search(word) for word in psutil.Process(pid).cmdline()):
                script = f"kill -STOP {pid}; sleep {_STALL_S}; kill -CONT {pid}"
                subprocess.Popen(["sh", "-c", script], start_new_session=True)


def _without_receive_time(fill: Fill) -> Fill:
    """Return a *fill* that does not fill in `meta.dt`."""

    def other(event: dict[str, object], now: str, request: object) -> None:
        meta = event.get("meta")
        has_time = isinstance(meta, dict) and "dt" in meta
        fill(event, now, request)  # type: ignore[arg-type]
        filled = event.get("meta")
        if not has_time and isinstance(filled, dict):
            filled.pop("dt", None)

    return other


_SWITCHES: Mapping[str, Callable[[IntakeParts], IntakeParts]] = {
    "hasty-invalid": lambda parts: replace(parts, schemas=FaultySchemaRegistry()),
    "no-meta-dt": lambda parts: replace(parts, fill=_without_receive_time(parts.fill)),
    "silent-intake": lambda parts: replace(parts, producer=SilentProducer(parts.producer)),
    "wrong-stream": lambda parts: replace(parts, producer=MisroutingProducer(parts.producer)),
    "duplicates": lambda parts: replace(parts, producer=RetryingProducer(parts.producer)),
    "loss-by-group": lambda parts: replace(parts, wrap=_wrapped(parts.wrap, DroppingProxy), protocol=CuttingProtocol),
    "slow-generator": lambda parts: replace(parts, wrap=_wrapped(parts.wrap, StallingProxy)),
}


def _wrapped(wrap: Callable[[App], App], middleware: Callable[[App], App]) -> Callable[[App], App]:
    return lambda app: middleware(wrap(app))


def _events(body: bytes) -> list[Mapping[str, object]]:
    try:
        content: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return []
    events = content if isinstance(content, list) else [content]
    return [event for event in events if isinstance(event, dict)]


def _is_treated(event: Mapping[str, object]) -> bool:
    """Return whether *event* belongs to a treatment group, in the format of either generation."""
    for part in (event.get("experiment"), event.get("experiments")):
        assigned = part.get("assigned") if isinstance(part, Mapping) else None
        groups = assigned.values() if isinstance(assigned, Mapping) else [assigned]
        if TREATMENTS & set(map(str, groups)):
            return True
    return False


def _is_hit(event: Mapping[str, object], fault: str, per_thousand: int) -> bool:
    """Return whether *fault* hits *event*, by a hash of the event.

    The hash includes the fault's name: if two faults hit the same events, one would hide the other.
    """
    # An event of a generation without positions has its time instead.
    position = event.get("funnel_event_sequence_position", event.get("dt"))
    key = "/".join([fault, *map(str, (event.get("funnel_entry_token"), position, event.get("action")))])
    return zlib.crc32(key.encode()) % 1000 < per_thousand


def _with_new_id(line: bytes) -> bytes:
    event = orjson.loads(line)
    event["meta"]["id"] = str(uuid.uuid5(_IDS, str(event["meta"]["id"])))
    return orjson.dumps(event)
