"""Events as bytes, from prepared templates: everything that two events share is joined once.

The keys, their types and their formats are those of the real client (contract: wiki.md and the captured events);
the order of keys is ours, so that what a subject, a session and a page view contribute are three runs of bytes.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import orjson

from metrics_platform.assignment import Generation
from metrics_platform.schemas import WEB_BASE_1_3_0, WEB_BASE_1_4_2
from metrics_platform.streams import StreamConfig
from personas.pages import Page
from personas.people import Persona

ACTION_SOURCE = "ClickThroughRateInstrument"
SCHEMAS = {Generation.ALPHA: WEB_BASE_1_3_0, Generation.XLAB: WEB_BASE_1_4_2}

#: Groups that every registered account of the wiki has; the client lists them last.
IMPLICIT_GROUPS = ("*", "user", "autoconfirmed")

#: Lowest edit count of each bucket and its name.
_BUCKETS = (
    (1000, "1000+ edits"),
    (100, "100-999 edits"),
    (5, "5-99 edits"),
    (1, "1-4 edits"),
    (0, "0 edits"),
)


class Wiki(NamedTuple):
    """What every event says of the wiki."""

    database: str
    domain: str
    version: str
    language: str


class Account(NamedTuple):
    """What an event may say of the subject. *registered* is ISO 8601 with milliseconds and Z."""

    user_id: int
    name: str
    persona: Persona
    language: str
    edit_count: int
    registered: str


def edit_count_bucket(edit_count: int) -> str:
    """Return the client's name for the range that *edit_count* is in."""
    return next(name for lowest, name in _BUCKETS if edit_count >= lowest)


def js_number(value: float) -> float | int:
    """Return *value* as JavaScript would print it: 1, not 1.0."""
    return int(value) if value == int(value) else value


_PAGE: Mapping[str, Callable[[Page, Wiki], object]] = {
    "page_id": lambda page, _: page.id,
    "page_title": lambda page, _: page.title,
    "page_namespace_id": lambda page, _: page.namespace_id,
    "page_namespace": lambda page, _: page.namespace_id,  # alpha's name of the same
    "page_namespace_name": lambda page, _: page.namespace_name,
    "page_revision_id": lambda page, _: page.revision_id,
    "page_content_language": lambda _, wiki: wiki.language,
    "page_is_redirect": lambda *_: False,
    "page_user_groups_allowed_to_move": lambda page, _: None if page.is_special else page.allowed_to_move,
    "page_user_groups_allowed_to_edit": lambda page, _: None if page.is_special else page.allowed_to_edit,
}
_MEDIAWIKI: Mapping[str, Callable[[Persona, Wiki], object]] = {
    "mediawiki_skin": lambda persona, _: persona.skin,
    "mediawiki_version": lambda _, wiki: wiki.version,
    "mediawiki_database": lambda _, wiki: wiki.database,
    "mediawiki_site_content_language": lambda _, wiki: wiki.language,
}
_ACCOUNT: Mapping[str, Callable[[Account], object]] = {
    "performer_is_logged_in": lambda _: True,
    "performer_is_temp": lambda _: False,
    "performer_id": lambda account: account.user_id,
    "performer_name": lambda account: account.name,
    "performer_groups": lambda account: [*account.persona.groups, *IMPLICIT_GROUPS],
    "performer_is_bot": lambda account: account.persona.bot,
    "performer_language": lambda account: account.language,
    "performer_edit_count": lambda account: account.edit_count,
    "performer_edit_count_bucket": lambda account: edit_count_bucket(account.edit_count),
    "performer_registration_dt": lambda account: account.registered,
}
_SESSION = ("performer_session_id", "performer_active_browsing_session_token")
#: Stand in templates for what is filled in later.
_PLACES = (b"@1@", b"@2@")

_PAGE_VIEW = ("performer_pageview_id", "performer_can_probably_edit_page")


