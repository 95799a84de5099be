"""MPIC's answers as immutable values, or an error that names the field that makes no sense."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, NamedTuple, NoReturn, TypeVar

from common.errors import DogfoodError
from contracts.assignment import Generation

#: What an instrument may ask for (contract: mpic-api.md). `page_namespace` is alpha's name of `page_namespace_id`;
#: `agent_ua_string` came later.
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

#: What the alpha extension writes for a user outside the sample, where the group would be.
UNSAMPLED = "unsampled"

# float() takes more than a rate may look like: underscores, spaces, nan, inf.
_RATE = re.compile(r"[0-9]+(\.[0-9]+)?(e-?[0-9]+)?")
_LONGEST = 60

Config = TypeVar("Config")


class ConfigError(DogfoodError):
    """A config that makes no sense.

    Attributes:
        field: where, such as `experiments[0].sample_rate.default`.
    """

    page = "docs/guide/troubleshooting.md"

    def __init__(self, field: str, what: str) -> None:
        # Field names are part of the config: one with a line break must not make two lines.
        super().__init__(" ".join(f"{field}: {what}".split()))
        self.field = field


@dataclass(frozen=True, slots=True)
class SampleRate:
    """How much of the traffic takes part: a default, and other rates for some wikis (first entry wins)."""

    default: float
    wikis: tuple[tuple[float, tuple[str, ...]], ...] = ()

    def of(self, wiki: str) -> float:
        """Return the rate of the wiki whose database is *wiki*."""
        return next((rate for rate, names in self.wikis if wiki in names), self.default)


@dataclass(frozen=True, slots=True)
class Feature:
    """What differs between groups. In `xlab` an experiment has exactly one, named like the experiment."""

    name: str
    control: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment, of either generation.

    Attributes:
        name: what is hashed: the slug in `alpha`, the name in `xlab`.
        title: what people call it.
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
    """One instrument: which stream it writes to, how much of it, and which attributes it asks for."""

    name: str
    title: str
    sample_rate: SampleRate
    sample_unit: str
    status: bool
    stream_name: str
    contextual_attributes: tuple[str, ...]


def parse_experiments(generation: Generation, payload: object) -> tuple[Experiment, ...]:
    """Return the experiments of an answer of MPIC. Raises ConfigError naming the first field that is wrong."""
    return tuple(
        parse_experiment(generation, item, f"experiments[{i}]") for i, item in enumerate(_list(payload, "experiments"))
    )


def parse_instruments(payload: object) -> tuple[Instrument, ...]:
    """Return the instruments of an answer of MPIC. Raises ConfigError naming the first field that is wrong."""
    return tuple(parse_instrument(item, f"instruments[{i}]") for i, item in enumerate(_list(payload, "instruments")))


class ReadConfigs(NamedTuple, Generic[Config]):
    """Configs that can be read, and why the others cannot."""

    configs: tuple[Config, ...]
    faults: tuple[ConfigError, ...]


def read_experiments(generation: Generation, payload: Iterable[object]) -> ReadConfigs[Experiment]:
    """Return the experiments of an answer of MPIC; one that cannot be read does not hide the others."""
    return _read(lambda item, where: parse_experiment(generation, item, where), payload, "experiments")


def read_instruments(payload: Iterable[object]) -> ReadConfigs[Instrument]:
    """Return the instruments of an answer of MPIC; one that cannot be read does not hide the others."""
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
        generation: whose shape *payload* has.
        payload: the decoded JSON object.
        where: what errors call it.

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
        config.wrong(end_field, f"is before {start_field}")
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
            config.wrong("contextual_attributes", f"{_shown(attribute)} is not a contextual attribute")
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
    """One config object; every reader names the field when it is wrong."""

    def __init__(self, payload: object, where: str) -> None:
        if not isinstance(payload, Mapping):
            raise ConfigError(where, f"has to be an object, not {_kind(payload)}")
        self._payload = payload
        self._where = where

    def wrong(self, field: str, what: str) -> NoReturn:
        raise ConfigError(f"{self._where}.{field}", what)

    def value(self, field: str) -> object:
        if field not in self._payload:
            self.wrong(field, "is missing")
        found: object = self._payload[field]
        return found

    def has(self, field: str) -> bool:
        return field in self._payload

    def text(self, field: str, default: str | None = None) -> str:
        if default is not None and not self.has(field):
            return default
        found = self.value(field)
        if not isinstance(found, str) or (default is None and not found):
            self.wrong(field, f"has to be a text, not {_kind(found)}")
        return found

    def texts(self, field: str) -> tuple[str, ...]:
        found = self._payload.get(field, [])
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            self.wrong(field, "has to be a list of texts")
        return tuple(found)

    def status(self) -> bool:
        found = self._payload.get("status", 0)
        if found not in (0, 1):
            self.wrong("status", f"has to be 0 or 1, not {_shown(found)}")
        return bool(found)

    def date(self, field: str, *, required: bool) -> datetime | None:
        found = self.value(field) if required else self._payload.get(field)
        if found is None and not required:
            return None
        try:
            moment = datetime.fromisoformat(found) if isinstance(found, str) else None
        except ValueError:
            moment = None
        if moment is None:
            self.wrong(field, f"{_shown(found)} is not a date (ISO 8601)")
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def table(self, field: str) -> Mapping[str, object]:
        found = self.value(field)
        if not isinstance(found, Mapping):
            self.wrong(field, f"has to be an object, not {_kind(found)}")
        return found


def _alpha_features(config: _Config) -> tuple[Feature, ...]:
    if not config.has("features"):
        other = next((name for name in ("groups", "variants") if config.has(name)), None)
        hint = f"; {other!r} is another generation's shape" if other else ""
        config.wrong("features", f"is missing, so nobody is enrolled{hint}")
    table = config.table("features")
    if not table:
        config.wrong("features", "is empty, so nobody is enrolled")
    return tuple(_alpha_feature(config, name, content) for name, content in table.items())


def _alpha_feature(config: _Config, name: str, content: object) -> Feature:
    field = f"features.{name}"
    if not isinstance(content, Mapping) or not isinstance(content.get("values"), list):
        config.wrong(f"{field}.values", "has to be a list")
    values = tuple(_cast(config, f"{field}.values", value) for value in content["values"])
    _check_groups(config, f"{field}.values", values)
    if UNSAMPLED in values:
        config.wrong(f"{field}.values", f"has a group {UNSAMPLED!r}, the wiki's word for users outside the sample")
    control = _cast(config, f"{field}.control", content.get("control", values[0]))
    if control not in values:
        config.wrong(f"{field}.control", f"{_shown(control)} is not one of the values")
    return Feature(name, control, values)


def _xlab_feature(config: _Config, name: str) -> Feature:
    if not config.has("groups") and config.has("features"):
        config.wrong("groups", "is missing; 'features' is another generation's shape")
    groups = config.value("groups")
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        config.wrong("groups", "has to be a list of texts")
    _check_groups(config, "groups", tuple(groups))
    return Feature(name, groups[0], tuple(groups))


def _check_groups(config: _Config, field: str, groups: tuple[str, ...]) -> None:
    if not groups:
        config.wrong(field, "is empty: an experiment without groups enrols nobody that can be counted")
    if "" in groups:
        config.wrong(field, "has an empty group, which the event schema rejects")
    if len(set(groups)) < len(groups):
        config.wrong(field, "names a group twice")


def _cast(config: _Config, field: str, value: object) -> str:
    """Return *value* as the extension casts it: true → "true", 3 → "3"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    return config.wrong(field, f"has to hold texts, booleans or whole numbers, not {_kind(value)}")


