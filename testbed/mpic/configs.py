"""Configs that make sense: a draft becomes one when it passes checks, the same for form and API."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from contracts.assignment import Generation
from testbed.mpic.experiment_form import Draft, Problems
from testbed.mpic.fields import FEATURE, GROUP, WIKI, Field, Kind, Widget, date_names, fields

#: Parts of the UI's addresses; a config of that name could not be reached.
_RESERVED_SLUGS = frozenset({"new"})
#: What the wiki calls the group of those who are not in the sample (contract: bucketing.md).
_UNSAMPLED = "unsampled"
_MAX_GROUP = 64
#: Hashes have 24 bits (contract: bucketing.md): below 6e-8 nobody is in the sample.
_SMALLEST_RATE = Decimal("1e-9")
#: Of any double from there on, written out.
_LONGEST_RATE = 40


class InvalidDraftError(Exception):
    """A draft that makes no sense.

    Attributes:
        problems: the draft's field → what is wrong with it.
    """

    def __init__(self, problems: Problems) -> None:
        super().__init__(", ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Config:
    """A config that was found to make sense.

    Attributes:
        kind, generation: what it is of; generation is None for instruments.
        slug: the name that machines use.
        status: whether it is switched on.
        authority: who enrols, `mediawiki` or `varnish`; None but for xlab.
        content: the other fields, named and typed as the API serves them.
    """

    kind: Kind
    generation: Generation | None
    slug: str
    status: bool
    authority: str | None
    content: Mapping[str, object]

    def switched(self, status: bool) -> "Config":
        """Return the same config, switched on or off."""
        return replace(self, status=status)

    def to_json(self) -> dict[str, object]:
        """Return everything but the kind, as it is stored and as a draft can be read from it again."""
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
        draft: what was asked for.
        unreadable: problems met when the draft was read; they win over those found here.

    Raises:
        InvalidDraftError: something is wrong; it names every field at once.
    """
    if unreadable and "body" in unreadable:
        raise InvalidDraftError(dict(unreadable))
    problems: Problems = {}
    for item in fields(draft.kind, draft.generation):
        _check(item, draft, problems)
    start, end = (_moment(name, draft, problems) for name in ("start", "end"))
    if start and end and end <= start:
        problems["end"] = "The end has to be after the start."
    rates = _sample_rate(draft, problems)
    groups = _groups(draft, problems)
    problems |= unreadable or {}
    if problems:
        raise InvalidDraftError(problems)
    names = date_names(draft.generation)
    # Sets have no order of their own; with the form's, putting and saving the same comes out the same.
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
            # Sets of MariaDB, which come out as one text.
            "compliance_requirements": ",".join(chosen["compliance_requirements"]),
            "environments": ",".join(chosen["environments"]),
            "contextual_attributes": chosen["contextual_attributes"],
            "sample_rate": rates,
            **groups,
        },
    )


