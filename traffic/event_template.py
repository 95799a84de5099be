"""The events that a page's JavaScript would send, made from what the page told it (contract: wiki.md)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from contracts.assignment import Generation
from contracts.configs import UNSAMPLED
from contracts.profiles import profile_of
from contracts.streams import StreamConfig
from personas.plan.event_templates import edit_count_bucket, js_number
from run_record.page_views import is_overridden

Config = Mapping[str, object]


class Tokens(NamedTuple):
    """The client's tokens, each of 20 hex digits."""

    session: str
    browsing: str
    pageview: str
    funnel: str


class EventTemplate(NamedTuple):
    """The instrument whose events are made.

    Attributes:
        name: of the instrument.
        element: friendly name of the element.
        experiment: whose enrolment decides.
        generation: of the platform.
        domain: the wiki's host name.
    """

    name: str
    element: str
    experiment: str
    generation: Generation
    domain: str


def make_events(
    instrument: EventTemplate, stream: StreamConfig, page: Config, tokens: Tokens, actions: Sequence[str], now_ms: int
) -> list[bytes]:
    """Return an event for each of *actions*, as the page's JavaScript would send them; none when not enrolled.

    Args:
        instrument: that is started.
        stream: its stream's config.
        page: what the page tells its JavaScript (`RLCONF`).
        tokens: of the session, the page view and the funnel.
        actions: in order.
        now_ms: when, milliseconds since 1970.
    """
    said = decoration(page, instrument)
    if said is None:
        return []
    dt = datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    profile = profile_of(instrument.generation)
    shared = {**said, **_attributes(stream.provide_values, page, tokens)}
    if profile.has("sample") and stream.sample_rate is not None and stream.sample_unit is not None:
        shared["sample"] = {"rate": js_number(stream.sample_rate), "unit": stream.sample_unit}
    shared |= {"dt": dt, "meta": {"stream": stream.stream, "domain": instrument.domain}}
    made = []
    for position, action in enumerate(actions, start=1):
        event = {
            "action": action,
            "action_source": profile.constants.get("action_source"),
            "funnel_entry_token": tokens.funnel,
            "element_friendly_name": instrument.element,
            "funnel_event_sequence_position": position,
            "instrument_name": profile.instrument_name(instrument.name),
            "$schema": profile.schema,
            **shared,
        }
        made.append(orjson.dumps({name: value for name, value in event.items() if profile.has(name)}))
    return made


def decoration(page: Config, instrument: EventTemplate) -> dict[str, object] | None:
    """Return what events say of the experiment, or None when the page's user takes no part, or only by override."""
    told = page.get("wgMetricsPlatformUserExperiments")
    if not isinstance(told, Mapping) or instrument.experiment not in _list(told.get("enrolled")):
        return None
    assigned = _object(told.get("assigned"))
    if instrument.generation is Generation.ALPHA:
        sampled = {feature: group for feature, group in assigned.items() if group != UNSAMPLED}
        return {"experiments": {"enrolled": told["enrolled"], "assigned": sampled}}
    name = instrument.experiment
    if is_overridden(told, name):
        return None
    # Where the page names no coordinator, the client does.
    coordinator = _object(told.get("coordinator")).get(name) or profile_of(instrument.generation).coordinator
    return {
        "experiment": {
            "enrolled": name,
            "assigned": assigned.get(name),
            "subject_id": _object(told.get("subject_ids")).get(name),
            "sampling_unit": _object(told.get("sampling_units")).get(name),
            "coordinator": coordinator,
        }
    }


def _groups(page: Config) -> list[object]:
    return _list(page.get("wgUserGroups"))


def _registered(page: Config) -> str | None:
    moment = page.get("wgUserRegistration")
    if not isinstance(moment, int):
        return None
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _told(name: str) -> Callable[[Config, Tokens], object]:
    return lambda page, _: page.get(name)


#: By the name that an instrument asks for: the value's place in the event, and where it comes from.
_ATTRIBUTES: Mapping[str, tuple[str, str, Callable[[Config, Tokens], object]]] = {
    "page_id": ("page", "id", _told("wgArticleId")),
    "page_title": ("page", "title", _told("wgTitle")),
    "page_namespace": ("page", "namespace_id", _told("wgNamespaceNumber")),
    "page_namespace_id": ("page", "namespace_id", _told("wgNamespaceNumber")),
    "page_namespace_name": ("page", "namespace_name", _told("wgCanonicalNamespace")),
    "page_revision_id": ("page", "revision_id", _told("wgRevisionId")),
    "page_wikidata_qid": ("page", "wikidata_qid", _told("wgWikibaseItemId")),
    "page_content_language": ("page", "content_language", _told("wgPageContentLanguage")),
    "page_is_redirect": ("page", "is_redirect", _told("wgIsRedirect")),
    "page_user_groups_allowed_to_move": ("page", "user_groups_allowed_to_move", _told("wgRestrictionMove")),
    "page_user_groups_allowed_to_edit": ("page", "user_groups_allowed_to_edit", _told("wgRestrictionEdit")),
    "mediawiki_skin": ("mediawiki", "skin", _told("skin")),
    "mediawiki_version": ("mediawiki", "version", _told("wgVersion")),
    "mediawiki_database": ("mediawiki", "database", _told("wgDBname")),
    "mediawiki_site_content_language": ("mediawiki", "site_content_language", _told("wgContentLanguage")),
    "performer_is_logged_in": ("performer", "is_logged_in", lambda page, _: page.get("wgUserName") is not None),
    "performer_is_temp": ("performer", "is_temp", lambda page, _: bool(page.get("wgUserIsTemp"))),
    "performer_id": ("performer", "id", _told("wgUserId")),
    "performer_name": ("performer", "name", _told("wgUserName")),
    "performer_session_id": ("performer", "session_id", lambda _, tokens: tokens.session),
    "performer_active_browsing_session_token": (
        "performer", "active_browsing_session_token", lambda _, tokens: tokens.browsing,
    ),
    "performer_pageview_id": ("performer", "pageview_id", lambda _, tokens: tokens.pageview),
    "performer_groups": ("performer", "groups", lambda page, _: _groups(page)),
    "performer_is_bot": ("performer", "is_bot", lambda page, _: "bot" in _groups(page)),
    "performer_language": ("performer", "language", _told("wgUserLanguage")),
    "performer_language_variant": ("performer", "language_variant", _told("wgUserVariant")),
    "performer_can_probably_edit_page": ("performer", "can_probably_edit_page", _told("wgIsProbablyEditable")),
    "performer_edit_count": ("performer", "edit_count", _told("wgUserEditCount")),
    "performer_edit_count_bucket": (
        "performer", "edit_count_bucket", lambda page, _: edit_count_bucket(int(str(page.get("wgUserEditCount", 0)))),
    ),
    "performer_registration_dt": ("performer", "registration_dt", lambda page, _: _registered(page)),
}  # fmt: skip


def _attributes(asked: Sequence[str], page: Config, tokens: Tokens) -> dict[str, object]:
    parts: dict[str, dict[str, object]] = {}
    for name in asked:
        if name in _ATTRIBUTES:
            part, key, read = _ATTRIBUTES[name]
            value = read(page, tokens)
            if value is not None:
                parts.setdefault(part, {})[key] = value
    agent = {"client_platform": "mediawiki_js", "client_platform_family": "desktop_browser"}
    return {**parts, "agent": agent}


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
