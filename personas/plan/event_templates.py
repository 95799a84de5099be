"""Events as bytes, from prepared templates: everything that two events share is joined once.

The keys, their types and their formats are those of the real client (contract: wiki.md and the captured events);
the order of keys is ours, so that what a subject, a session and a page view contribute are three runs of bytes.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import orjson

from contracts.assignment import Generation
from contracts.profiles import EventProfile, profile_of
from contracts.streams import StreamConfig
from personas.page_index import Page
from personas.persona import Persona

#: Groups that every registered account of the wiki has; the client lists them last.
IMPLICIT_GROUPS = ("*", "user", "autoconfirmed")

#: Lowest edit count of each bucket and its name.
BUCKETS = (
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


def edit_count_bucket(edit_count: int) -> str:
    """Return the client's name for the range that *edit_count* is in."""
    return next(name for lowest, name in BUCKETS if edit_count >= lowest)


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
_SESSION = ("performer_session_id", "performer_active_browsing_session_token")

#: What of an account is filled in for each one: how it is written.
_FILLED = {
    "performer_id": b"%d",
    "performer_name": b"%b",
    "performer_edit_count": b"%d",
    "performer_registration_dt": b'"%bZ"',
}
#: Stands in templates for what is filled in later.
_PLACE = "\x00"
_PLACE_TEXT = b'"\\u0000"'

_PAGE_VIEW = ("performer_pageview_id", "performer_can_probably_edit_page")
_ACCOUNT = (
    "performer_is_logged_in", "performer_is_temp", "performer_id", "performer_name", "performer_groups",
    "performer_is_bot", "performer_language", "performer_edit_count", "performer_edit_count_bucket",
    "performer_registration_dt",
)  # fmt: skip


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

    Attributes:
        start, middle: before and after the funnel's token, of an impression and of a click.
        meta: what stands between `dt` (without its zone) and the event's id, after which comes `"}}`.
        account_fields: what an account's template is filled with, in that order; names are JSON already.
        session_template: what an event says of its session, up to a page view's id, and which of the session's two
            tokens (0 its id, 1 the browsing token) it is filled with.
        says_page_view: whether the page view's id is asked for.
    """

    def __init__(self, generation: Generation, stream: StreamConfig, instrument: str, element: str, wiki: Wiki) -> None:
        self._asked = frozenset(stream.provide_values)
        self._wiki = wiki
        profile = profile_of(generation)
        self.start = tuple(_start(profile, action) for action in ("impression", "click"))
        self.middle = tuple(_middle(profile, instrument, element, position) for position in (1, 2))
        self._sample = b""
        if stream.sample_rate is not None and stream.sample_unit is not None:
            sample = {"rate": js_number(stream.sample_rate), "unit": stream.sample_unit}
            self._sample = b'"sample":%b,' % _json(sample)
        meta = {"stream": stream.stream, "domain": wiki.domain}
        self.meta = b'Z","meta":%b,"id":"' % _json(meta)[:-1]
        # Where performer's three runs of members meet: an opening, then commas.
        held = (self._asked & set(_ACCOUNT), self._asked & set(_SESSION), self._asked & set(_PAGE_VIEW))
        self._any_performer = any(held)
        self.account_fields = tuple(name for name in _ACCOUNT if name in _FILLED and name in self._asked)
        self.says_page_view = _PAGE_VIEW[0] in self._asked
        view_comma = b"," if (held[0] or held[1]) and held[2] else b""
        before, self._view_tails = self._page_view_template(view_comma)
        session = self._members("performer", dict.fromkeys(_SESSION, _PLACE)).replace(b"%", b"%%")
        session_comma = b"," if held[0] and held[1] else b""
        self.session_template = (
            session_comma + session.replace(_PLACE_TEXT, b'"%b"') + before.replace(b"%", b"%%"),
            tuple(place for place, name in enumerate(_SESSION) if name in self._asked),
        )

    def page(self, page: Page) -> bytes:
        """Return what an event says of *page*."""
        return self._object("page", {name: read(page, self._wiki) for name, read in _PAGE.items()})

    def persona(self, persona: Persona) -> tuple[bytes, bytes]:
        """Return what an event says of the wiki's skin, and of the agent and the sample, up to the value of `dt`."""
        skin = self._object("mediawiki", {name: read(persona, self._wiki) for name, read in _MEDIAWIKI.items()})
        agent = {"client_platform": "mediawiki_js", "client_platform_family": persona.platform}
        close = b"}," if self._any_performer else b""
        return skin, close + b'"agent":%b,%b"dt":"' % (_json(agent), self._sample)

    def account_template(self, persona: Persona, language: str, edit_count: int) -> bytes:
        """Return what an event says of an account, with places for the `account_fields`.

        Args:
            persona: whose account it is.
            language: of the interface.
            edit_count: any in the account's bucket.
        """
        if not self._any_performer:
            return b""
        values: dict[str, object] = {
            "performer_is_logged_in": True,
            "performer_is_temp": False,
            "performer_groups": [*persona.groups, *IMPLICIT_GROUPS],
            "performer_is_bot": persona.bot,
            "performer_language": language,
            "performer_edit_count_bucket": edit_count_bucket(edit_count),
        }
        parts = self._members("performer", {name: values.get(name, _PLACE) for name in _ACCOUNT}).split(_PLACE_TEXT)
        filled = parts[0].replace(b"%", b"%%")
        for name, part in zip(self.account_fields, parts[1:], strict=True):
            filled += _FILLED[name] + part.replace(b"%", b"%%")
        return b'"performer":{' + filled

    def page_view(self, page: Page) -> bytes:
        """Return what an event says of a view of *page*, from after the page view's id on."""
        return self._view_tails[not page.is_special]

    def _page_view_template(self, comma: bytes) -> tuple[bytes, tuple[bytes, bytes]]:
        """Return what stands before a page view's id, and what follows when the page cannot, or can, be edited."""
        tails = []
        before = b""
        for editable in (False, True):
            members = comma + self._members("performer", dict(zip(_PAGE_VIEW, (_PLACE, editable), strict=True)))
            opening, found, rest = members.partition(_PLACE_TEXT)
            before = opening + b'"' if found else b""
            tails.append(b'"' + rest if found else members)
        return before, (tails[0], tails[1])

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
    profile = profile_of(Generation.XLAB)
    content = {
        "enrolled": name,
        "assigned": group,
        "subject_id": subject_id,
        "sampling_unit": profile.identifier.sampling_unit,
        "coordinator": profile.coordinator,
    }
    return b'"experiment":%b,' % _json(content)


def _start(profile: EventProfile, action: str) -> bytes:
    """Return the beginning of an event, up to the value of its funnel's token."""
    members = {"action": action, "action_source": profile.constants.get("action_source")}
    return _json(_kept(profile, members))[:-1] + b',"funnel_entry_token":"'


def _middle(profile: EventProfile, instrument: str, element: str, position: int) -> bytes:
    """Return what stands between the funnel's token and the experiment."""
    members = {
        "element_friendly_name": element,
        "funnel_event_sequence_position": position,
        "instrument_name": profile.instrument_name(instrument),
        "$schema": profile.schema,
    }
    return b'",' + _json(_kept(profile, members))[1:-1] + b","


def _kept(profile: EventProfile, members: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in members.items() if profile.has(name)}


def _json(value: object) -> bytes:
    return orjson.dumps(value)