def parse_moment(text: str) -> datetime | None:
    """Return the moment in UTC that *text* (ISO 8601; UTC unless it says otherwise) names, or None."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def iso(moment: datetime) -> str:
    """Return *moment* (in UTC) as the API writes it: ISO 8601 with milliseconds and a Z."""
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _iso(moment: datetime | None) -> str | None:
    return iso(moment) if moment else None


def _check(item: Field, draft: Draft, problems: Problems) -> None:
    if item.widget in (Widget.CHECKS, Widget.ATTRIBUTES):
        strange = [choice for choice in draft.lists[item.name] if choice not in item.choices]
        if strange:
            problems[item.name] = f"{', '.join(strange)}: not among the choices."
        return
    text = draft.texts.get(item.name)
    problem = None if text is None else _check_text(item, text)
    if problem:
        problems[item.name] = problem


def _check_text(item: Field, text: str) -> str | None:
    if not text:
        return f"{item.label} is missing." if item.required else None
    if len(text) > item.max_length:
        return f"{item.label} has {len(text)} characters; at most {item.max_length} fit."
    lines = text.replace("\n", "") if item.widget is Widget.LONG_TEXT else text
    if not lines.isprintable():
        return f"{item.label} has characters that cannot be shown."
    if item.widget is Widget.SELECT and text not in item.choices:
        return f"Choose one of {', '.join(item.choices)}."
    if item.pattern and not item.pattern.fullmatch(text):
        return item.wrong
    if item.name == "slug" and text in _RESERVED_SLUGS:
        return f"“{text}” is taken by a page of this tool."
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
    # MPIC is written in JavaScript, which serves 1.0 as 1; to the wiki, 0 and 0.0 are different things.
    served: dict[str, object] = {"default": _served(default)}
    seen: set[str] = set()
    for i, row in enumerate(draft.wiki_rates):
        rate = _rate(row.rate)
        if rate is None:
            problems[f"wiki_rates.{i}.rate"] = "Enter a number from 0 to 1."
            continue
        key = _plain(rate)
        if key in served:
            problems[f"wiki_rates.{i}.rate"] = f"There is a row for {key} already; put the wikis there."
        _check_wikis(f"wiki_rates.{i}.wikis", row.wikis, seen, problems)
        served[key] = list(row.wikis)
    return served


def _check_wikis(name: str, wikis: tuple[str, ...], seen: set[str], problems: Problems) -> None:
    wrong = [wiki for wiki in wikis if not WIKI.fullmatch(wiki)]
    twice = sorted(seen.intersection(wikis) | _doubled(wikis))
    seen.update(wikis)
    if not wikis:
        problems[name] = "Name at least one wiki."
    elif wrong:
        problems[name] = f"{', '.join(wrong)}: not a wiki's database name, such as frwiki."
    elif twice:
        problems[name] = f"{', '.join(twice)}: named twice; the first row would win."


def _rate(text: str) -> Decimal | None:
    """Return the number that *text* is, or None; Decimal alone would take "nan", "1_0" and "1e-999" as well."""
    try:
        rate = Decimal(text)
    except InvalidOperation:
        return None
    if not text.isascii() or "_" in text or len(text) > _LONGEST_RATE or not rate.is_finite():
        return None
    return rate if rate == 0 or _SMALLEST_RATE <= rate <= 1 else None


def _served(rate: Decimal | None) -> float | None:
    return None if rate is None else int(rate) if rate == int(rate) else float(rate)


def _plain(rate: Decimal) -> str:
    return format(rate.normalize(), "f") if rate else "0"


def _groups(draft: Draft, problems: Problems) -> dict[str, object]:
    if draft.kind is Kind.INSTRUMENT:
        return {}
    if draft.generation is Generation.XLAB:
        _check_groups("groups", draft.groups, problems)
        return {"groups": list(draft.groups)}
    if not draft.features:
        problems["features"] = "Add a feature: without one the wiki enrols people in nothing."
    names = [feature.name for feature in draft.features]
    for i, feature in enumerate(draft.features):
        field = f"features.{i}"
        if not FEATURE.fullmatch(feature.name) or len(feature.name) > 100:
            problems[f"{field}.name"] = "Use at most 100 letters, digits, hyphens, dots and underscores."
        elif feature.name in names[:i]:
            problems[f"{field}.name"] = f"There is a feature {feature.name} already."
        _check_groups(f"{field}.values", feature.values, problems)
        if feature.values and feature.control not in feature.values:
            problems[f"{field}.control"] = "The control has to be one of the groups."
    return {"features": {item.name: {"control": item.control, "values": list(item.values)} for item in draft.features}}


def _check_groups(name: str, groups: tuple[str, ...], problems: Problems) -> None:
    wrong = [group for group in groups if not GROUP.fullmatch(group) or len(group) > _MAX_GROUP]
    if not groups:
        problems[name] = "Name at least one group."
    elif wrong:
        problems[name] = (
            f"{', '.join(filter(None, wrong)) or 'An empty group'}: use at most {_MAX_GROUP} letters, "
            "digits, spaces, hyphens, dots and underscores, and start with a letter or digit."
        )
    elif _doubled(groups):
        problems[name] = f"{', '.join(sorted(_doubled(groups)))}: named twice."
    elif _UNSAMPLED in groups:
        problems[name] = f"“{_UNSAMPLED}” is what the wiki calls those who are not in the sample; choose another name."


def _doubled(words: Iterable[str]) -> set[str]:
    return {word for word, times in Counter(words).items() if times > 1}
