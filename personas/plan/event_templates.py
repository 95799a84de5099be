"""Templates of events as bytes, which join the shared parts of events once.

Keys, types and formats are those of the real client (contract: wiki.md and the captured events). The order of keys
differs, so the parts of a subject, a session and a page view are three sequences of bytes.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import orjson

from contracts.generation import Generation
from contracts.profiles import EventProfile, profile_of
from contracts.streams import StreamConfig
from personas.page_index import Page
from personas.persona import Persona

#: Groups of every registered account; the client lists them last.
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
    """The wiki in every event."""

    database: str
    domain: str
    version: str
    language: str


def edit_count_bucket(edit_count: int) -> str:
    """Return the client's name of the range of *edit_count*."""
    return next(name for lowest, name in BUCKETS if edit_count >= lowest)


def js_number(value: float) -> float | int:
    """Return *value* as JavaScript prints it: 1, not 1.0."""
    return int(value) if value == int(value) else value


_PAGE: Mapping[str, Callable[[Page, Wiki], object]] = {
    "page_id": lambda page, _: page.id,
    "page_title": lambda page, _: page.title,
    "page_namespace_id": lambda page, _: page.namespace_id,
    "page_namespace": lambda page, _: page.namespace_id,  # alpha's name of the id
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

#: Formats of the fields that differ between accounts.
_ACCOUNT_FORMATS = {
    "performer_id": b"%d",
    "performer_name": b"%b",
    "performer_edit_count": b"%d",
    "performer_registration_dt": b'"%bZ"',
}
#: Placeholder in templates.
_PLACEHOLDER = "\x00"
_PLACEHOLDER_JSON = b'"\\u0000"'

_PAGE_VIEW = ("performer_pageview_id", "performer_can_probably_edit_page")
_ACCOUNT = (
    "performer_is_logged_in", "performer_is_temp", "performer_id", "performer_name", "performer_groups",
    "performer_is_bot", "performer_language", "performer_edit_count", "performer_edit_count_bucket",
    "performer_registration_dt",
)  # fmt: skip


class Renderer:
    """Renders the events of one experiment, instrument and wiki.

    Requested attributes that a wiki without Wikibase and language variants does not have are left out, as the client
    does.

    Args:
        generation: decides the schema and the form of the experiment.
        stream: the client's stream config, with the requested attributes.
        instrument: name of the instrument.
        element: friendly name of the instrumented element.
        wiki: the wiki.

    Attributes:
        start, middle: JSON before and after the funnel's token, of an impression and of a click.
        meta: JSON between `dt` (without its zone) and the event's id, which `"}}` follows.
        account_fields: values of an account's template, in order; names are JSON already.
        session_template: template of a session, up to a page view's id, and the indexes of its tokens (0 for the
            session's id, 1 for the browsing token).
        has_page_view_id: whether the page view's id is requested.
    """

    def __init__(self, generation: Generation, stream: StreamConfig, instrument: str, element: str, wiki: Wiki) -> None:
        self._requested = frozenset(stream.provide_values)
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
        # Three groups of members form `performer`: an opening, then commas between groups that are not empty.
        groups = (self._requested & set(_ACCOUNT), self._requested & set(_SESSION), self._requested & set(_PAGE_VIEW))
        self._any_performer = any(groups)
        self.account_fields = tuple(name for name in _ACCOUNT if name in _ACCOUNT_FORMATS and name in self._requested)
        self.has_page_view_id = _PAGE_VIEW[0] in self._requested
        view_comma = b"," if (groups[0] or groups[1]) and groups[2] else b""
        before, self._view_tails = self._page_view_template(view_comma)
        session = self._members("performer", dict.fromkeys(_SESSION, _PLACEHOLDER)).replace(b"%", b"%%")
        session_comma = b"," if groups[0] and groups[1] else b""
        self.session_template = (
            session_comma + session.replace(_PLACEHOLDER_JSON, b'"%b"') + before.replace(b"%", b"%%"),
            tuple(index for index, name in enumerate(_SESSION) if name in self._requested),
        )

    def page(self, page: Page) -> bytes:
        """Return the JSON of *page*."""
        return self._object("page", {name: read(page, self._wiki) for name, read in _PAGE.items()})

    def persona(self, persona: Persona) -> tuple[bytes, bytes]:
        """Return the JSON of the skin, and of the agent and the sample, up to the value of `dt`."""
        skin = self._object("mediawiki", {name: read(persona, self._wiki) for name, read in _MEDIAWIKI.items()})
        agent = {"client_platform": "mediawiki_js", "client_platform_family": persona.platform}
        close = b"}," if self._any_performer else b""
        return skin, close + b'"agent":%b,%b"dt":"' % (_json(agent), self._sample)

    def account_template(self, persona: Persona, language: str, edit_count: int) -> bytes:
        """Return the template of an account, with formats for the `account_fields`.

        Args:
            persona: persona of the account.
            language: language of the interface.
            edit_count: any number in the account's edit bucket.
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
        parts = self._members("performer", {name: values.get(name, _PLACEHOLDER) for name in _ACCOUNT}).split(
            _PLACEHOLDER_JSON
        )
        template = parts[0].replace(b"%", b"%%")
        for name, part in zip(self.account_fields, parts[1:], strict=True):
            template += _ACCOUNT_FORMATS[name] + part.replace(b"%", b"%%")
        return b'"performer":{' + template

    def page_view(self, page: Page) -> bytes:
        """Return the JSON of a view of *page* after the page view's id."""
        return self._view_tails[not page.is_special]

    def _page_view_template(self, comma: bytes) -> tuple[bytes, tuple[bytes, bytes]]:
        """Return the JSON before a page view's id, and the JSON after it for protected and editable pages."""
        tails = []
        before = b""
        for editable in (False, True):
            members = comma + self._members("performer", dict(zip(_PAGE_VIEW, (_PLACEHOLDER, editable), strict=True)))
            opening, separator, rest = members.partition(_PLACEHOLDER_JSON)
            before = opening + b'"' if separator else b""
            tails.append(b'"' + rest if separator else members)
        return before, (tails[0], tails[1])

    def _object(self, name: str, values: Mapping[str, object]) -> bytes:
        members = self._members(name, values)
        return b'"%b":{%b},' % (name.encode(), members) if members else b""

    def _members(self, prefix: str, values: Mapping[str, object]) -> bytes:
        kept = {
            ("namespace_id" if name == "page_namespace" else name.removeprefix(f"{prefix}_")): value
            for name, value in values.items()
            if name in self._requested and value is not None
        }
        return _json(kept)[1:-1]


def experiment_alpha(name: str, assigned: Mapping[str, str]) -> bytes:
    """Return the JSON of an alpha event's experiment; *assigned* has only the features in the sample."""
    return b'"experiments":%b,' % _json({"enrolled": [name], "assigned": dict(assigned)})


def experiment_xlab(name: str, group: str, subject_id: str) -> bytes:
    """Return the JSON of an xlab event's experiment and subject."""
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
    """Return the JSON between the funnel's token and the experiment."""
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
