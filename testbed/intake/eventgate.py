"""EventGate's processing of one request: fill in, validate and produce its events, and word the response."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from contracts.schemas import NestedTooDeeplyError, SchemaNotFoundError, SchemaRegistry
from contracts.streams import ERROR_STREAM, topic
from testbed.intake.bodies import MAX_DEPTH, TooDeep
from testbed.intake.stream_configs import StreamConfigFile
from testbed.stream.segments import Producer

EMPTY = "Request body was empty. Must provide JSON encoded events."
_NO_SCHEMA = "Field(s) $schema were missing from event and could not be extracted."
_TOO_DEEP = f"nested too deeply: an event may have {MAX_DEPTH} levels"

#: Events processed before other requests get their turn: a body may hold hundreds of thousands.
_SLICE = 256


class Answer(NamedTuple):
    """An HTTP response: status, reason phrase and body."""

    status: int
    reason: str
    body: bytes = b""


class Request(NamedTuple):
    """Request metadata that completes its events."""

    user_agent: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Failure:
    """An event that was not accepted, as the response reports it. *status* is `invalid` or `error`."""

    status: str
    event: object
    context: Mapping[str, object]


#: Fills in an event's optional fields from the receive time (ISO 8601) and the request.
Fill = Callable[[dict[str, object], str, Request], None]


class EventGate:
    """Validates and produces events.

    Args:
        schemas: registry that `$schema` refers to.
        streams: configured streams.
        producer: destination of accepted events, and of reports on the others.
        data_centre: prefix of topic names.
        fill: function that fills in missing fields of an event.
    """

    def __init__(
        self, schemas: SchemaRegistry, streams: StreamConfigFile, producer: Producer, data_centre: str, fill: Fill
    ) -> None:
        self._fill = fill
        self._schemas = schemas
        self._streams = streams
        self._producer = producer
        self._data_centre = data_centre

    async def take(self, events: Sequence[object], request: Request) -> Answer:
        """Validate and produce *events*; return the response of guaranteed mode. Accepted means produced."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        failures: list[Failure] = []
        accepted: dict[str, list[tuple[object, bytes]]] = {}
        async for event in _in_turns(events):
            failure = self._check(event, now, request)
            if failure is not None:
                failures.append(failure)
            elif isinstance(event, dict):
                try:
                    line = orjson.dumps(event)
                except orjson.JSONEncodeError:
                    failures.append(_error(event, _TOO_DEEP))
                    continue
                accepted.setdefault(topic(event["meta"]["stream"], self._data_centre), []).append((event, line))
        failures += await self._produce(accepted, [*failures], now)
        return answer(len(events), failures)

    def canary_events(self) -> list[object]:
        """Return one canary event for each configured stream: it shows that a quiet stream works."""
        uris = {self._schemas.load(uri).title: uri for uri in self._schemas.uris()}
        return [
            {
                "$schema": uris[config.schema_title],
                "meta": {"stream": config.stream, "domain": "canary"},
                "action": "canary",
                "agent": {"client_platform": "mediawiki_php"},
            }
            for config in self._streams.current().values()
            if config.schema_title in uris
        ]

    def _check(self, event: object, now: str, request: Request) -> Failure | None:
        """Fill in the event's optional fields; return why it cannot be accepted, or None."""
        if isinstance(event, TooDeep):
            return _error(event.event, _TOO_DEEP)
        if not isinstance(event, dict) or not isinstance(event.get("$schema"), str):
            return _error(event, _NO_SCHEMA)
        self._fill(event, now, request)
        try:
            problems = self._schemas.validate(event)
            title = self._schemas.load(event["$schema"]).title
        except SchemaNotFoundError as error:
            return _error(event, str(error))
        except NestedTooDeeplyError:
            return _error(event, _TOO_DEEP)
        if problems:
            details = [{"dataPath": problem.path, "message": problem.message} for problem in problems]
            text = ", ".join(str(problem) for problem in problems)
            return Failure("invalid", _serializable(event), {"errors": details, "errorsText": text})
        stream = event["meta"]["stream"]
        config = self._streams.current().get(stream)
        if config is None:
            return _invalid(event, f"'.meta.stream' {stream!r} is not a configured stream")
        if config.schema_title != title:
            return _invalid(event, f"'.$schema' title {title!r} is not the stream's, {config.schema_title!r}")
        return None

    async def _produce(
        self, accepted: Mapping[str, Sequence[tuple[object, bytes]]], failures: Sequence[Failure], now: str
    ) -> list[Failure]:
        """Produce *accepted* events, by topic, and reports of *failures*; return the events that were not produced."""
        pending = [self._producer.produce(name, [line for _, line in batch]) for name, batch in accepted.items()]
        if failures:
            pending.append(self._report(failures, now))
        # Usually there is one topic, which needs no separate task.
        results = [await pending[0]] if len(pending) == 1 else await asyncio.gather(*pending)
        return [
            _error(batch[number][0], reason)
            for batch, failed_numbers in zip(accepted.values(), results, strict=False)
            for number, reason in sorted(failed_numbers.items())
        ]

    async def _report(self, failures: Sequence[Failure], now: str) -> Mapping[int, str]:
        """Produce reports of *failures* to the error stream; a report that cannot be produced is dropped."""
        name = topic(ERROR_STREAM, self._data_centre)
        for first in range(0, len(failures), _SLICE):
            part = failures[first : first + _SLICE]
            await self._producer.produce(name, [_error_event(failure, now) for failure in part])
            await asyncio.sleep(0)
        return {}