class Renderer:
    """Renders the events of one experiment, instrument and wiki.

    Attributes asked for that a wiki without Wikibase and without language variants does not have are left out, as
    the client does.

    Args:
        generation: decides the schema and how the experiment is named.
        stream: what the client was told about the stream, with the attributes asked for.
        instrument: its name.
        element: friendly name of the instrumented element.
        wiki: what every event says of the wiki.
    """

    def __init__(self, generation: Generation, stream: StreamConfig, instrument: str, element: str, wiki: Wiki) -> None:
        self._asked = frozenset(stream.provide_values)
        self._wiki = wiki
        self._start = tuple(
            b'{"action":%b,"action_source":%b,"funnel_entry_token":"' % (_json(action), _json(ACTION_SOURCE))
            for action in ("impression", "click")
        )
        self._middle = tuple(
            b'","element_friendly_name":%b,"funnel_event_sequence_position":%d,"instrument_name":%b,"$schema":%b,'
            % (_json(element), position, _json(instrument), _json(SCHEMAS[generation]))
            for position in (1, 2)
        )
        self._sample = b""
        if stream.sample_rate is not None and stream.sample_unit is not None:
            sample = {"rate": js_number(stream.sample_rate), "unit": stream.sample_unit}
            self._sample = b'"sample":%b,' % _json(sample)
        meta = {"stream": stream.stream, "domain": wiki.domain}
        self._meta = b'Z","meta":%b,"id":"' % _json(meta)[:-1]
        # Where performer's three runs of members meet: an opening, then commas.
        held = (self._asked & _ACCOUNT.keys(), self._asked & set(_SESSION), self._asked & set(_PAGE_VIEW))
        self._any_performer = any(held)
        session_comma = b"," if held[0] and held[1] else b""
        places = dict(zip(_SESSION, (place.decode() for place in _PLACES), strict=True))
        self._session = session_comma + self._members("performer", places)
        view_comma = b"," if (held[0] or held[1]) and held[2] else b""
        self._views = tuple(self._view_template(view_comma, editable) for editable in (False, True))

    def page(self, page: Page) -> bytes:
        """Return what an event says of *page*."""
        return self._object("page", {name: read(page, self._wiki) for name, read in _PAGE.items()})

    def persona(self, persona: Persona) -> tuple[bytes, bytes]:
        """Return what an event says of the wiki's skin, and of the agent and the sample."""
        skin = self._object("mediawiki", {name: read(persona, self._wiki) for name, read in _MEDIAWIKI.items()})
        agent = {"client_platform": "mediawiki_js", "client_platform_family": persona.platform}
        close = b"}," if self._any_performer else b""
        return skin, close + b'"agent":%b,%b"dt":"' % (_json(agent), self._sample)

    def account(self, account: Account) -> bytes:
        """Return what an event says of *account*."""
        members = self._members("performer", {name: read(account) for name, read in _ACCOUNT.items()})
        return b'"performer":{' + members if self._any_performer else b""

    def session(self, session_id: str, browsing_token: str) -> bytes:
        """Return what an event says of the browser session (two tokens of 20 hex digits)."""
        return self._session.replace(_PLACES[0], session_id.encode()).replace(_PLACES[1], browsing_token.encode())

    def page_view(self, pageview_id: str, page: Page) -> bytes:
        """Return what an event says of the page view itself."""
        before, asked_for, after = self._views[not page.is_special]
        return before + pageview_id.encode() + after if asked_for else before

    def _view_template(self, comma: bytes, editable: bool) -> tuple[bytes, bytes, bytes]:
        """Return what stands before the page view's id, whether it is asked for (empty when not), and what follows."""
        values = dict(zip(_PAGE_VIEW, (_PLACES[0].decode(), editable), strict=True))
        return (comma + self._members("performer", values)).partition(_PLACES[0])

    def event(self, position: int, token: str, shared: bytes, dt: bytes, event_id: str) -> bytes:
        """Return one event.

        Args:
            position: 0 for the impression, 1 for the click.
            token: funnel entry token, 20 hex digits.
            shared: what it says of experiment, page, skin, account, session, page view and agent.
            dt: ISO 8601 with milliseconds, without the Z.
            event_id: the event's `meta.id`.
        """
        return b'%b%b%b%b%b%b%b"}}' % (
            self._start[position], token.encode(), self._middle[position], shared, dt, self._meta, event_id.encode(),
        )  # fmt: skip

    def _object(self, name: str, values: Mapping[str, object]) -> bytes:
        members = self._members(name, values)
        return b'"%b":{%b},' % (name.encode(), members) if members else b""

    def _members(self, prefix: str, values: Mapping[str, object]) -> bytes:
        kept = {
            ("namespace_id" if name == "page_namespace" else name.removeprefix(f"{prefix}_")): value
            for name, value in values.items()
            if name in self._asked and value is not None
        }
        return _json(kept)[1:-1]


def experiment_alpha(name: str, assigned: Mapping[str, str]) -> bytes:
    """Return what an alpha event says of its experiment; *assigned* holds the sampled features only."""
    return b'"experiments":%b,' % _json({"enrolled": [name], "assigned": dict(assigned)})


def experiment_xlab(name: str, group: str, subject_id: str) -> bytes:
    """Return what an xlab event says of its experiment and subject."""
    content = {
        "enrolled": name,
        "assigned": group,
        "subject_id": subject_id,
        "sampling_unit": "mw-user",
        "coordinator": "xLab",
    }
    return b'"experiment":%b,' % _json(content)


def _json(value: object) -> bytes:
    return orjson.dumps(value)
