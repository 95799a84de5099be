"""Parse MPIC's responses into immutable values; errors name the first invalid field."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, NamedTuple, NoReturn, TypeVar

from common.errors import DogfoodError
from contracts.generation import Generation

#: Attributes that an instrument may request (contract: mpic-api.md). `page_namespace` is alpha's name of
#: `page_namespace_id`; `agent_ua_string` is newer than the others.
CONTEXTUAL_ATTRIBUTES = (
    "page_id",
    "page_title",
    "page_namespace_id",
    "page_namespace",
    "page_namespace_name",
    "page_revision_id",
    "page_wikidata_qid",
    "page_content_language",
    "page_is_redirect",
    "page_user_groups_allowed_to_move",
    "page_user_groups_allowed_to_edit",
    "mediawiki_skin",
    "mediawiki_version",
    "mediawiki_database",
    "mediawiki_site_content_language",
    "mediawiki_site_content_language_variant",
    "performer_active_browsing_session_token",
    "performer_is_logged_in",
    "performer_is_temp",
    "performer_id",
    "performer_name",
    "performer_session_id",
    "performer_pageview_id",
    "performer_groups",
    "performer_is_bot",
    "performer_language",
    "performer_language_variant",
    "performer_can_probably_edit_page",
    "performer_edit_count",
    "performer_edit_count_bucket",
    "performer_registration_dt",
    "agent_ua_string",
)

#: The alpha extension's value, in place of the group, for a user outside the sample.
UNSAMPLED = "unsampled"

# float() also parses underscores, spaces, nan and inf, which no rate may have.
_RATE = re.compile(r"[0-9]+(\.[0-9]+)?(e-?[0-9]+)?")
_LONGEST = 60

Config = TypeVar("Config")


class ConfigError(DogfoodError):
    """An invalid config.

    Attributes:
        field: path of the invalid field, such as `experiments[0].sample_rate.default`.
    """

    page = "docs/guide/troubleshooting.md"

    def __init__(self, field: str, why: str) -> None:
        # Field names are part of the config; a line break in one must not split the message.
        super().__init__(" ".join(f"{field}: {why}".split()))
        self.field = field


@dataclass(frozen=True, slots=True)
class SampleRate:
    """The share of users in the sample: a default, and other rates for some wikis (the first entry wins)."""

    default: float
    wikis: tuple[tuple[float, tuple[str, ...]], ...] = ()

    def of(self, wiki: str) -> float:
        """Return the rate of the wiki whose database is *wiki*."""
        return next((rate for rate, names in self.wikis if wiki in names), self.default)


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature that differs between groups. An `xlab` experiment has exactly one, named like the experiment."""

    name: str
    control: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment, of either generation.

    Attributes:
        name: name that is hashed: the slug in `alpha`, the name in `xlab`.
        title: name for people.
        features: at least one; each with at least one group.
        start, end: UTC; None when the config has none.
    """

    generation: Generation
    name: str
    title: str
    features: tuple[Feature, ...]
    sample_rate: SampleRate
    sample_unit: str
    status: bool
    start: datetime | None
    end: datetime | None
    stream_name: str
    contextual_attributes: tuple[str, ...]

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of the first feature."""
        return self.features[0].groups

    def is_active(self, now: datetime) -> bool:
        """Return whether the wiki enrols users at *now*: alpha looks at the status only, xlab at the dates only."""
        if self.generation is Generation.ALPHA:
            return self.status
        return self.start is not None and self.end is not None and self.start <= now <= self.end


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument: its stream, sample rate and requested attributes."""

    name: str
    title: str
    sample_rate: SampleRate
    sample_unit: str
    status: bool
    stream_name: str
    contextual_attributes: tuple[str, ...]


def parse_experiments(generation: Generation, payload: object) -> tuple[Experiment, ...]:
    """Return the experiments of a response of MPIC. Raises ConfigError naming the first invalid field."""
    return tuple(
        parse_experiment(generation, item, f"experiments[{i}]") for i, item in enumerate(_list(payload, "experiments"))
    )


def parse_instruments(payload: object) -> tuple[Instrument, ...]:
    """Return the instruments of a response of MPIC. Raises ConfigError naming the first invalid field."""
    return tuple(parse_instrument(item, f"instruments[{i}]") for i, item in enumerate(_list(payload, "instruments")))


class ReadConfigs(NamedTuple, Generic[Config]):
    """The valid configs, and the faults of the others."""

    configs: tuple[Config, ...]
    faults: tuple[ConfigError, ...]


def read_experiments(generation: Generation, payload: Iterable[object]) -> ReadConfigs[Experiment]:
    """Return the valid experiments of a response of MPIC, and the faults of the others."""
    return _read(lambda item, where: parse_experiment(generation, item, where), payload, "experiments")


def read_instruments(payload: Iterable[object]) -> ReadConfigs[Instrument]:
    """Return the valid instruments of a response of MPIC, and the faults of the others."""
    return _read(parse_instrument, payload, "instruments")


def _read(parse: Callable[[object, str], Config], payload: Iterable[object], where: str) -> ReadConfigs[Config]:
    configs: list[Config] = []
    faults: list[ConfigError] = []
    for number, item in enumerate(payload):
        try:
            configs.append(parse(item, f"{where}[{number}]"))
        except ConfigError as error:
            faults.append(error)
    return ReadConfigs(tuple(configs), tuple(faults))


def parse_experiment(generation: Generation, payload: object, where: str = "experiment") -> Experiment:
    """Return one experiment.

    Args:
        generation: decides the shape of *payload*.
        payload: the decoded JSON object.
        where: name of the config in errors.

    Raises:
        ConfigError: a field is missing, of the wrong type, out of range, or of another generation's shape.
    """
    config = _Config(payload, where)
    alpha = generation is Generation.ALPHA
    name = config.text("slug" if alpha else "name")
    features = _alpha_features(config) if alpha else (_xlab_feature(config, name),)
    start_field, end_field = ("utc_start_dt", "utc_end_dt") if alpha else ("start", "end")
    start = config.date(start_field, required=not alpha)
    end = config.date(end_field, required=not alpha)
    if start is not None and end is not None and end < start:
        config.fail(end_field, f"is before {start_field}")
    return Experiment(
        generation=generation,
        name=name,
        title=config.text("name"),
        features=features,
        sample_rate=_sample_rate(config),
        sample_unit=config.text("sample_unit", "user"),
        status=config.status(),
        start=start,
        end=end,
        stream_name=config.text("stream_name", ""),
        contextual_attributes=config.texts("contextual_attributes"),
    )


def parse_instrument(payload: object, where: str = "instrument") -> Instrument:
    """Return one instrument; arguments and errors as of `parse_experiment`."""
    config = _Config(payload, where)
    attributes = config.texts("contextual_attributes")
    for attribute in attributes:
        if attribute not in CONTEXTUAL_ATTRIBUTES:
            config.fail("contextual_attributes", f"{_shown(attribute)} is not a contextual attribute")
    return Instrument(
        name=config.text("slug"),
        title=config.text("name"),
        sample_rate=_sample_rate(config),
        sample_unit=config.text("sample_unit"),
        status=config.status(),
        stream_name=config.text("stream_name"),
        contextual_attributes=attributes,
    )


class _Config:
    """One config object; every method raises an error that names the invalid field."""

    def __init__(self, payload: object, where: str) -> None:
        if not isinstance(payload, Mapping):
            raise ConfigError(where, f"has to be an object, not {_kind(payload)}")
        self._payload = payload
        self._where = where

    def fail(self, field: str, why: str) -> NoReturn:
        raise ConfigError(f"{self._where}.{field}", why)

    def value(self, field: str) -> object:
        if field not in self._payload:
            self.fail(field, "is missing")
        value: object = self._payload[field]
        return value

    def has(self, field: str) -> bool:
        return field in self._payload

    def text(self, field: str, default: str | None = None) -> str:
        if default is not None and not self.has(field):
            return default
        value = self.value(field)
        if not isinstance(value, str) or (default is None and not value):
            self.fail(field, f"has to be a text, not {_kind(value)}")
        return value

    def texts(self, field: str) -> tuple[str, ...]:
        value = self._payload.get(field, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.fail(field, "has to be a list of texts")
        return tuple(value)

    def status(self) -> bool:
        value = self._payload.get("status", 0)
        if value not in (0, 1):
            self.fail("status", f"has to be 0 or 1, not {_shown(value)}")
        return bool(value)

    def date(self, field: str, *, required: bool) -> datetime | None:
        value = self.value(field) if required else self._payload.get(field)
        if value is None and not required:
            return None
        try:
            date = datetime.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            date = None
        if date is None:
            self.fail(field, f"{_shown(value)} is not a date (ISO 8601)")
        return date if date.tzinfo else date.replace(tzinfo=UTC)

    def table(self, field: str) -> Mapping[str, object]:
        value = self.value(field)
        if not isinstance(value, Mapping):
            self.fail(field, f"has to be an object, not {_kind(value)}")
        return value


def _alpha_features(config: _Config) -> tuple[Feature, ...]:
    if not config.has("features"):
        other = next((name for name in ("groups", "variants") if config.has(name)), None)
        hint = f"; {other!r} is another generation's shape" if other else ""
        config.fail("features", f"is missing, so nobody is enrolled{hint}")
    table = config.table("features")
    if not table:
        config.fail("features", "is empty, so nobody is enrolled")
    return tuple(_alpha_feature(config, name, content) for name, content in table.items())


def _alpha_feature(config: _Config, name: str, content: object) -> Feature:
    field = f"features.{name}"
    if not isinstance(content, Mapping) or not isinstance(content.get("values"), list):
        config.fail(f"{field}.values", "has to be a list")
    values = tuple(_cast(config, f"{field}.values", value) for value in content["values"])
    _check_groups(config, f"{field}.values", values)
    if UNSAMPLED in values:
        config.fail(f"{field}.values", f"has a group {UNSAMPLED!r}, the wiki's word for users outside the sample")
    control = _cast(config, f"{field}.control", content.get("control", values[0]))
    if control not in values:
        config.fail(f"{field}.control", f"{_shown(control)} is not among the values")
    return Feature(name, control, values)


def _xlab_feature(config: _Config, name: str) -> Feature:
    if not config.has("groups") and config.has("features"):
        config.fail("groups", "is missing; 'features' is another generation's shape")
    groups = config.value("groups")
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        config.fail("groups", "has to be a list of texts")
    _check_groups(config, "groups", tuple(groups))
    return Feature(name, groups[0], tuple(groups))


def _check_groups(config: _Config, field: str, groups: tuple[str, ...]) -> None:
    if not groups:
        config.fail(field, "is empty: an experiment without groups enrols users that cannot be counted")
    if "" in groups:
        config.fail(field, "has an empty group, which the event schema rejects")
    if len(set(groups)) < len(groups):
        config.fail(field, "names a group twice")


def _cast(config: _Config, field: str, value: object) -> str:
    """Return *value* cast as the extension does: true → "true", 3 → "3"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    return config.fail(field, f"has to hold texts, booleans or whole numbers, not {_kind(value)}")


