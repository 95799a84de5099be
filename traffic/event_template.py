"""The events that a page's JavaScript would send, built from the page's configuration (contract: wiki.md)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from contracts.configs import UNSAMPLED
from contracts.generation import Generation
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
    """The constant parts of an instrument's events.

    Attributes:
        name: the instrument's name.
        element: the element's friendly name.
        experiment: the experiment whose participants send events.
        generation: the platform's generation.
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
    """Return an event for each of *actions*, as the page's JavaScript would send them; none if not enrolled.

    Args:
        instrument: the instrument.
        stream: its stream's config.
        page: the page's configuration for its JavaScript (`RLCONF`).
        tokens: the client's tokens.
        actions: the actions, in order.
        now_ms: time of the events, milliseconds since 1970.
    """
    experiment = experiment_fields(page, instrument)
    if experiment is None:
        return []
    dt = datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    profile = profile_of(instrument.generation)
    shared = {**experiment, **_attributes(stream.provide_values, page, tokens)}
    if profile.has("sample") and stream.sample_rate is not None and stream.sample_unit is not None:
        shared["sample"] = {"rate": js_number(stream.sample_rate), "unit": stream.sample_unit}
    shared |= {"dt": dt, "meta": {"stream": stream.stream, "domain": instrument.domain}}
    events = []
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
        events.append(orjson.dumps({name: value for name, value in event.items() if profile.has(name)}))
    return events


def experiment_fields(page: Config, instrument: EventTemplate) -> dict[str, object] | None:
    """Return the events' experiment fields; None if the user is not enrolled, or only by override."""
    enrolments = page.get("wgMetricsPlatformUserExperiments")
    if not isinstance(enrolments, Mapping) or instrument.experiment not in _list(enrolments.get("enrolled")):
        return None
    assigned = _object(enrolments.get("assigned"))
    if instrument.generation is Generation.ALPHA:
        sampled = {feature: group for feature, group in assigned.items() if group != UNSAMPLED}
        return {"experiments": {"enrolled": enrolments["enrolled"], "assigned": sampled}}
    name = instrument.experiment
    if is_overridden(enrolments, name):
        return None
    # If the page names no coordinator, the client adds it.
    coordinator = _object(enrolments.get("coordinator")).get(name) or profile_of(instrument.generation).coordinator
    return {
        "experiment": {
            "enrolled": name,
            "assigned": assigned.get(name),
            "subject_id": _object(enrolments.get("subject_ids")).get(name),
            "sampling_unit": _object(enrolments.get("sampling_units")).get(name),
            "coordinator": coordinator,
        }
    }


def _groups(page: Config) -> list[object]:
    return _list(page.get("wgUserGroups"))


def _registration_dt(page: Config) -> str | None:
    registered_ms = page.get("wgUserRegistration")
    if not isinstance(registered_ms, int):
        return None
    return datetime.fromtimestamp(registered_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _config_value(name: str) -> Callable[[Config, Tokens], object]:
    return lambda page, _: page.get(name)


#: By name of the contextual attribute: its object and field in the event, and the function that reads it.
_ATTRIBUTES: Mapping[str, tuple[str, str, Callable[[Config, Tokens], object]]] = {
    "page_id": ("page", "id", _config_value("wgArticleId")),
    "page_title": ("page", "title", _config_value("wgTitle")),
    "page_namespace": ("page", "namespace_id", _config_value("wgNamespaceNumber")),
    "page_namespace_id": ("page", "namespace_id", _config_value("wgNamespaceNumber")),
    "page_namespace_name": ("page", "namespace_name", _config_value("wgCanonicalNamespace")),
    "page_revision_id": ("page", "revision_id", _config_value("wgRevisionId")),
    "page_wikidata_qid": ("page", "wikidata_qid", _config_value("wgWikibaseItemId")),
    "page_content_language": ("page", "content_language", _config_value("wgPageContentLanguage")),
    "page_is_redirect": ("page", "is_redirect", _config_value("wgIsRedirect")),
    "page_user_groups_allowed_to_move": ("page", "user_groups_allowed_to_move", _config_value("wgRestrictionMove")),
    "page_user_groups_allowed_to_edit": ("page", "user_groups_allowed_to_edit", _config_value("wgRestrictionEdit")),
    "mediawiki_skin": ("mediawiki", "skin", _config_value("skin")),
    "mediawiki_version": ("mediawiki", "version", _config_value("wgVersion")),
    "mediawiki_database": ("mediawiki", "database", _config_value("wgDBname")),
    "mediawiki_site_content_language": ("mediawiki", "site_content_language", _config_value("wgContentLanguage")),
    "performer_is_logged_in": ("performer", "is_logged_in", lambda page, _: page.get("wgUserName") is not None),
    "performer_is_temp": ("performer", "is_temp", lambda page, _: bool(page.get("wgUserIsTemp"))),
    "performer_id": ("performer", "id", _config_value("wgUserId")),
    "performer_name": ("performer", "name", _config_value("wgUserName")),
    "performer_session_id": ("performer", "session_id", lambda _, tokens: tokens.session),
    "performer_active_browsing_session_token": (
        "performer", "active_browsing_session_token", lambda _, tokens: tokens.browsing,
    ),
    "performer_pageview_id": ("performer", "pageview_id", lambda _, tokens: tokens.pageview),
    "performer_groups": ("performer", "groups", lambda page, _: _groups(page)),
    "performer_is_bot": ("performer", "is_bot", lambda page, _: "bot" in _groups(page)),
    "performer_language": ("performer", "language", _config_value("wgUserLanguage")),
    "performer_language_variant": ("performer", "language_variant", _config_value("wgUserVariant")),
    "performer_can_probably_edit_page": ("performer", "can_probably_edit_page", _config_value("wgIsProbablyEditable")),
    "performer_edit_count": ("performer", "edit_count", _config_value("wgUserEditCount")),
    "performer_edit_count_bucket": (
        "performer", "edit_count_bucket", lambda page, _: edit_count_bucket(int(str(page.get("wgUserEditCount", 0)))),
    ),
    "performer_registration_dt": ("performer", "registration_dt", lambda page, _: _registration_dt(page)),
}  # fmt: skip


def _attributes(names: Sequence[str], page: Config, tokens: Tokens) -> dict[str, object]:
    attributes: dict[str, dict[str, object]] = {}
    for name in names:
        if name in _ATTRIBUTES:
            part, key, read = _ATTRIBUTES[name]
            value = read(page, tokens)
            if value is not None:
                attributes.setdefault(part, {})[key] = value
    agent = {"client_platform": "mediawiki_js", "client_platform_family": "desktop_browser"}
    return {**attributes, "agent": agent}


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
