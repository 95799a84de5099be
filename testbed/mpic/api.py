"""MPIC's JSON API, and the testbed's own way to write to it.

The real MPIC is written to through its web UI only. The testbed adds, for programs:

- `PUT /api/v1/{experiments|instruments}/{slug}` creates (201) or replaces (200) a config and answers it. The body is
  a config as the API serves it; `id`, `created_at` and `updated_at` are ignored. What makes no sense is answered with
  422 and `{"errors": {field: message}}`.
- `POST /api/v1/{experiments|instruments}/{slug}/status` with `{"status": 0 | 1}` switches it off or on.

Both want `Content-Type: application/json` and the header `X-Requested-With: dogfood`, which no form of another site
can send.
"""

import json
import logging

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from metrics_platform.assignment import Generation
from testbed.mpic.configs import InvalidDraftError, validate
from testbed.mpic.drafts import read_json
from testbed.mpic.fields import Kind
from testbed.mpic.store import NotFoundError, Record, Store

#: Who the history says it was, when a program changes something.
PROGRAM = "API"
_AUTHORITIES = ("mediawiki", "varnish")
_log = logging.getLogger(__name__)


def served(record: Record) -> dict[str, object]:
    """Return a config as the API serves it."""
    config = record.config
    head: dict[str, object] = {"id": record.id}
    for name in ("name", "slug", "description", "creator", "owner", "purpose"):
        head[name] = config.slug if name == "slug" else config.content[name]
    times = {"created_at": record.created_at, "updated_at": record.updated_at}
    return {**head, **times, **config.content, "status": int(config.status)}


def routes(store: Store) -> list[Route]:
    """Return the API's routes."""

    async def experiments(request: Request) -> Response:
        xlab = request.query_params.get("format") == "config"
        if not xlab:
            return JSONResponse([served(item) for item in _of(store, Generation.ALPHA)])
        authority = request.query_params.get("authority", "mediawiki")
        if authority not in _AUTHORITIES:
            return _error(400, f"authority has to be one of {', '.join(_AUTHORITIES)}, not {authority!r}")
        # The wiki looks at xlab's dates only, so switching off works by not being listed.
        listed = [item for item in _of(store, Generation.XLAB) if item.config.status]
        return JSONResponse([served(item) for item in listed if item.config.authority == authority])

    async def instruments(_: Request) -> Response:
        return JSONResponse([served(item) for item in store.list(Kind.INSTRUMENT)])

    async def put(request: Request) -> Response:
        kind, slug = Kind(request.path_params["kind"]), request.path_params["slug"]
        payload = await _payload(request)
        if isinstance(payload, Response):
            return payload
        draft, unreadable = read_json(kind, slug, payload)
        if "body" in unreadable:
            return JSONResponse({"errors": unreadable}, 422)
        try:
            record, is_new = store.put(validate(draft, unreadable), PROGRAM)
        except InvalidDraftError as error:
            errors = {draft.api_name(name): what for name, what in error.problems.items()}
            return JSONResponse({"errors": errors}, 422)
        _log.info("%s %s %s by %s", kind.singular, slug, "created" if is_new else "replaced", PROGRAM)
        return JSONResponse(served(record), 201 if is_new else 200)

    async def switch(request: Request) -> Response:
        kind, slug = Kind(request.path_params["kind"]), request.path_params["slug"]
        payload = await _payload(request)
        if isinstance(payload, Response):
            return payload
        status = payload.get("status") if isinstance(payload, dict) else None
        if isinstance(status, bool) or status not in (0, 1):
            return JSONResponse({"errors": {"status": "It has to be 0 or 1."}}, 422)
        try:
            record = store.switch(kind, slug, status == 1, PROGRAM)
        except NotFoundError:
            return _error(404, f"there is no {kind.singular} {slug!r}")
        _log.info("%s %s switched %s by %s", kind.singular, slug, "on" if status else "off", PROGRAM)
        return JSONResponse(served(record))

    return [
        Route("/api/v1/experiments", experiments, methods=["GET"]),
        Route("/api/v1/instruments", instruments, methods=["GET"]),
        Route("/api/v1/{kind}/{slug}", put, methods=["PUT"]),
        Route("/api/v1/{kind}/{slug}/status", switch, methods=["POST"]),
    ]


def _of(store: Store, generation: Generation) -> list[Record]:
    return [item for item in store.list(Kind.EXPERIMENT) if item.config.generation is generation]


async def _payload(request: Request) -> object:
    """Return the decoded body, or the Response that says why it is not looked at."""
    if request.headers.get("x-requested-with") != "dogfood":
        return _error(403, "changes need the header X-Requested-With: dogfood")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return _error(415, "changes need Content-Type: application/json")
    try:
        payload: object = json.loads(await request.body(), parse_constant=_refuse)
    except ValueError as error:
        return _error(400, f"the body is not JSON ({error})")
    except RecursionError:
        return _error(400, "the body is nested too deep")
    return payload


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")


def _error(status: int, what: str) -> JSONResponse:
    return JSONResponse({"error": what}, status)
