"""Drafts: configs as the user entered them, before validation, read from a request's JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from contracts.generation import Generation
from testbed.mpic.fields import INSTRUMENT_DATES, Field, Kind, Widget, date_names, fields

#: Error message of each invalid field of a draft (`slug`, `wiki_rates.0.wikis`).
Problems = dict[str, str]

#: Read-only fields of the API; ignored in a request, so that a response can be written back.
_SERVED_ONLY = frozenset({"id", "created_at", "updated_at"})
_COMPOUND = frozenset({Widget.RATES, Widget.FEATURES, Widget.GROUPS})


class RateRow(NamedTuple):
    """The sample rate of some wikis, as entered."""

    rate: str
    wikis: tuple[str, ...]


class FeatureRow(NamedTuple):
    """One feature, as entered."""

    name: str
    control: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A config as the user entered it: unchecked texts.

    Attributes:
        kind, generation: kind and generation of the config; the generation of an instrument is None.
        texts: fields with a single text.
        lists: fields with several texts.
        default_rate, wiki_rates: sample rates.
        features: features of an alpha experiment.
        groups: groups of an xlab experiment.
        status: whether to switch the config on.
    """

    kind: Kind
    generation: Generation | None
    texts: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    default_rate: str = ""
    wiki_rates: tuple[RateRow, ...] = ()
    features: tuple[FeatureRow, ...] = ()
    groups: tuple[str, ...] = ()
    status: bool = False

    def api_name(self, name: str) -> str:
        """Return the API's name of the field *name*, such as `sample_rate.0.1` for `wiki_rates.0.wikis`."""
        head, *rest = name.split(".")
        if head in ("start", "end"):
            return date_names(self.generation)[head == "end"]
        if head == "default_rate":
            return "sample_rate.default"
        if head == "wiki_rates":
            return f"sample_rate.{self.wiki_rates[int(rest[0])].rate}"
        if head == "features" and rest:
            return ".".join(
                ["features", self.features[int(rest[0])].name, *(part for part in rest[1:] if part != "name")]
            )
        return name


def blank(kind: Kind, generation: Generation | None, creator: str) -> Draft:
    """Return the initial draft of a new form."""
    wanted = fields(kind, generation)
    return Draft(
        kind=kind,
        generation=generation,
        texts={item.name: item.default for item in wanted if _is_text(item)} | {"creator": creator},
        lists={item.name: (item.default,) if item.default else () for item in wanted if _is_list(item)},
        default_rate="1" if kind is Kind.INSTRUMENT else "0.5",
        groups=("control", "treatment"),
    )


def read_json(kind: Kind, slug: str, payload: object) -> tuple[Draft, Problems]:
    """Return the draft in a request's JSON, and the problems of fields that cannot be read.

    An experiment with `groups` and without `features` belongs to xlab, any other to alpha.

    Args:
        kind: kind of the config.
        slug: slug in the URL.
        payload: decoded body, in the API's format.
    """
    if not isinstance(payload, Mapping):
        return Draft(kind=kind, generation=None), {"body": "The body must be a JSON object."}
    payload, problems = _with_older_date_names(payload) if kind is Kind.INSTRUMENT else (payload, {})
    reader = _Reader(payload)
    reader.problems |= problems
    xlab = "groups" in payload and "features" not in payload
    generation = None if kind is Kind.INSTRUMENT else Generation.XLAB if xlab else Generation.ALPHA
    wanted = fields(kind, generation)
    names = dict(zip(("start", "end"), date_names(generation), strict=True))
    texts = {
        item.name: reader.text(names.get(item.name, item.name), item.default, item.name)
        for item in wanted
        if _is_text(item)
    }
    texts["slug"] = _slug_or_problem(reader, "slug", slug)
    if generation is Generation.XLAB:
        texts["name"] = _slug_or_problem(reader, "name", slug)
    default, rows = reader.rates()
    draft = Draft(
        kind=kind,
        generation=generation,
        texts=texts,
        lists={item.name: reader.list(item.name, item.default) for item in wanted if _is_list(item)},
        default_rate=default,
        wiki_rates=rows,
        features=reader.features() if generation is Generation.ALPHA else (),
        groups=reader.list("groups") if xlab else (),
        status=reader.status(),
    )
    reader.reject_others()
    return draft, reader.problems