def _sample_rate(config: _Config) -> SampleRate:
    table = config.table("sample_rate")
    if "default" not in table:
        config.wrong("sample_rate.default", "is missing")
    default = table["default"]
    if isinstance(default, bool) or not isinstance(default, int | float) or not 0 <= default <= 1:
        config.wrong("sample_rate.default", f"{_shown(default)} is not a number between 0 and 1")
    wikis = tuple(_wiki_rate(config, key, names) for key, names in table.items() if key != "default")
    return SampleRate(float(default), wikis)


def _wiki_rate(config: _Config, key: str, names: object) -> tuple[float, tuple[str, ...]]:
    field = f"sample_rate.{key}"
    rate = float(key) if _RATE.fullmatch(key) else math.nan
    if not 0 <= rate <= 1:
        config.wrong(field, f"the key {_shown(key)} is not a number between 0 and 1")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        config.wrong(field, "has to be a list of wikis' database names")
    return rate, tuple(names)


def _list(payload: object, where: str) -> list[object]:
    if not isinstance(payload, list):
        raise ConfigError(where, f"MPIC has to answer a bare array, not {_kind(payload)}")
    return payload


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _kind(value: object) -> str:
    names = {type(None): "null", bool: "a boolean", str: "a text", list: "an array", dict: "an object"}
    return names.get(type(value), "a number") if value != "" else "an empty text"
