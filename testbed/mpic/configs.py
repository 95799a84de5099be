"""Configs, and the validation that turns a draft from form or API into a config."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from contracts.generation import Generation
from testbed.mpic.experiment_form import Draft, Problems
from testbed.mpic.fields import FEATURE, GROUP, WIKI, Field, Kind, Widget, date_names, fields

#: Slugs that would collide with the UI's own addresses.
_RESERVED_SLUGS = frozenset({"new"})
#: The wiki's name for the group of users outside the sample (contract: bucketing.md).
_UNSAMPLED = "unsampled"
_MAX_GROUP = 64
#: Smallest accepted rate above 0. Hashes have 24 bits (contract: bucketing.md): below 6e-8 nobody is in the sample.
_SMALLEST_RATE = Decimal("1e-9")
#: Most characters of a rate: enough for any double from there on, written out.
_LONGEST_RATE = 40


class InvalidDraftError(Exception):
    """A draft that is not valid.

    Attributes:
        problems: error message of each invalid field.
    """

    def __init__(self, problems: Problems) -> None:
        super().__init__(", ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Config:
    """A valid config.

    Attributes:
        kind, generation: kind and generation of the config; the generation of an instrument is None.
        slug: the name that machines use.
        status: whether the config is switched on.
        authority: the system that enrols, `mediawiki` or `varnish`; None except for xlab.
        content: the other fields, with the API's names and types.
    """

    kind: Kind
    generation: Generation | None
    slug: str
    status: bool
    authority: str | None
    content: Mapping[str, object]

    def switched(self, status: bool) -> "Config":
        """Return a copy that is switched on or off."""
        return replace(self, status=status)

    def to_json(self) -> dict[str, object]:
        """Return all fields except the kind, in the stored format, which `read_json` also reads."""
        authority = {} if self.authority is None else {"authority": self.authority}
        return {"slug": self.slug, **self.content, **authority, "status": int(self.status)}

    @classmethod
    def from_json(cls, kind: Kind, stored: Mapping[str, object]) -> "Config":
        """Return the config that `to_json` wrote."""
        generation = None
        if kind is Kind.EXPERIMENT:
            generation = Generation.XLAB if "groups" in stored else Generation.ALPHA
        authority = stored.get("authority")
        content = {name: value for name, value in stored.items() if name not in ("slug", "authority", "status")}
        return cls(
            kind,
            generation,
            str(stored["slug"]),
            stored["status"] == 1,
            str(authority) if authority else None,
            content,
        )


def validate(draft: Draft, unreadable: Mapping[str, str] | None = None) -> Config:
    """Return the config that *draft* describes.

    Args:
        draft: the user's input.
        unreadable: problems from reading the draft; they take precedence over problems of the same field here.

    Raises:
        InvalidDraftError: fields are invalid; it lists all of them.
    """
    if unreadable and "body" in unreadable:
        raise InvalidDraftError(dict(unreadable))
    problems: Problems = {}
    for item in fields(draft.kind, draft.generation):
        _check(item, draft, problems)
    start, end = (_moment(name, draft, problems) for name in ("start", "end"))
    if start and end and end <= start:
        problems["end"] = "The end must be after the start."
    rates = _sample_rate(draft, problems)
    groups = _groups(draft, problems)
    problems |= unreadable or {}
    if problems:
        raise InvalidDraftError(problems)
    names = date_names(draft.generation)
    # Sets are unordered; the form's order makes writes through form and API equal.
    wanted = (item for item in fields(draft.kind, draft.generation) if item.name in draft.lists)
    chosen = {item.name: [word for word in item.choices if word in draft.lists[item.name]] for item in wanted}
    return Config(
        kind=draft.kind,
        generation=draft.generation,
        slug=draft.texts["slug"],
        status=draft.status,
        authority=draft.texts.get("authority"),
        content={
            **{name: text for name, text in draft.texts.items() if name not in ("slug", "authority", "start", "end")},
            names[0]: _iso(start),
            names[1]: _iso(end),
            # SET columns of MariaDB, which the API serves as one text.
            "compliance_requirements": ",".join(chosen["compliance_requirements"]),
            "environments": ",".join(chosen["environments"]),
            "contextual_attributes": chosen["contextual_attributes"],
            "sample_rate": rates,
            **groups,
        },
    )


def parse_moment(text: str) -> datetime | None:
    """Return the time *text* (ISO 8601, by default in UTC) as a UTC datetime, or None when it is invalid."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def iso(moment: datetime) -> str:
    """Return *moment* (in UTC) in the API's format: ISO 8601 with milliseconds and a Z."""
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _iso(moment: datetime | None) -> str | None:
    return iso(moment) if moment else None


def _check(item: Field, draft: Draft, problems: Problems) -> None:
    if item.widget in (Widget.CHECKS, Widget.ATTRIBUTES):
        unknown = [choice for choice in draft.lists[item.name] if choice not in item.choices]
        if unknown:
            problems[item.name] = f"{', '.join(unknown)}: not a valid choice."
        return
    text = draft.texts.get(item.name)
    problem = None if text is None else _check_text(item, text)
    if problem:
        problems[item.name] = problem