def _sample_rate(config: _Config) -> SampleRate:
    table = config.table("sample_rate")
    if "default" not in table:
        config.fail("sample_rate.default", "is missing")
    default = table["default"]
    if isinstance(default, bool) or not isinstance(default, int | float) or not 0 <= default <= 1:
        config.fail("sample_rate.default", f"{_shown(default)} is not a number between 0 and 1")
    wikis = tuple(_wiki_rate(config, key, names) for key, names in table.items() if key != "default")
    return SampleRate(float(default), wikis)


def _wiki_rate(config: _Config, key: str, names: object) -> tuple[float, tuple[str, ...]]:
    field = f"sample_rate.{key}"
    rate = float(key) if _RATE.fullmatch(key) else math.nan
    if not 0 <= rate <= 1:
        config.fail(field, f"the key {_shown(key)} is not a number between 0 and 1")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        config.fail(field, "has to be a list of wikis' database names")
    return rate, tuple(names)


def _list(payload: object, where: str) -> list[object]:
    if not isinstance(payload, list):
        raise ConfigError(where, f"MPIC has to return a bare array, not {_kind(payload)}")
    return payload


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _kind(value: object) -> str:
    names = {type(None): "null", bool: "a boolean", str: "a text", list: "an array", dict: "an object"}
    return names.get(type(value), "a number") if value != "" else "an empty text"
