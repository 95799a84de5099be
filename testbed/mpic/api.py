"""MPIC's JSON API, and the testbed's additions for writing.

The real MPIC can only be changed through its web UI. The testbed adds, for programs:

- `PUT /api/v1/{experiments|instruments}/{slug}` creates (201) or replaces (200) a config and returns it. The body is a
  config in the API's format. For xlab it may have `authority`; by default the authority stays, or is `mediawiki` for a
  new config. `id`, `created_at` and `updated_at` are ignored. An invalid config gets 422 and
  `{"errors": {field: message}}`.
- `POST /api/v1/{experiments|instruments}/{slug}/status` with `{"status": 0 | 1}` switches a config off or on.

Both require `Content-Type: application/json` and the header `X-Requested-With: dogfood`, which a form on another site
cannot send.
"""

import json
import logging
from dataclasses import replace

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contracts.generation import Generation
from testbed.mpic.configs import InvalidDraftError, validate
from testbed.mpic.experiment_form import Draft, read_json
from testbed.mpic.fields import INSTRUMENT_DATES, Kind
from testbed.mpic.store import NotFoundError, Record, Store

#: Name in the history for changes through the API.
PROGRAM = "API"
_AUTHORITIES = ("mediawiki", "varnish")
_log = logging.getLogger(__name__)


def served(record: Record) -> dict[str, object]:
    """Return a config in the API's format."""
    content = record.config.content
    first = {name: content[name] for name in ("name", "description", "creator", "owner", "purpose")}
    times = {"created_at": record.created_at, "updated_at": record.updated_at}
    status = int(record.config.status)
    # Instruments have their dates under both generations' names, because each generation of the wiki reads its own.
    dates: dict[str, object] = {}
    if record.config.kind is Kind.INSTRUMENT:
        dates = {newer: content[older] for newer, older in INSTRUMENT_DATES.items()}
    return {"id": record.id, "slug": record.config.slug, **first, **times, **content, **dates, "status": status}


class Api:
    """Endpoints of the API.

    Args:
        store: store of configs.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[Route]:
        """Return the API's routes."""
        return [
            Route("/api/v1/experiments", self.experiments),
            Route("/api/v1/instruments", self.instruments),
            Route("/api/v1/{kind}/{slug}", self.put, methods=["PUT"]),
            Route("/api/v1/{kind}/{slug}/status", self.switch, methods=["POST"]),
        ]

    async def experiments(self, request: Request) -> Response:
        """Return alpha's experiments; with `format=config` those of xlab with the requested `authority`."""
        records = self._store.list(Kind.EXPERIMENT)
        if request.query_params.get("format") != "config":
            return JSONResponse([served(item) for item in records if item.config.generation is Generation.ALPHA])
        authority = request.query_params.get("authority", "mediawiki")
        if authority not in _AUTHORITIES:
            raise HTTPException(400, f"authority is {authority!r}; choose one of {', '.join(_AUTHORITIES)}")
        # Only xlab's experiments have an authority. The wiki checks only their dates, so the list must not include
        # those that are switched off.
        served_records = (item for item in records if item.config.authority == authority and item.config.status)
        return JSONResponse([served(item) for item in served_records])

    async def instruments(self, _: Request) -> Response:
        """Return the instruments."""
        return JSONResponse([served(item) for item in self._store.list(Kind.INSTRUMENT)])

    async def put(self, request: Request) -> Response:
        """Create or replace a config."""
        kind, slug = kind_of(request), request.path_params["slug"]
        payload = await _payload(request)
        draft, unreadable = read_json(kind, slug, payload)
        if isinstance(payload, dict) and "authority" not in payload:
            draft = self._keeping_authority(draft, slug)
        try:
            record, is_new = self._store.put(validate(draft, unreadable), PROGRAM)
        except InvalidDraftError as error:
            return _invalid({draft.api_name(name): message for name, message in error.problems.items()})
        _log.info("%s %s %s by %s", kind.singular, slug, "created" if is_new else "replaced", PROGRAM)
        return JSONResponse(served(record), 201 if is_new else 200)

    async def switch(self, request: Request) -> Response:
        """Switch a config on or off."""
        kind, slug = kind_of(request), request.path_params["slug"]
        payload = await _payload(request)
        status = payload.get("status") if isinstance(payload, dict) else None
        if isinstance(status, bool) or status not in (0, 1):
            return _invalid({"status": "The status must be 0 or 1."})
        try:
            record = self._store.switch(kind, slug, status == 1, PROGRAM)
        except NotFoundError:
            raise HTTPException(404, f"there is no {kind.singular} {slug!r}") from None
        _log.info("%s %s switched %s by %s", kind.singular, slug, "on" if status else "off", PROGRAM)
        return JSONResponse(served(record))

    def _keeping_authority(self, draft: Draft, slug: str) -> Draft:
        # Responses do not include the authority, so writing one back must keep it.
        try:
            authority = self._store.find(draft.kind, slug).config.authority
        except NotFoundError:
            return draft
        if authority is None or "authority" not in draft.texts:
            return draft
        return replace(draft, texts={**draft.texts, "authority": authority})


def kind_of(request: Request) -> Kind:
    """Return the kind of config that the URL names. Raises HTTPException (404) for any other word."""
    try:
        return Kind(request.path_params["kind"])
    except ValueError:
        raise HTTPException(404) from None


async def _payload(request: Request) -> object:
    if request.headers.get("x-requested-with") != "dogfood":
        raise HTTPException(403, "changes need the header X-Requested-With: dogfood")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "changes need Content-Type: application/json")
    try:
        payload: object = json.loads(await request.body(), parse_constant=_reject_constant)
        # A lone surrogate is valid in JSON, but cannot be encoded as UTF-8.
        json.dumps(payload, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body is not JSON ({error})") from error
    return payload


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not a valid number in JSON")


def _invalid(errors: dict[str, str]) -> JSONResponse:
    return JSONResponse({"errors": errors}, 422)