def _with_older_date_names(payload: Mapping[str, object]) -> tuple[Mapping[str, object], dict[str, str]]:
    """Return an instrument's *payload* with its dates under their older names, and problems of the newer ones."""
    content, problems = dict(payload), dict[str, str]()
    for newer, older in INSTRUMENT_DATES.items():
        if newer in content:
            value = content.pop(newer)
            if content.setdefault(older, value) != value:
                problems[newer] = f"It must equal {older}, or one of the two must be omitted."
    return content, problems


def _slug_or_problem(reader: "_Reader", name: str, slug: str) -> str:
    if reader.text(name, slug) != slug:
        subject = "xlab hashes the name, so it" if name == "name" else "It"
        reader.problems[name] = f"{subject} must be the slug in the URL, {slug!r}."
    return slug


def _is_text(item: Field) -> bool:
    return not _is_list(item) and item.widget not in _COMPOUND


def _is_list(item: Field) -> bool:
    return item.widget in (Widget.CHECKS, Widget.ATTRIBUTES)


class _Reader:
    """Reads a JSON object; a value of the wrong type becomes a problem and an empty value."""

    def __init__(self, payload: Mapping[str, object]) -> None:
        self._payload = payload
        self._read = set(_SERVED_ONLY)
        self.problems: Problems = {}

    def _take(self, name: str) -> object:
        self._read.add(name)
        return self._payload.get(name)

    def text(self, name: str, default: str = "", problem: str = "") -> str:
        value = self._take(name)
        if value is None:
            return default
        if not isinstance(value, str):
            self.problems[problem or name] = "It must be a text."
            return ""
        return value.strip()

    def list(self, name: str, default: str = "") -> tuple[str, ...]:
        value = self._take(name)
        if value is None:
            value = default
        # MariaDB's SET columns are served as one text with commas.
        if isinstance(value, str):
            return split(value)
        return self._words(name, value)

    def status(self) -> bool:
        value = self._take("status")
        if value not in (None, 0, 1):
            self.problems["status"] = "It must be 0 or 1."
        return value in (1, True)

    def rates(self) -> tuple[str, tuple[RateRow, ...]]:
        value = self._take("sample_rate")
        if not isinstance(value, Mapping):
            self.problems["default_rate"] = 'It must be an object such as {"default": 0.5, "0.1": ["frwiki"]}.'
            return "", ()
        rows = [(key, wikis) for key, wikis in value.items() if key != "default"]
        default = value.get("default", "")
        if isinstance(default, bool) or not isinstance(default, int | float | str):
            self.problems["default_rate"] = "It must be a number."
            default = ""
        return _number(default), tuple(
            RateRow(key, self._words(f"wiki_rates.{i}.wikis", wikis)) for i, (key, wikis) in enumerate(rows)
        )

    def features(self) -> tuple[FeatureRow, ...]:
        value = self._take("features")
        if value is None:
            return ()
        if not isinstance(value, Mapping):
            self.problems["features"] = (
                'It must be an object such as {"menu": {"control": "false", "values": ["false", "true"]}}.'
            )
            return ()
        return tuple(self._feature(i, name, content) for i, (name, content) in enumerate(value.items()))

    def _feature(self, index: int, name: str, content: object) -> FeatureRow:
        content = content if isinstance(content, Mapping) else {}
        values = self._words(f"features.{index}.values", content.get("values"))
        control = content.get("control", values[0] if values else "")
        return FeatureRow(name, _word(control) or "", values)

    def _words(self, name: str, value: object) -> tuple[str, ...]:
        words = [_word(item) for item in value] if isinstance(value, list) else [None]
        if None in words:
            self.problems[name] = "It must be a list of texts."
        return tuple(word for word in words if word is not None)

    def reject_others(self) -> None:
        for name in self._payload.keys() - self._read:
            self.problems[name] = "A config of this kind has no such field."


def split(text: str) -> tuple[str, ...]:
    """Return the items of a text, separated by commas or line ends."""
    return tuple(item.strip() for line in text.splitlines() for item in line.split(",") if item.strip())


def _word(value: object) -> str | None:
    """Return *value* as text, as the wiki casts a group: true → "true", 3 → "3"; None when that is impossible."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else None


def _number(value: float | str) -> str:
    """Return a number as text without an exponent."""
    return value if isinstance(value, str) else format(Decimal(repr(value)), "f")
