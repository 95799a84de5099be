"""A recorder in front of the intake: what browsers send is written into the ledger before it goes on.

Beacons that leave while a page unloads are invisible to the page and to Playwright; here every one of them passes.
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

from browser_scenarios.certificate import Certificate
from common.egress import LOOPBACK, Egress
from common.errors import KitFaultError
from common.http import open_async_client
from contracts.intake import interpret
from run_record.ledger.files import LedgerWriter, Span
from run_record.rate_limit import RateLimiter

_UP_WITHIN_S = 10.0
_POLL_S = 0.02

#: Headers of a request that the intake looks at; the others belong to the connection, or name the user's cookies.
_PASSED_ON = ("content-type", "user-agent", "origin")

#: What a browser asks for to show how long its requests take to come here.
PULSE = "/dogfood-pulse"

#: Quiet has to last for so many times what a request takes.
_PULSES = 3


class Recorded(NamedTuple):
    """One event that a browser sent.

    Attributes:
        event: as it was sent.
        pageview_id: of the page view it says it belongs to, else empty.
        action: that it tells.
        status: of the intake's answer, None when none came.
        at_ms: when it came, milliseconds since 1970.
    """

    event: Mapping[str, object]
    pageview_id: str
    action: str
    status: int | None
    at_ms: int


class Recorder:
    """Takes browsers' requests for the intake, in a thread of its own.

    Args:
        ledger: written before a request goes on.
        intake: where requests go on to (scheme, host and port).
        visit_of: returns the visit that the events of a user (local id) belong to.
        certificate: of the recorder itself, where browsers reach the intake by HTTPS.
        egress: the policy for connections to the intake; this machine only by default.
        governor: keeps the target's ceilings; everything passes by default.
    """

    def __init__(
        self,
        ledger: LedgerWriter,
        intake: str,
        visit_of: Callable[[int], int],
        certificate: Certificate | None = None,
        *,
        egress: Egress = LOOPBACK,
        governor: RateLimiter | None = None,
    ) -> None:
        self._ledger = ledger
        self._intake = open_async_client(egress, timeout_s=15.0, base_url=intake)
        self._governor = governor or RateLimiter.unlimited()
        self._held_back = 0
        self._visit_of = visit_of
        self._recorded: list[Recorded] = []
        self._unreadable: list[bytes] = []
        self._positions: dict[int, int] = {}
        self._under_way = 0
        self._last = time.monotonic()
        #: When set, events are looked at but neither passed on nor put into the ledger.
        self.apart = False
        #: Lets the browser send a request to `PULSE` and waits for the answer, so that a slow machine is waited for.
        self.pulse: Callable[[], Awaitable[None]] | None = None
        self._socket = socket.create_server(("127.0.0.1", 0))
        routes = [Route("/{path:path}", self._take, methods=["GET", "POST", "OPTIONS", "HEAD"])]
        config = uvicorn.Config(
            Starlette(routes=routes), log_level="error", lifespan="off", access_log=False,
            ssl_certfile=certificate and certificate.file, ssl_keyfile=certificate and certificate.key,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="recorder", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens, on this machine."""
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def unreadable(self) -> int:
        """How many requests held no JSON."""
        return len(self._unreadable)

    @property
    def held_back(self) -> int:
        """How many events were not sent because the target's ceiling was reached."""
        return self._held_back

    def start(self) -> None:
        """Begin to take requests. Raises KitFaultError when it does not come up."""
        self._thread.start()
        deadline = time.monotonic() + _UP_WITHIN_S
        while not self._server.started:
            if time.monotonic() > deadline:
                raise KitFaultError("the recorder in front of the intake did not come up")
            time.sleep(_POLL_S)

    def close(self) -> None:
        """Stop taking requests; what is under way is finished."""
        self._server.should_exit = True
        self._thread.join(_UP_WITHIN_S)
        self._socket.close()

    def events(self, pageview_id: str | None = None) -> list[Recorded]:
        """Return what was recorded, of one page view or altogether."""
        return [item for item in self._recorded if pageview_id in (None, item.pageview_id)]

    def count(self, pageview_id: str, action: str) -> int:
        """Return how many events of *action* a page view has sent."""
        return sum(item.action == action for item in self.events(pageview_id))

    async def settle(self, quiet_s: float = 0.6, within_s: float = 10.0) -> None:
        """Wait until nothing has come for *quiet_s* seconds and nothing is under way, or *within_s* have passed.

        Where the browser's own requests take long, both last the longer.
        """
        begun = time.monotonic()
        if self.pulse is not None:
            await self.pulse()
        took_s = time.monotonic() - begun
        quiet_s, within_s = max(quiet_s, _PULSES * took_s), max(within_s, 10 * _PULSES * took_s)
        begun = time.monotonic()
        deadline = begun + within_s
        while time.monotonic() < deadline:
            quiet = time.monotonic() - max(self._last, begun)
            if not self._under_way and quiet >= quiet_s:
                return
            await asyncio.sleep(_POLL_S)

    def _serve(self) -> None:
        asyncio.run(self._serve_until_closed())

    async def _serve_until_closed(self) -> None:
        async with self._intake:
            await self._server.serve(sockets=[self._socket])

    async def _take(self, request: Request) -> Response:
        if request.url.path == PULSE:
            return Response("", media_type="text/html", headers={"cache-control": "no-store"})
        self._under_way += 1
        try:
            body = await request.body()
            if request.method != "POST":
                return await self._pass_on(request, body)
            return await self._record(request, body)
        finally:
            self._under_way -= 1
            self._last = time.monotonic()

    async def _record(self, request: Request, body: bytes) -> Response:
        now_ms = int(time.time() * 1000)
        events = _events(body)
        if events is None:
            self._unreadable.append(body)
            return await self._pass_on(request, body)
        if self.apart:
            self._remember(events, None, now_ms)
            return Response(status_code=202, headers={"access-control-allow-origin": "*"})
        if not await self.admit(len(events)):
            return Response("the target's ceiling is reached: nothing is sent", status_code=503)
        # The event itself, also where it comes as an array of one; bytes stay as they are where they are the event's.
        bodies = [body] if body.lstrip().startswith(b"{") else [orjson.dumps(event) for event in events]
        spans = [Span(visit, self._position(visit), 1) for visit in map(self._visit, events)]
        number = self._ledger.intend(spans, intended_ms=now_ms, sent_ms=now_ms, bodies=bodies)
        answer = await self._pass_on(request, body)
        status = answer.status_code if answer.status_code != 502 else None
        answers = interpret(status, "", bytes(answer.body), [""] * len(events))
        self._ledger.answered(number, answers, status=status, at_ms=int(time.time() * 1000))
        self._remember(events, status, now_ms)
        return answer

    async def admit(self, events: int) -> bool:
        """Wait until so many *events* may be sent; return whether they may, or the target's ceiling is reached."""
        while (wait_s := self._governor.wait(events, time.time())) > 0:
            if math.isinf(wait_s):
                self._held_back += events
                return False
            await asyncio.sleep(wait_s)
        return True

    def _remember(self, events: list[Mapping[str, object]], status: int | None, now_ms: int) -> None:
        for event in events:
            performer = event.get("performer")
            pageview = performer.get("pageview_id", "") if isinstance(performer, Mapping) else ""
            self._recorded.append(Recorded(event, str(pageview), str(event.get("action", "")), status, now_ms))

    def _visit(self, event: Mapping[str, object]) -> int:
        performer = event.get("performer")
        user_id = performer.get("id", 0) if isinstance(performer, Mapping) else 0
        return self._visit_of(user_id if isinstance(user_id, int) else 0)

    def _position(self, visit: int) -> int:
        position = self._positions.get(visit, 0)
        self._positions[visit] = position + 1
        return position

    async def _pass_on(self, request: Request, body: bytes) -> Response:
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        try:
            answer = await self._intake.request(request.method, target, content=body, headers=headers)
        except httpx.HTTPError as error:
            return Response(f"the intake does not answer: {error}", status_code=502)
        allowed = {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}
        return Response(answer.content, answer.status_code, allowed, answer.headers.get("content-type"))


def _events(body: bytes) -> list[Mapping[str, object]] | None:
    try:
        content: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    found = content if isinstance(content, list) else [content]
    events: list[Mapping[str, object]] = [event for event in found if isinstance(event, dict)]
    return events if events and len(events) == len(found) else None
