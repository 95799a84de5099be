"""Faults of MPIC's API that can be switched on while it serves, to test how a wiki copes.

`GET /testbed/misbehaviour` returns the known faults and the active one. `PUT` of `{"as": "<name>"}` activates a fault,
and `{"as": ""}` deactivates it. The UI and writes through the API are not affected, so an operator can always repair
things.

`GET /testbed/fetches` returns how often each list was requested, by which client, and under which fault. A wiki that
uses a cached response does not send a request, and so shows nothing about a fault.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Config = dict[str, Any]

#: Delay of the fault `slow`, seconds; the wiki waits one second.
_SLOW_S = 3.0

_HTML = "<!DOCTYPE html><title>Sign in</title><p>Sign in to go on.</p>"


def _without(*names: str) -> Callable[[Config], Config]:
    return lambda config: {name: value for name, value in config.items() if name not in names}


def _rate(value: object) -> Callable[[Config], Config]:
    return lambda config: {**config, "sample_rate": {"default": value}}


def _no_groups(config: Config) -> Config:
    emptied: Config = {"features": {}, "groups": []}
    return {name: emptied.get(name, value) for name, value in config.items()}


def _no_values(config: Config) -> Config:
    features = {name: {**feature, "values": []} for name, feature in config.get("features", {}).items()}
    return {**_no_groups(config), "features": features}


def _other_shape(config: Config) -> Config:
    return {**_without("features", "groups")(config), "variants": [{"name": "control"}, {"name": "treatment"}]}


#: Responses that replace the list of configs.
_ANSWERS: Mapping[str, Callable[[], Response]] = {
    "not found": lambda: PlainTextResponse("Not Found", 404),
    "error": lambda: PlainTextResponse("Internal Server Error", 500),
    "malformed": lambda: Response('[{"slug": "dogf', media_type="application/json"),
    "html": lambda: Response(_HTML, media_type="text/html"),
    "envelope": lambda: JSONResponse({"data": []}),
    "empty": lambda: JSONResponse([]),
}
#: Changes to each config of the list.
_CHANGES: Mapping[str, Callable[[Config], Config]] = {
    "rate above 1": _rate(1.5),
    "rate null": _rate(None),
    "rate zero": _rate(0),
    "rate missing": _without("sample_rate"),
    "name missing": _without("slug", "name"),
    "no groups": _no_groups,
    "no values": _no_values,
    "other shape": _other_shape,
}
_SLOW = "slow"
NAMES = (_SLOW, *_ANSWERS, *_CHANGES)


#: Maximum number of clients that are counted separately.
_MOST_AGENTS = 50
_OTHERS = "others"


class ApiFaultSwitch:
    """The active fault, the fetch counts, and the routes that return and change them."""

    def __init__(self) -> None:
        self.active = ""
        self._fetches: Counter[tuple[str, str, str]] = Counter()

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/testbed/misbehaviour", self.show, methods=["GET"]),
            Route("/testbed/misbehaviour", self.change, methods=["PUT"]),
            Route("/testbed/fetches", self.fetches, methods=["GET"]),
        ]

    def count_fetch(self, path: str, agent: str) -> None:
        """Count a request for the list at *path* by the user agent *agent*, such as `MediaWiki/1.43`."""
        product = agent.partition("/")[0]
        known = {name for _, _, name in self._fetches}
        self._fetches[path, self.active, product if product in known or len(known) < _MOST_AGENTS else _OTHERS] += 1

    async def fetches(self, _: Request) -> Response:
        """Return the number of requests for each list, by path, active fault and client."""
        rows = [
            {"path": path, "as": fault, "agent": agent, "count": count}
            for (path, fault, agent), count in sorted(self._fetches.items())
        ]
        return JSONResponse({"fetches": rows})

    async def show(self, _: Request) -> Response:
        """Return the known faults and the active one."""
        return JSONResponse({"as": self.active, "known": list(NAMES)})

    async def change(self, request: Request) -> Response:
        """Activate a fault, or none."""
        if request.headers.get("x-requested-with") != "dogfood":
            raise HTTPException(403, "changes need the header X-Requested-With: dogfood")
        try:
            name = json.loads(await request.body())["as"]
        except (ValueError, KeyError, TypeError) as error:
            raise HTTPException(400, 'the body must be {"as": "<name>"}') from error
        if name not in ("", *NAMES):
            raise HTTPException(422, f"there is no fault {name!r}; choose among {', '.join(NAMES)}")
        self.active = name
        return await self.show(request)


class FaultyApi:
    """Middleware that applies the active fault to the API's lists of configs."""

    def __init__(self, app: ASGIApp, faults: ApiFaultSwitch) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request, or change its response."""
        fault = self._faults.active
        is_list = scope["type"] == "http" and scope["method"] == "GET" and scope["path"].startswith("/api/v1/")
        if is_list:
            self._faults.count_fetch(scope["path"], Headers(scope=scope).get("user-agent", ""))
        if not fault or not is_list:
            await self._app(scope, receive, send)
        elif fault in _ANSWERS:
            await _ANSWERS[fault]()(scope, receive, send)
        elif fault in _CHANGES:
            await self._changed(scope, receive, send, _CHANGES[fault])
        else:
            await asyncio.sleep(_SLOW_S)
            await self._app(scope, receive, send)

    async def _changed(self, scope: Scope, receive: Receive, send: Send, change: Callable[[Config], Config]) -> None:
        first_message: Message = {}
        body = b""

        async def collect(message: Message) -> None:
            nonlocal first_message, body
            if message["type"] == "http.response.start":
                first_message = message
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                changed = json.dumps([change(config) for config in json.loads(body)]).encode()
                MutableHeaders(scope=first_message)["content-length"] = str(len(changed))
                await send(first_message)
                await send({"type": "http.response.body", "body": changed})

        await self._app(scope, receive, collect)
