"""The intake as an ASGI application, without a framework: it is the testbed's hot path."""

import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from urllib.parse import parse_qs

import orjson

from testbed.intake.bodies import BodyError, events_of, is_json
from testbed.intake.eventgate import EMPTY, Answer, EventGate, Request
from testbed.intake.http_reason import HEADER

Message = MutableMapping[str, object]
Scope = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

NAME, VERSION = "eventgate-testbed", "1.8.4"
_CORS = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-headers", b"accept, x-requested-with, content-type"),
    (b"access-control-expose-headers", b"etag"),
)
_CANARY = Request(user_agent="", request_id="canary")


class Intake:
    """EventGate's HTTP contract.

    Args:
        gate: validates and produces events.
        max_body: largest body in bytes, before and after decompression.
    """

    def __init__(self, gate: EventGate, max_body: int) -> None:
        self._gate = gate
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        if scope["type"] != "http":
            return
        method, path, query = scope["method"], scope["path"], scope["query_string"]
        if method == "POST" and path == "/v1/events":
            await self._events(scope, receive, send)
        elif method == "OPTIONS":
            await _send(send, Answer(200, "OK"))
        elif method == "GET":
            await _send(send, await self._get(str(path), bytes(query) if isinstance(query, bytes) else b""))
        else:
            await _send(send, _not_found(str(path)))

    async def _get(self, path: str, query: bytes) -> Answer:
        if path == "/_info":
            info = {
                "name": NAME,
                "version": VERSION,
                "description": "EventGate's contract, for tests",
                "home": "",
            }
            return Answer(200, "OK", orjson.dumps(info))
        if path == "/healthz":
            return Answer(200, "OK", b'{"status":"ok"}')
        if path == "/" and query.startswith(b"spec"):
            return Answer(200, "OK", orjson.dumps(_SPEC))
        if path == "/v1/_test/events":
            return await self._gate.take(self._gate.canary_events(), _CANARY)
        return _not_found(path)

    async def _events(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])  # type: ignore[call-overload]
        parsed = is_json(headers.get(b"content-type", b""))
        try:
            body = await _read(receive, self._max_body)
            events = await events_of(body, headers, self._max_body) if parsed else []
        except BodyError as error:
            # A body that is not read, because of its content type, cannot be too large.
            await _send(send, _problem(error) if parsed else Answer(400, EMPTY))
            return
        if not events:
            await _send(send, Answer(400, EMPTY))
            return
        request = Request(
            headers.get(b"user-agent", b"").decode("latin-1"),
            headers.get(b"x-request-id", b"").decode("latin-1") or str(uuid.uuid1()),
        )
        if _is_hasty(scope["query_string"]):
            await _send(send, Answer(202, f"{len(events)} events hastily received."))
            await self._gate.take(events, request)
        else:
            await _send(send, await self._gate.take(events, request))


def _is_hasty(query: object) -> bool:
    if not isinstance(query, bytes) or b"hasty" not in query:
        return False
    values = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    flags = values.pop("hasty", [])
    return any(flags) or len(flags) > 1 or any(name.startswith("hasty[") for name in values)


async def _read(receive: Receive, limit: int) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BodyError("BadRequestError", "request aborted")
        body += message.get("body", b"")  # type: ignore[operator]
        if len(body) > limit:
            raise BodyError("PayloadTooLargeError", "request entity too large")
        if not message.get("more_body"):
            return body


def _problem(error: BodyError) -> Answer:
    problem = {
        "status": 500,
        "type": "internal_error",
        "title": error.title,
        "detail": str(error),
        "method": "post",
        "uri": "/v1/events",
    }
    return Answer(500, "Internal Server Error", orjson.dumps(problem))


def _not_found(path: str) -> Answer:
    body = {"status": 404, "type": "not_found#route", "title": "Not Found", "uri": path}
    return Answer(404, "Not Found", orjson.dumps(body))


async def _send(send: Send, answer: Answer) -> None:
    headers = [
        (HEADER, answer.reason.encode("latin-1", "replace").replace(b"\r", b" ").replace(b"\n", b" ")),
        *_CORS,
        (b"content-length", b"%d" % len(answer.body)),
    ]
    if answer.body:
        headers.append((b"content-type", b"application/json; charset=utf-8"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


_SPEC = {
    "openapi": "3.0.0",
    "info": {"title": NAME, "version": VERSION},
    "paths": {
        "/v1/events": {
            "post": {
                "summary": "Accept one event or an array of events.",
                "parameters": [{"name": "hasty", "in": "query", "schema": {"type": "string"}}],
                "responses": {
                    "201": {"description": "All events were accepted."},
                    "202": {"description": "The events were received; they are not validated yet."},
                    "207": {"description": "Some events were accepted."},
                    "400": {"description": "No event was accepted: all are invalid, or there are none."},
                    "500": {"description": "No event was accepted, at least one for another reason."},
                },
            }
        }
    },
}