def _check_text(item: Field, text: str) -> str | None:
    if not text:
        return f"{item.label} is missing." if item.required else None
    if len(text) > item.max_length:
        return f"{item.label} has {len(text)} characters; the maximum is {item.max_length}."
    lines = text.replace("\n", "") if item.widget is Widget.LONG_TEXT else text
    if not lines.isprintable():
        return f"{item.label} has invisible characters."
    if item.widget is Widget.SELECT and text not in item.choices:
        return f"Choose one of {', '.join(item.choices)}."
    if item.pattern and not item.pattern.fullmatch(text):
        return item.pattern_error
    if item.name == "slug" and text in _RESERVED_SLUGS:
        return f"“{text}” is reserved for a page of this tool."
    return None


def _moment(name: str, draft: Draft, problems: Problems) -> datetime | None:
    text = draft.texts.get(name, "")
    if not text:
        if draft.generation is Generation.XLAB:
            problems[name] = f"The {name} is missing: without it the wiki drops every xlab experiment."
        return None
    moment = parse_moment(text)
    if moment is None:
        problems[name] = "Enter a date and a time, such as 2025-01-27T14:30."
    return moment


def _sample_rate(draft: Draft, problems: Problems) -> dict[str, object]:
    default = _rate(draft.default_rate)
    if default is None:
        problems["default_rate"] = "Enter a number from 0 to 1."
    # MPIC is written in JavaScript, which serves 1.0 as 1. The wiki treats 0 and 0.0 differently.
    served: dict[str, object] = {"default": _served(default)}
    earlier_wikis: set[str] = set()
    for i, row in enumerate(draft.wiki_rates):
        rate = _rate(row.rate)
        if rate is None:
            problems[f"wiki_rates.{i}.rate"] = "Enter a number from 0 to 1."
            continue
        key = _decimal_text(rate)
        if key in served:
            problems[f"wiki_rates.{i}.rate"] = f"There is already a row for {key}; add the wikis there."
        _check_wikis(f"wiki_rates.{i}.wikis", row.wikis, earlier_wikis, problems)
        served[key] = list(row.wikis)
    return served


def _check_wikis(name: str, wikis: tuple[str, ...], earlier_wikis: set[str], problems: Problems) -> None:
    invalid = [wiki for wiki in wikis if not WIKI.fullmatch(wiki)]
    repeated = sorted(earlier_wikis.intersection(wikis) | _repeated(wikis))
    earlier_wikis.update(wikis)
    if not wikis:
        problems[name] = "Name at least one wiki."
    elif invalid:
        problems[name] = f"{', '.join(invalid)}: not a wiki's database name, such as frwiki."
    elif repeated:
        problems[name] = f"{', '.join(repeated)}: named twice; only the first row would count."


def _rate(text: str) -> Decimal | None:
    """Return *text* as a rate, or None when it is invalid; Decimal also accepts "nan", "1_0" and "1e-999"."""
    try:
        rate = Decimal(text)
    except InvalidOperation:
        return None
    if not text.isascii() or "_" in text or len(text) > _LONGEST_RATE or not rate.is_finite():
        return None
    return rate if rate == 0 or _SMALLEST_RATE <= rate <= 1 else None


def _served(rate: Decimal | None) -> float | None:
    return None if rate is None else int(rate) if rate == int(rate) else float(rate)


def _decimal_text(rate: Decimal) -> str:
    return format(rate.normalize(), "f") if rate else "0"


def _groups(draft: Draft, problems: Problems) -> dict[str, object]:
    if draft.kind is Kind.INSTRUMENT:
        return {}
    if draft.generation is Generation.XLAB:
        _check_groups("groups", draft.groups, problems)
        return {"groups": list(draft.groups)}
    if not draft.features:
        problems["features"] = "Add a feature: without one the wiki enrols nobody."
    names = [feature.name for feature in draft.features]
    for i, feature in enumerate(draft.features):
        field = f"features.{i}"
        if not FEATURE.fullmatch(feature.name) or len(feature.name) > 100:
            problems[f"{field}.name"] = "Use at most 100 letters, digits, hyphens, dots and underscores."
        elif feature.name in names[:i]:
            problems[f"{field}.name"] = f"There is already a feature {feature.name}."
        _check_groups(f"{field}.values", feature.values, problems)
        if feature.values and feature.control not in feature.values:
            problems[f"{field}.control"] = "The control must be one of the groups."
    return {"features": {item.name: {"control": item.control, "values": list(item.values)} for item in draft.features}}


def _check_groups(name: str, groups: tuple[str, ...], problems: Problems) -> None:
    invalid = [group for group in groups if not GROUP.fullmatch(group) or len(group) > _MAX_GROUP]
    if not groups:
        problems[name] = "Name at least one group."
    elif invalid:
        problems[name] = (
            f"{', '.join(filter(None, invalid)) or 'An empty group'}: use at most {_MAX_GROUP} letters, "
            "digits, spaces, hyphens, dots and underscores, and start with a letter or digit."
        )
    elif _repeated(groups):
        problems[name] = f"{', '.join(sorted(_repeated(groups)))}: named twice."
    elif _UNSAMPLED in groups:
        problems[name] = f"“{_UNSAMPLED}” is the wiki's name for users outside the sample; choose another name."


def _repeated(words: Iterable[str]) -> set[str]:
    return {word for word, times in Counter(words).items() if times > 1}
