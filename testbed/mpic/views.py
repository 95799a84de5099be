"""Endpoints of the web UI's pages."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from contracts.generation import Generation
from testbed.mpic import formatting
from testbed.mpic.api import kind_of, served
from testbed.mpic.configs import InvalidDraftError, validate
from testbed.mpic.experiment_form import Draft, FeatureRow, Problems, RateRow, blank, read_json
from testbed.mpic.fields import Kind, sections
from testbed.mpic.form_reader import read_form, text
from testbed.mpic.request_checks import checked_form
from testbed.mpic.store import NotFoundError, Record, SlugTakenError, StaleError, Store
from testbed.mpic.templates import Renderer

_MAX_OPERATOR = 60
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Editing:
    """The content of a form page: a draft, its origin and its problems.

    Attributes:
        draft: the draft, with an empty row when the user asked for one more.
        problems: problems of `validate`.
        record: the edited config, None for a new one.
        version: version of the config when the form was opened.
        stale: another user's change in between, None without one.
    """

    draft: Draft
    problems: Problems
    record: Record | None = None
    version: int = 0
    stale: StaleError | None = None


class Pages:
    """Endpoints of the pages.

    Args:
        store: store of configs.
        render: renderer of templates.
        now: clock that returns UTC.
    """

    def __init__(self, store: Store, render: Renderer, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._render = render
        self._now = now

    def routes(self) -> list[BaseRoute]:
        """Return the pages' routes."""
        return [
            Route("/", self.home),
            Route("/operator", self.set_operator, methods=["POST"]),
            Route("/{kind}", self.overview),
            Route("/{kind}/new", self.new),
            Route("/{kind}/new", self.create, methods=["POST"]),
            Route("/{kind}/{slug}", self.detail),
            Route("/{kind}/{slug}/edit", self.edit),
            Route("/{kind}/{slug}/edit", self.save, methods=["POST"]),
            Route("/{kind}/{slug}/status", self.switch, methods=["POST"]),
        ]

    async def home(self, _: Request) -> Response:
        """Redirect to the experiments."""
        return RedirectResponse(f"/{Kind.EXPERIMENT}", 303)

    async def overview(self, request: Request) -> Response:
        """List the configs of a kind, filtered by status, generation and words."""
        kind = kind_of(request)
        filters = {name: request.query_params.get(name, "").strip() for name in ("q", "status", "generation")}
        all_records = self._store.list(kind)
        records = [item for item in all_records if _matches(item, **filters)]
        records.sort(key=lambda item: (item.updated_at, item.id), reverse=True)
        states = {item.id: formatting.state(item.config, self._now()) for item in records}
        context = {
            "kind": kind,
            "records": records,
            "states": states,
            "total": len(all_records),
            "filters": filters,
        }
        return self._render(request, "list.html", context)

    async def new(self, request: Request) -> Response:
        """Show an empty form, or one filled from the config that `from` names."""
        kind = kind_of(request)
        source = request.query_params.get("from")
        if source:
            draft = _draft(self._find(kind, source))
            copied = {**draft.texts, "slug": ""} | ({"name": ""} if draft.generation is Generation.XLAB else {})
            return self._form(request, Editing(replace(draft, texts=copied, status=False), {}))
        generation = _generation(kind, request.query_params.get("generation", Generation.ALPHA))
        return self._form(request, Editing(blank(kind, generation, self._render.operator(request)), {}))

    async def create(self, request: Request) -> Response:
        """Add a config, or show the form again."""
        kind = kind_of(request)
        form = await checked_form(request)
        draft = read_form(kind, _generation(kind, text(form, "generation")), form)
        extended = _with_row(draft, text(form, "action"))
        if extended:
            return self._form(request, Editing(extended, {}))
        try:
            config = validate(draft)
            self._store.create(config, self._render.operator(request))
        except InvalidDraftError as error:
            return self._form(request, Editing(draft, error.problems), 422)
        except SlugTakenError:
            problem = f"An {kind.singular} with this slug exists; choose another slug."
            return self._form(request, Editing(draft, {"slug": problem}), 422)
        return self._done(request, kind, config.slug, "created")

    async def detail(self, request: Request) -> Response:
        """Show one config with its history."""
        kind = kind_of(request)
        record = self._find(kind, request.path_params["slug"])
        changes = [
            (change, formatting.field_changes(kind, change.before, change.after))
            for change in self._store.history(record)
        ]
        context = {
            "kind": kind,
            "record": record,
            "state": formatting.state(record.config, self._now()),
            "sections": sections(kind, record.config.generation),
            "values": formatting.values(record.config),
            "served": json.dumps(served(record), indent=2, ensure_ascii=False),
            "changes": changes,
        }
        return self._render(request, "detail.html", context)

    async def edit(self, request: Request) -> Response:
        """Show the form of one config."""
        record = self._find(kind_of(request), request.path_params["slug"])
        return self._form(request, Editing(_draft(record), {}, record, record.version))

    async def save(self, request: Request) -> Response:
        """Update a config, or show the form again, with another user's change in between before it is overwritten."""
        record = self._find(kind_of(request), request.path_params["slug"])
        form = await checked_form(request)
        config = record.config
        draft = read_form(config.kind, config.generation, form, config.slug)
        opened = text(form, "version")
        version = int(opened) if opened.isascii() and opened.isdecimal() and len(opened) < 10 else 0
        extended = _with_row(draft, text(form, "action"))
        if extended:
            return self._form(request, Editing(extended, {}, record, version))
        try:
            self._store.update(validate(draft), self._render.operator(request), version)
        except InvalidDraftError as error:
            return self._form(request, Editing(draft, error.problems, record, version), 422)
        except StaleError as error:
            # The user sees the other change now, so the next attempt is compared with that version.
            return self._form(request, Editing(draft, {}, record, error.unseen.version, error), 409)
        return self._done(request, config.kind, config.slug, "saved")

    async def switch(self, request: Request) -> Response:
        """Switch a config on or off, and return to the page of the button."""
        kind, slug = kind_of(request), request.path_params["slug"]
        form = await checked_form(request)
        self._find(kind, slug)
        status = text(form, "status")
        if status not in ("0", "1"):
            raise HTTPException(400)
        self._store.switch(kind, slug, status == "1", self._render.operator(request))
        next_page = _local_path(text(form, "next"), f"/{kind}/{slug}")
        return self._done(request, kind, slug, "switched on" if status == "1" else "switched off", next_page)

    async def set_operator(self, request: Request) -> Response:
        """Store the operator's name for the history."""
        form = await checked_form(request)
        name = text(form, "operator")
        if name and name.isprintable() and len(name) <= _MAX_OPERATOR:
            self._render.set_operator(request, name)
            self._render.set_message(request, f"You are working as {name}.")
        else:
            self._render.set_message(request, f"That name is not valid: use 1 to {_MAX_OPERATOR} visible characters.")
        return RedirectResponse(_local_path(text(form, "next"), "/"), 303)

    def _find(self, kind: Kind, slug: str) -> Record:
        try:
            return self._store.find(kind, slug)
        except NotFoundError:
            raise HTTPException(404) from None

    def _form(self, request: Request, editing: Editing, status: int = 200) -> Response:
        draft = editing.draft
        context = {
            "kind": draft.kind,
            "draft": draft,
            "editing": editing,
            "sections": sections(draft.kind, draft.generation),
            "problems": editing.problems,
            "summary": formatting.summary(draft, editing.problems),
            "theirs": editing.stale
            and formatting.field_changes(draft.kind, editing.stale.unseen.before, editing.stale.unseen.after),
        }
        return self._render(request, "form.html", context, status)

    def _done(self, request: Request, kind: Kind, slug: str, action: str, next_page: str | None = None) -> Response:
        self._render.set_message(request, f"{slug} was {action}.")
        _log.info("%s %s %s by %s", kind.singular, slug, action, self._render.operator(request))
        return RedirectResponse(next_page or f"/{kind}/{slug}", 303)


def _generation(kind: Kind, name: str) -> Generation | None:
    if kind is Kind.INSTRUMENT:
        return None
    try:
        return Generation(name)
    except ValueError:
        raise HTTPException(404) from None


def _draft(record: Record) -> Draft:
    draft, _ = read_json(record.config.kind, record.config.slug, record.config.to_json())
    return draft


def _matches(record: Record, q: str, status: str, generation: str) -> bool:
    config = record.config
    words = " ".join([config.slug, *(str(config.content[name]) for name in ("name", "owner", "task"))]).casefold()
    return (
        all(word in words for word in q.casefold().split())
        and status in ("", "on" if config.status else "off")
        and generation in ("", config.generation)
    )


def _with_row(draft: Draft, action: str) -> Draft | None:
    """Return the draft with one more empty row when the button asked for it, else None."""
    if action == "add-rate":
        return replace(draft, wiki_rates=(*draft.wiki_rates, RateRow("", ())))
    if action == "add-feature":
        return replace(draft, features=(*draft.features, FeatureRow("", "", ())))
    return None


def _local_path(path: str, otherwise: str) -> str:
    """Return *path* when it is on this site, else *otherwise*."""
    is_local = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_local else otherwise