async def _in_turns(events: Sequence[object]) -> AsyncIterator[object]:
    """Yield *events*; let other requests run after every `_SLICE` of them."""
    for number, event in enumerate(events, start=1):
        if number % _SLICE == 0:
            await asyncio.sleep(0)
        yield event


def answer(count: int, failures: Sequence[Failure]) -> Answer:
    """Return EventGate's response in guaranteed mode when *failures* of *count* events were not accepted."""
    if not failures:
        return Answer(201, f"All {count} out of {count} events were accepted.")
    failed = {
        kind: [
            {"status": failure.status, "event": failure.event, "context": failure.context}
            for failure in failures
            if failure.status == kind
        ]
        for kind in ("invalid", "error")
    }
    invalid, errored = len(failed["invalid"]), len(failed["error"])
    if len(failures) < count:
        details = f"{len(failures)} failed ({invalid} invalid and {errored} errored)."
        reason = f"{count - len(failures)} out of {count} events were accepted, but {details}"
        return Answer(207, reason, orjson.dumps(failed))
    if not errored:
        reason = f"{count} out of {count} events were invalid and not accepted."
        return Answer(400, reason, orjson.dumps({"invalid": failed["invalid"]}))
    details = f"({invalid} invalid and {errored} errored)."
    return Answer(
        500, f"{count} out of {count} events had failures and were not accepted. {details}", orjson.dumps(failed)
    )


def fill(event: dict[str, object], now: str, request: Request) -> None:
    """Fill in the optional fields of *event*: receive time, id, request id and user agent."""
    meta = event.setdefault("meta", {})
    if isinstance(meta, dict):
        meta.setdefault("dt", now)
        if "id" not in meta:
            meta["id"] = str(uuid.uuid4())
        meta.setdefault("request_id", request.request_id)
    if request.user_agent:
        http = event.setdefault("http", {})
        headers = http.setdefault("request_headers", {}) if isinstance(http, dict) else None
        if isinstance(headers, dict):
            headers.setdefault("user-agent", request.user_agent)


def _serializable(event: object) -> object:
    """Return *event*, or only its id when it is nested too deeply to be serialized."""
    try:
        orjson.dumps(event)
    except orjson.JSONEncodeError:
        meta = event.get("meta") if isinstance(event, dict) else None
        return {"meta": {"id": str(meta.get("id", "")) if isinstance(meta, dict) else ""}}
    return event


def _error(event: object, message: str) -> Failure:
    return Failure("error", _serializable(event), {"message": message})


def _invalid(event: object, message: str) -> Failure:
    return Failure("invalid", _serializable(event), {"errors": [{"message": message}], "errorsText": message})


def _error_event(failure: Failure, now: str) -> bytes:
    event = failure.event if isinstance(failure.event, dict) else {}
    meta = event.get("meta")
    stream = meta.get("stream") if isinstance(meta, dict) else None
    return orjson.dumps(
        {
            "$schema": "/error/2.0.0",
            "meta": {"stream": ERROR_STREAM, "dt": now, "id": str(uuid.uuid4())},
            "emitter_id": "testbed-intake",
            "message": failure.context.get("errorsText") or failure.context["message"],
            "raw_event": orjson.dumps(failure.event).decode(),
            "errored_stream_name": stream if isinstance(stream, str) else "",
            "errored_schema_uri": schema if isinstance(schema := event.get("$schema"), str) else "",
        }
    )
