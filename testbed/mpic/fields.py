"""The fields of a config: what they are called, how a form asks for them, and what may stand in them.

Names and formats are the API's (contract: mpic-api.md), with two exceptions: `start` and `end`, which the API
calls `utc_start_dt` and `utc_end_dt` in all shapes but xlab's, and `authority`, which it has as a query
parameter only.
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from contracts.assignment import Generation
from contracts.configs import CONTEXTUAL_ATTRIBUTES


class Kind(StrEnum):
    """What a config is of. The value is the part of the URL."""

    EXPERIMENT = "experiments"
    INSTRUMENT = "instruments"

    @property
    def singular(self) -> str:
        """The word for one of them."""
        return self.value[:-1]


class Widget(StrEnum):
    """How a form asks for a field."""

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
        name: as in the API.
        label, help: what the form says.
        required: whether it has to be filled in.
        max_length: in characters.
        pattern: what the whole text has to match, when it is not empty.
        wrong: what to tell when it does not.
        choices: the allowed values; for TEXT mere suggestions.
        default: what a new form, and a request that leaves the field out, has.
        spelling: whether a browser may check and correct it.
    """

    name: str
    label: str
    help: str = ""
    widget: Widget = Widget.TEXT
    required: bool = False
    max_length: int = 255
    pattern: re.Pattern[str] | None = None
    wrong: str = ""
    choices: tuple[str, ...] = ()
    default: str = ""
    spelling: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the form."""

    title: str
    fields: tuple[Field, ...]


#: Lower case, and nothing that the override parameter (`mpo=<experiment>:<feature>:<value>;…`) separates by.
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
        "The name that machines use; events carry it and users are bucketed by it. Lower-case letters, "
        "digits, hyphens, dots and underscores. It cannot be changed later.",
        required=True,
        max_length=100,
        pattern=SLUG,
        wrong="Use lower-case letters, digits, hyphens, dots and underscores; start with a letter or digit.",
    ),
    Field("name", "Name", "What people call it.", required=True, spelling=True),
    Field(
        "description",
        "Description",
        "What it is about, for somebody who finds it a year from now.",
        Widget.LONG_TEXT,
        max_length=5000,
        spelling=True,
    ),
)
_START = Field("start", "Start (UTC)", "Experiments usually start and end at 14:30 UTC.", Widget.MOMENT)
_END = Field("end", "End (UTC)", "Has to be after the start.", Widget.MOMENT)
_RATES = Field(
    "sample_rate",
    "Sample rate",
    "The share of subjects that takes part, from 0 to 1: 0.5 is half of them, 0.001 is 0.1 %.",
    Widget.RATES,
)
_ATTRIBUTES = Field(
    "contextual_attributes",
    "Contextual attributes",
    "What each event says about page, wiki and performer. Ask for what the analysis needs and no more; the "
    "client platform is always sent.",
    Widget.ATTRIBUTES,
    choices=CONTEXTUAL_ATTRIBUTES,
)
_EVENTS = (
    Field(
        "stream_name",
        "Stream",
        "Where events go.",
        required=True,
        max_length=200,  # Kafka takes 249 for a topic, and the data centre's prefix comes on top
        pattern=_STREAM,
        wrong="Use lower-case words joined by dots or hyphens, such as product_metrics.web_base.",
        default="product_metrics.web_base",
    ),
    Field(
        "schema_title",
        "Schema title",
        "The wiki gives every stream of an instrument the schema analytics/product_metrics/web/base, "
        "whatever is said here.",
        pattern=_SCHEMA,
        wrong="Use lower-case words joined by slashes, such as analytics/product_metrics/web/base.",
        default="analytics/product_metrics/web/base",
    ),
    Field("schema_type", "Schema type", choices=("base", "custom"), default="custom"),
    _ATTRIBUTES,
)
_PEOPLE = (
    Field("owner", "Owner", "The team that answers questions about it.", spelling=True),
    Field("creator", "Creator", "Who set it up."),
    Field(
        "email_address",
        "E-mail address",
        "Where to write when something looks wrong.",
        Widget.EMAIL,
        max_length=254,  # the longest address that SMTP can carry (RFC 5321)
        pattern=_EMAIL,
        wrong="Enter an e-mail address, such as team@example.org.",
    ),
    Field("purpose", "Purpose", "The goal or key result it serves.", spelling=True),
    Field(
        "task",
        "Phabricator task",
        "The letter T and a number.",
        pattern=_TASK,
        wrong="Enter a task as the letter T and a number, such as T379870.",
    ),
    Field("type", "Type", "A word to sort by.", choices=("baseline", "experiment", "instrument")),
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
        "Its state, or a link to it.",
        max_length=1000,
        choices=("pending", "reviewed", "not needed"),
        default="pending",
        spelling=True,
    ),
)
_EXPERIMENT_UNIT = Field(
    "sample_unit",
    "Sample unit",
    "What is drawn and bucketed.",
    Widget.SELECT,
    required=True,
    choices=("user", "device", "session", "pageview"),
    default="user",
)
_INSTRUMENT_UNIT = Field(
    "sample_unit",
    "Sample unit",
    "What is drawn. The wiki's client draws page views and sessions; with “device” it sends nothing.",
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
    "What differs between groups. All features of an experiment bucket a user by the same hash.",
    Widget.FEATURES,
)
_GROUPS = Field("groups", "Groups", "One a line, control first.", Widget.GROUPS)

_INSTRUMENT = (
    Section("What it is", _IDENTITY),
    Section("When it runs", (_START, _END)),
    Section("Who takes part", (_INSTRUMENT_UNIT, _RATES)),
    Section("What is recorded", _EVENTS),
    Section("Who answers for it", _PEOPLE),
)
_ALPHA = (
    Section("What it is", _IDENTITY),
    Section("What differs", (_FEATURES,)),
    Section("When it runs", (_START, _END)),
    Section("Who takes part", (_EXPERIMENT_UNIT, _RATES)),
    Section("What is recorded", _EVENTS),
    Section("Who answers for it", _PEOPLE),
)
_XLAB = (
    # Xlab hashes the name, so slug and name have to be one thing and the form asks for it once.
    Section("What it is", tuple(field for field in _IDENTITY if field.name != "name")),
    Section("What differs", (_GROUPS,)),
    # Xlab has no switch of its own: the wiki enrols between the two dates.
    Section("When it runs", (replace(_START, required=True), replace(_END, required=True))),
    Section("Who takes part", (_AUTHORITY, _EXPERIMENT_UNIT, _RATES)),
    Section("What is recorded", _EVENTS),
    Section("Who answers for it", _PEOPLE),
)


def sections(kind: Kind, generation: Generation | None) -> tuple[Section, ...]:
    """Return what a config of *kind* and *generation* (None: instruments) is made of, in the form's order."""
    if kind is Kind.INSTRUMENT:
        return _INSTRUMENT
    return _XLAB if generation is Generation.XLAB else _ALPHA


def fields(kind: Kind, generation: Generation | None) -> tuple[Field, ...]:
    """Return the fields of a config of *kind* and *generation*."""
    return tuple(field for section in sections(kind, generation) for field in section.fields)


#: What an instrument's dates are called by the later generation, and by the earlier one, under which they are kept.
INSTRUMENT_DATES = {"start": "utc_start_dt", "end": "utc_end_dt"}


def date_names(generation: Generation | None) -> tuple[str, str]:
    """Return what the API calls `start` and `end`."""
    return ("start", "end") if generation is Generation.XLAB else ("utc_start_dt", "utc_end_dt")
