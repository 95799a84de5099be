"""A recorder in front of the intake: it writes browsers' events to the ledger, then forwards them.

Beacons sent while a page unloads are invisible to the page and to Playwright. All of them pass the recorder.
"""

import asyncio
import math
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

import httpx
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from browser_scenarios.beacons import local_user_id, pageview_id, read_events
from browser_scenarios.certificate import Certificate
from common.egress import LOOPBACK, Egress
from common.errors import KitFaultError
from common.http import open_async_client
from contracts.intake import interpret
from run_record.ledger.files import LedgerWriter, Span
from run_record.rate_limit import RateLimiter

_UP_WITHIN_S = 10.0
_POLL_S = 0.02

#: Headers that the recorder forwards: those that the intake uses, without connection headers and cookies.
_FORWARDED_HEADERS = ("content-type", "user-agent", "origin")

#: Path of the browser's latency probe.
PROBE_PATH = "/dogfood-pulse"

#: Minimum quiet time, as a multiple of the browser's request latency.
_QUIET_FACTOR = 3


class Recorded(NamedTuple):
    """One event that a browser sent.

    Attributes:
        event: the event as sent.
        pageview_id: page view id in the event; empty when missing.
        action: action in the event.
        status: status of the intake's response, None without a response.
        at_ms: time of receipt, milliseconds since 1970.
    """

    event: Mapping[str, object]
    pageview_id: str
    action: str
    status: int | None
    at_ms: int


