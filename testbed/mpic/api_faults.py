"""Ways in which MPIC's API can go wrong, switchable while it serves: what a wiki has to live with.

`GET /testbed/misbehaviour` tells which there are and which one is on; `PUT` of `{"as": "<name>"}` switches one on, and
of `{"as": ""}` off. The UI and the API's changes are not touched, so that an operator can always put things right.

`GET /testbed/fetches` tells how often each list was asked for, by whom, and what it was answered: a wiki that uses an
answer which it has from before asks for none, and then shows nothing of a misbehaviour.
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

#: The wiki waits one second.
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


#: What is answered instead of the list of configs.
_ANSWERS: Mapping[str, Callable[[], Response]] = {
    "not found": lambda: PlainTextResponse("Not Found", 404),
    "error": lambda: PlainTextResponse("Internal Server Error", 500),
    "malformed": lambda: Response('[{"slug": "dogf', media_type="application/json"),
    "html": lambda: Response(_HTML, media_type="text/html"),
    "envelope": lambda: JSONResponse({"data": []}),
    "empty": lambda: JSONResponse([]),
}
#: What happens to each config of the list.
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


#: As many different askers are counted apart; the rest together.
_MOST_AGENTS = 50
_OTHERS = "others"


class ApiFaultSwitch:
    """Which misbehaviour is on, what was fetched meanwhile, and the routes that tell and change it."""

    def __init__(self) -> None:
        self.now = ""
        self._fetches: Counter[tuple[str, str, str]] = Counter()

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/testbed/misbehaviour", self.show, methods=["GET"]),
            Route("/testbed/misbehaviour", self.change, methods=["PUT"]),
            Route("/testbed/fetches", self.fetches, methods=["GET"]),
        ]

    def fetched(self, path: str, agent: str) -> None:
        """Count a fetch of the list at *path* by *agent*, such as `MediaWiki/1.43`."""
        product = agent.partition("/")[0]
        known = {name for _, _, name in self._fetches}
        self._fetches[path, self.now, product if product in known or len(known) < _MOST_AGENTS else _OTHERS] += 1

    async def fetches(self, _: Request) -> Response:
        """Tell how often each list was asked for: path, misbehaviour that was on, asker's product, count."""
        rows = [
            {"path": path, "as": how, "agent": agent, "count": count}
            for (path, how, agent), count in sorted(self._fetches.items())
        ]
        return JSONResponse({"fetches": rows})

    async def show(self, _: Request) -> Response:
        """Tell which there are, and which one is on."""
        return JSONResponse({"as": self.now, "known": list(NAMES)})

    async def change(self, request: Request) -> Response:
        """Switch one on, or all off."""
        if request.headers.get("x-requested-with") != "dogfood":
            raise HTTPException(403, "changes need the header X-Requested-With: dogfood")
        try:
            wanted = json.loads(await request.body())["as"]
        except (ValueError, KeyError, TypeError) as error:
            raise HTTPException(400, 'the body has to be {"as": "<name>"}') from error
        if wanted not in ("", *NAMES):
            raise HTTPException(422, f"there is no misbehaviour {wanted!r}: {', '.join(NAMES)}")
        self.now = wanted
        return await self.show(request)


class FaultyApi:
    """Middleware that spoils the API's lists of configs while a misbehaviour is on."""

    def __init__(self, app: ASGIApp, misbehaviour: ApiFaultSwitch) -> None:
        self._app = app
        self._misbehaviour = misbehaviour

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or spoil its answer."""
        how = self._misbehaviour.now
        is_list = scope["type"] == "http" and scope["method"] == "GET" and scope["path"].startswith("/api/v1/")
        if is_list:
            self._misbehaviour.fetched(scope["path"], Headers(scope=scope).get("user-agent", ""))
        if not how or not is_list:
            await self._app(scope, receive, send)
        elif how in _ANSWERS:
            await _ANSWERS[how]()(scope, receive, send)
        elif how in _CHANGES:
            await self._changed(scope, receive, send, _CHANGES[how])
        else:
            await asyncio.sleep(_SLOW_S)
            await self._app(scope, receive, send)

    async def _changed(self, scope: Scope, receive: Receive, send: Send, change: Callable[[Config], Config]) -> None:
        start: Message = {}
        body = b""

        async def collect(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                spoilt = json.dumps([change(config) for config in json.loads(body)]).encode()
                MutableHeaders(scope=start)["content-length"] = str(len(spoilt))
                await send(start)
                await send({"type": "http.response.body", "body": spoilt})

        await self._app(scope, receive, collect)
