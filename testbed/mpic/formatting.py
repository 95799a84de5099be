"""Formats values for the web UI: shares, dates, states and changes."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from contracts.generation import Generation
from testbed.mpic.configs import Config, parse_moment
from testbed.mpic.experiment_form import Draft, Problems
from testbed.mpic.fields import Kind, date_names, fields

NOTHING = "–"


class State(NamedTuple):
    """Whether a config is on, with a note when its dates disagree."""

    on: bool
    note: str


class FieldChange(NamedTuple):
    """One changed field, as texts; *before* is empty for a new config."""

    label: str
    before: str
    after: str


class Share(NamedTuple):
    """A group's share of all subjects; *x* and *width* position it in a bar of width 100."""

    name: str
    share: str
    x: float
    width: float


def percent(rate: object, digits: int = 9) -> str:
    """Return a rate (0 to 1) as a percentage with at most *digits* significant digits: 0.001 is "0.1 %"."""
    return f"{float(str(rate)) * 100:.{digits}g} %"


def moment(value: object) -> str:
    """Return an ISO 8601 time as "27 Jan 2025, 14:30" in UTC."""
    parsed = parse_moment(str(value)) if value else None
    return f"{parsed.day} {parsed:%b %Y, %H:%M}" if parsed else NOTHING


def local(value: str) -> str:
    """Return an ISO 8601 time in the format of a form control: without zone, and without seconds when they are 0."""
    parsed = parse_moment(value) if value else None
    if parsed is None:
        return value
    bare = parsed.replace(tzinfo=None)
    unit = "milliseconds" if bare.microsecond else "seconds" if bare.second else "minutes"
    return bare.isoformat(timespec=unit)


def dates(config: Config) -> tuple[str, str]:
    """Return start and end in the API's format, empty when missing."""
    first, last = (str(config.content.get(name) or "") for name in date_names(config.generation))
    return first, last


def values(config: Config) -> dict[str, object]:
    """Return the values of *config* by field name."""
    start, end = dates(config)
    return {**config.to_json(), "start": start, "end": end}


def state(config: Config, now: datetime) -> State:
    """Return whether *config* is on at *now*, with a note when status and dates disagree."""
    if not config.status:
        return State(False, "")
    start, end = (parse_moment(text) if text else None for text in dates(config))
    early, late = start is not None and now < start, end is not None and now > end
    if config.generation is Generation.XLAB:
        return State(True, "Not started yet" if early else "Ended" if late else "")
    # The wiki checks only the status (contract: mpic-api.md), not the dates.
    activity = "already enrolling" if config.kind is Kind.EXPERIMENT else "already recording"
    return State(True, f"Before its start, {activity}" if early else "Past its end, still on" if late else "")


def groups(config: Config) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return each feature with its groups; xlab's only feature has the experiment's name."""
    if config.generation is Generation.XLAB:
        return ((config.slug, tuple(_texts(config.content["groups"]))),)
    return tuple(
        (name, tuple(_texts(_mapping(content)["values"])))
        for name, content in _mapping(config.content.get("features", {})).items()
    )


def shares(config: Config, names: tuple[str, ...]) -> tuple[Share, ...]:
    """Return each group's share of all subjects at the default rate, and the share outside the sample."""
    rate = float(str(_mapping(config.content["sample_rate"])["default"]))
    width = 100 * rate / len(names)
    parts = [Share(name, percent(rate / len(names), 4), i * width, width) for i, name in enumerate(names)]
    return (*parts, Share("not in sample", percent(1 - rate, 4), 100 * rate, 100 * (1 - rate)))


def field_changes(
    kind: Kind, before: Mapping[str, object] | None, after: Mapping[str, object]
) -> tuple[FieldChange, ...]:
    """Return the fields that differ between two stored configs, in the form's order."""
    labels = _labels(kind, after)
    names = [name for name in (*labels, *(before or {}), *after) if (before or {}).get(name) != after.get(name)]
    return tuple(
        FieldChange(labels.get(name, name), show(name, (before or {}).get(name)), show(name, after.get(name)))
        for name in dict.fromkeys(names)
        if before is not None or show(name, after.get(name)) != NOTHING
    )


def show(name: str, value: object) -> str:
    """Return the value of the API's field *name* as one text."""
    if name == "status":
        return "on" if value == 1 else "off"
    if name in ("start", "end", "utc_start_dt", "utc_end_dt"):
        return f"{moment(value)} UTC" if value else NOTHING
    if isinstance(value, Mapping):
        return _rates(value) if name == "sample_rate" else _features(value)
    text = ", ".join(_texts(value)) if isinstance(value, list) else str(value or "")
    return text or NOTHING


def _labels(kind: Kind, config: Mapping[str, object]) -> dict[str, str]:
    generation = Config.from_json(kind, config).generation
    names = dict(zip(("start", "end"), date_names(generation), strict=True))
    return {"status": "Status"} | {names.get(item.name, item.name): item.label for item in fields(kind, generation)}


def _rates(rates: Mapping[str, object]) -> str:
    others = [f"{percent(rate)} on {', '.join(_texts(wikis))}" for rate, wikis in rates.items() if rate != "default"]
    return "; ".join([percent(rates["default"]), *others])


def _features(features: Mapping[str, object]) -> str:
    parts = []
    for name, content in features.items():
        feature = _mapping(content)
        parts.append(f"{name}: {', '.join(_texts(feature['values']))} (control {feature['control']})")
    return "; ".join(parts) or NOTHING


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise TypeError(f"not an object: {value!r}")
    return value


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def summary(draft: Draft, problems: Problems) -> Problems:
    """Return a form's problems in field order, each with the field's label."""
    wanted = fields(draft.kind, draft.generation)
    positions = {item.name: position for position, item in enumerate(wanted)}
    texts = {}
    for name in sorted(problems, key=lambda name: positions.get(_field(name), len(positions))):
        label = _label(name, {item.name: item.label for item in wanted})
        texts[name] = problems[name] if label in problems[name] else f"{label}: {problems[name]}"
    return texts


def _field(name: str) -> str:
    head = name.partition(".")[0]
    return "sample_rate" if head in ("default_rate", "wiki_rates") else head


def _label(name: str, labels: Mapping[str, str]) -> str:
    head, *rest = name.split(".")
    if head == "wiki_rates":
        return f"Sample rate, row {int(rest[0]) + 1}"
    if head == "features" and rest:
        part = {"values": ", groups", "control": ", control"}.get(rest[1], "")
        return f"Feature {int(rest[0]) + 1}{part}"
    return labels.get(_field(name), name)