class Recorder:
    """Receives browsers' requests for the intake, in a separate thread.

    Args:
        ledger: ledger, written before a request is forwarded.
        intake: scheme, host and port of the intake.
        visit_of: function from a user's local id to the visit of its events.
        certificate: certificate of the recorder, where browsers reach the intake by HTTPS.
        egress: policy for connections to the intake; by default this machine only.
        rate_limiter: limiter for the target's ceilings; by default unlimited.
    """

    def __init__(
        self,
        ledger: LedgerWriter,
        intake: str,
        visit_of: Callable[[int], int],
        certificate: Certificate | None = None,
        *,
        egress: Egress = LOOPBACK,
        rate_limiter: RateLimiter | None = None,
    ) -> None:
        self._ledger = ledger
        self._intake = open_async_client(egress, timeout_s=15.0, base_url=intake)
        self._rate_limiter = rate_limiter or RateLimiter.unlimited()
        self._held_back = 0
        self._visit_of = visit_of
        self._recorded: list[Recorded] = []
        self._unreadable: list[bytes] = []
        self._positions: dict[int, int] = {}
        self._pending = 0
        self._last_request_s = time.monotonic()
        #: When set, events are recorded, but neither forwarded nor written to the ledger.
        self.isolated = False
        #: Function that makes the browser request `PROBE_PATH`; `settle` waits longer on a slow machine.
        self.latency_probe: Callable[[], Awaitable[None]] | None = None
        self._socket = socket.create_server(("127.0.0.1", 0))
        routes = [Route("/{path:path}", self._handle, methods=["GET", "POST", "OPTIONS", "HEAD"])]
        config = uvicorn.Config(
            Starlette(routes=routes), log_level="error", lifespan="off", access_log=False,
            ssl_certfile=certificate and certificate.file, ssl_keyfile=certificate and certificate.key,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="recorder", daemon=True)

    @property
    def port(self) -> int:
        """Port of the recorder on this machine."""
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def unreadable(self) -> int:
        """Number of requests whose body is not an event."""
        return len(self._unreadable)

    @property
    def held_back(self) -> int:
        """Number of events that were not sent because of the target's ceiling."""
        return self._held_back

    def start(self) -> None:
        """Start the server. Raises KitFaultError when it does not start."""
        self._thread.start()
        deadline = time.monotonic() + _UP_WITHIN_S
        while not self._server.started:
            if time.monotonic() > deadline:
                raise KitFaultError(f"the recorder in front of the intake did not start within {_UP_WITHIN_S:g} s")
            time.sleep(_POLL_S)

    def close(self) -> None:
        """Stop the server after pending requests."""
        self._server.should_exit = True
        self._thread.join(_UP_WITHIN_S)
        self._socket.close()

    def events(self, pageview_id: str | None = None) -> list[Recorded]:
        """Return the recorded events, of one page view or all."""
        return [item for item in self._recorded if pageview_id in (None, item.pageview_id)]

    def count(self, pageview_id: str, action: str) -> int:
        """Return the number of events with *action* of a page view."""
        return sum(item.action == action for item in self.events(pageview_id))

    async def settle(self, quiet_s: float = 0.6, within_s: float = 10.0) -> None:
        """Wait until no request is pending and none came for *quiet_s* seconds, at most *within_s* seconds.

        Both times grow with the browser's request latency.
        """
        start = time.monotonic()
        if self.latency_probe is not None:
            await self.latency_probe()
        latency_s = time.monotonic() - start
        quiet_s, within_s = max(quiet_s, _QUIET_FACTOR * latency_s), max(within_s, 10 * _QUIET_FACTOR * latency_s)
        start = time.monotonic()
        deadline = start + within_s
        while time.monotonic() < deadline:
            quiet = time.monotonic() - max(self._last_request_s, start)
            if not self._pending and quiet >= quiet_s:
                return
            await asyncio.sleep(_POLL_S)

    def _serve(self) -> None:
        asyncio.run(self._serve_until_closed())

    async def _serve_until_closed(self) -> None:
        async with self._intake:
            await self._server.serve(sockets=[self._socket])

    async def _handle(self, request: Request) -> Response:
        if request.url.path == PROBE_PATH:
            return Response("", media_type="text/html", headers={"cache-control": "no-store"})
        self._pending += 1
        try:
            body = await request.body()
            if request.method != "POST":
                return await self._forward(request, body)
            return await self._record(request, body)
        finally:
            self._pending -= 1
            self._last_request_s = time.monotonic()

    async def _record(self, request: Request, body: bytes) -> Response:
        now_ms = int(time.time() * 1000)
        events = read_events(body)
        if events is None:
            self._unreadable.append(body)
            return await self._forward(request, body)
        if self.isolated:
            self._append(events, None, now_ms)
            return Response(status_code=202, headers={"access-control-allow-origin": "*"})
        if not await self.admit(len(events)):
            return Response("the target's ceiling is reached: the events are not sent", status_code=503)
        # The ledger has one body per event: the bytes as sent, or each event of an array serialized again.
        bodies = [body] if body.lstrip().startswith(b"{") else [orjson.dumps(event) for event in events]
        spans = [Span(visit, self._position(visit), 1) for visit in map(self._visit_of, map(local_user_id, events))]
        number = self._ledger.intend(spans, intended_ms=now_ms, sent_ms=now_ms, bodies=bodies)
        answer = await self._forward(request, body)
        status = answer.status_code if answer.status_code != 502 else None
        answers = interpret(status, "", bytes(answer.body), [""] * len(events))
        self._ledger.answered(number, answers, status=status, at_ms=int(time.time() * 1000))
        self._append(events, status, now_ms)
        return answer

    async def admit(self, events: int) -> bool:
        """Wait until *events* more events may be sent; return False when the target's ceiling is reached."""
        while (wait_s := self._rate_limiter.wait(events, time.time())) > 0:
            if math.isinf(wait_s):
                self._held_back += events
                return False
            await asyncio.sleep(wait_s)
        return True

    def _append(self, events: list[Mapping[str, object]], status: int | None, now_ms: int) -> None:
        for event in events:
            self._recorded.append(Recorded(event, pageview_id(event), str(event.get("action", "")), status, now_ms))

    def _position(self, visit: int) -> int:
        position = self._positions.get(visit, 0)
        self._positions[visit] = position + 1
        return position

    async def _forward(self, request: Request, body: bytes) -> Response:
        headers = {name: request.headers[name] for name in _FORWARDED_HEADERS if name in request.headers}
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        try:
            answer = await self._intake.request(request.method, target, content=body, headers=headers)
        except httpx.HTTPError as error:
            return Response(f"the intake does not respond: {error}", status_code=502)
        allowed = {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}
        return Response(answer.content, answer.status_code, allowed, answer.headers.get("content-type"))
