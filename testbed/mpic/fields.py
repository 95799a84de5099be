"""The fields of a config: names, form widgets, help texts and valid values.

Names and formats are the API's (contract: mpic-api.md), with two exceptions. The API uses `utc_start_dt` and
`utc_end_dt` instead of `start` and `end`, except for xlab. It has `authority` only as a query parameter.
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from contracts.configs import CONTEXTUAL_ATTRIBUTES
from contracts.generation import Generation


class Kind(StrEnum):
    """Kind of a config. The value is its part of the URL."""

    EXPERIMENT = "experiments"
    INSTRUMENT = "instruments"

    @property
    def singular(self) -> str:
        """The singular: `experiment` or `instrument`."""
        return self.value[:-1]


class Widget(StrEnum):
    """Form control of a field."""

    TEXT = "text"
    EMAIL = "email"
    LONG_TEXT = "textarea"
    SELECT = "select"
    CHECKS = "checks"
    MOMENT = "datetime-local"
    RATES = "rates"
    FEATURES = "features"
    GROUPS = "groups"
    ATTRIBUTES = "attributes"


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    Attributes:
        name: name in the API.
        label, help: texts in the form.
        widget: form control.
        required: whether a value is required.
        max_length: maximum number of characters.
        pattern: pattern that a non-empty text must match completely.
        pattern_error: message when the text does not match.
        choices: allowed values; for TEXT only suggestions.
        default: value in a new form, and in a request without the field.
        spelling: whether a browser may check and correct the spelling.
    """

    name: str
    label: str
    help: str = ""
    widget: Widget = Widget.TEXT
    required: bool = False
    max_length: int = 255
    pattern: re.Pattern[str] | None = None
    pattern_error: str = ""
    choices: tuple[str, ...] = ()
    default: str = ""
    spelling: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the form."""

    title: str
    fields: tuple[Field, ...]


#: Lower case, without the separators of the override parameter (`mpo=<experiment>:<feature>:<value>;…`).
SLUG = re.compile(r"[a-z0-9][a-z0-9._-]*")
FEATURE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]*")
WIKI = re.compile(r"[a-z][a-z0-9_]*")
_STREAM = re.compile(r"[a-z][a-z0-9_]*([.-][a-z0-9_]+)*")
_SCHEMA = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)*")
_TASK = re.compile(r"T[1-9][0-9]*")
_EMAIL = re.compile(r"[^@\s<>]+@[^@\s<>]+\.[^@\s<>.]+")

_IDENTITY = (
    Field(
        "slug",
        "Slug",
        "The name that machines use: it is in every event, and the hash that buckets users includes it. "
        "Lower-case letters, digits, hyphens, dots and underscores. It cannot be changed later.",
        required=True,
        max_length=100,
        pattern=SLUG,
        pattern_error="Use lower-case letters, digits, hyphens, dots and underscores; start with a letter or digit.",
    ),
    Field("name", "Name", "The name for people.", required=True, spelling=True),
    Field(
        "description",
        "Description",
        "What this measures and why, for readers a year from now.",
        Widget.LONG_TEXT,
        max_length=5000,
        spelling=True,
    ),
)
_START = Field("start", "Start (UTC)", "Experiments usually start and end at 14:30 UTC.", Widget.MOMENT)
_END = Field("end", "End (UTC)", "Must be after the start.", Widget.MOMENT)
_RATES = Field(
    "sample_rate",
    "Sample rate",
    "The share of subjects that take part, from 0 to 1: 0.5 is half of them, 0.001 is 0.1 %.",
    Widget.RATES,
)
_ATTRIBUTES = Field(
    "contextual_attributes",
    "Contextual attributes",
    "Details of page, wiki and performer in each event. Choose only what the analysis needs; the "
    "client platform is always sent.",
    Widget.ATTRIBUTES,
    choices=CONTEXTUAL_ATTRIBUTES,
)
_EVENTS = (
    Field(
        "stream_name",
        "Stream",
        "The destination of events.",
        required=True,
        max_length=200,  # Kafka allows 249 for a topic, including the data centre's prefix
        pattern=_STREAM,
        pattern_error="Use lower-case words joined by dots or hyphens, such as product_metrics.web_base.",
        default="product_metrics.web_base",
    ),
    Field(
        "schema_title",
        "Schema title",
        "The wiki uses the schema analytics/product_metrics/web/base for every stream of an instrument, "
        "regardless of this field.",
        pattern=_SCHEMA,
        pattern_error="Use lower-case words joined by slashes, such as analytics/product_metrics/web/base.",
        default="analytics/product_metrics/web/base",
    ),
    Field("schema_type", "Schema type", choices=("base", "custom"), default="custom"),
    _ATTRIBUTES,
)
_PEOPLE = (
    Field("owner", "Owner", "The team that answers questions.", spelling=True),
    Field("creator", "Creator", "The person who created it."),
    Field(
        "email_address",
        "E-mail address",
        "Contact for problems.",
        Widget.EMAIL,
        max_length=254,  # the longest address that SMTP can carry (RFC 5321)
        pattern=_EMAIL,
        pattern_error="Enter an e-mail address, such as team@example.org.",
    ),
    Field("purpose", "Purpose", "The goal or key result that it serves.", spelling=True),
    Field(
        "task",
        "Phabricator task",
        "The letter T followed by a number.",
        pattern=_TASK,
        pattern_error="Enter a task as the letter T followed by a number, such as T379870.",
    ),
    Field("type", "Type", "A word for sorting.", choices=("baseline", "experiment", "instrument")),
    Field(
        "environments",
        "Environments",
        "",
        Widget.CHECKS,
        choices=("development", "staging", "production", "external"),
        default="development",
    ),
    Field("compliance_requirements", "Compliance requirements", "", Widget.CHECKS, choices=("legal", "gdpr")),
    Field(
        "security_legal_review",
        "Security and legal review",
        "State of the review, or a link to it.",
        max_length=1000,
        choices=("pending", "reviewed", "not needed"),
        default="pending",
        spelling=True,
    ),
)
_EXPERIMENT_UNIT = Field(
    "sample_unit",
    "Sample unit",
    "The unit that is sampled and bucketed.",
    Widget.SELECT,
    required=True,
    choices=("user", "device", "session", "pageview"),
    default="user",
)
_INSTRUMENT_UNIT = Field(
    "sample_unit",
    "Sample unit",
    "The unit that is sampled. The wiki's client samples page views and sessions; with “device” it sends nothing.",
    Widget.SELECT,
    required=True,
    choices=("pageview", "session", "device"),
    default="pageview",
)
_AUTHORITY = Field(
    "authority",
    "Who is enrolled",
    "mediawiki: logged-in users, enrolled by the wiki. varnish: everyone, enrolled at the edge.",
    Widget.SELECT,
    required=True,
    choices=("mediawiki", "varnish"),
    default="mediawiki",
)
_FEATURES = Field(
    "features",
    "Features",
    "The differences between groups. All features of an experiment bucket a user by the same hash.",
    Widget.FEATURES,
)
_GROUPS = Field("groups", "Groups", "One group per line, control first.", Widget.GROUPS)

_INSTRUMENT = (
    Section("Identity", _IDENTITY),
    Section("Dates", (_START, _END)),
    Section("Sampling", (_INSTRUMENT_UNIT, _RATES)),
    Section("Events", _EVENTS),
    Section("Ownership", _PEOPLE),
)
_ALPHA = (
    Section("Identity", _IDENTITY),
    Section("Variants", (_FEATURES,)),
    Section("Dates", (_START, _END)),
    Section("Sampling", (_EXPERIMENT_UNIT, _RATES)),
    Section("Events", _EVENTS),
    Section("Ownership", _PEOPLE),
)
_XLAB = (
    # xlab hashes the name, so slug and name must be equal and the form asks for it once.
    Section("Identity", tuple(field for field in _IDENTITY if field.name != "name")),
    Section("Variants", (_GROUPS,)),
    # xlab has no separate switch: the wiki enrols between the two dates.
    Section("Dates", (replace(_START, required=True), replace(_END, required=True))),
    Section("Sampling", (_AUTHORITY, _EXPERIMENT_UNIT, _RATES)),
    Section("Events", _EVENTS),
    Section("Ownership", _PEOPLE),
)


def sections(kind: Kind, generation: Generation | None) -> tuple[Section, ...]:
    """Return the form's sections for a config of *kind* and *generation* (None for instruments)."""
    if kind is Kind.INSTRUMENT:
        return _INSTRUMENT
    return _XLAB if generation is Generation.XLAB else _ALPHA


def fields(kind: Kind, generation: Generation | None) -> tuple[Field, ...]:
    """Return the fields of a config of *kind* and *generation*."""
    return tuple(field for section in sections(kind, generation) for field in section.fields)


#: Names of an instrument's dates in the later generation, and in the earlier one, under which they are stored.
INSTRUMENT_DATES = {"start": "utc_start_dt", "end": "utc_end_dt"}


def date_names(generation: Generation | None) -> tuple[str, str]:
    """Return the API's names of `start` and `end`."""
    return ("start", "end") if generation is Generation.XLAB else ("utc_start_dt", "utc_end_dt")
