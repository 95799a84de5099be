"""Do browsers' events and synthetic ones differ in anything but what changes from event to event?"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import orjson

from metrics_platform.assignment import Generation
from metrics_platform.configs import CONTEXTUAL_ATTRIBUTES
from metrics_platform.errors import DogfoodError
from personas.plan import Plan
from personas.settings import PlanSettings
from run_record.folder import LEDGER
from run_record.ledger import read_ledger
from run_record.manifest import Manifest
from run_record.roster import Fidelity, read_roster

Event = Mapping[str, object]
Shape = Mapping[str, str]

#: Synthetic visits that are looked at: enough for every persona, page and action to occur.
_VISITS = 1_500

#: What the intake adds, or the kit so that it finds its rows again.
_OF_THE_INTAKE = ("http", "meta.dt", "meta.id", "meta.request_id")

#: Texts that are recognised; their formats are part of the shape.
_FORMATS = {
    "20 hex digits": re.compile(r"[0-9a-f]{20}"),
    "64 hex digits": re.compile(r"[0-9a-f]{64}"),
    "moment with milliseconds and Z": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),
}

#: Objects whose keys are names of features.
_MAPS = ("experiments.assigned",)

#: Fields whose values are the same for everybody, so that a value of a browser's has to occur in synthetic events.
_CONSTANT = (
    "$schema", "action", "action_source", "agent.client_platform", "agent.client_platform_family",
    "element_friendly_name", "funnel_event_sequence_position", "instrument_name", "mediawiki.database",
    "mediawiki.skin", "meta.stream", "sample.rate", "sample.unit", "experiment.enrolled", "experiment.sampling_unit",
    "experiment.coordinator", "experiments.enrolled", "performer.edit_count_bucket",
)  # fmt: skip

#: Where an attribute that an instrument may ask for is in an event.
_PLACES = {
    **{name: name.replace("_", ".", 1) for name in CONTEXTUAL_ATTRIBUTES},
    "page_namespace": "page.namespace_id",
}


class CalibrationError(DogfoodError):
    """There are no events to compare."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the comparison found.

    Attributes:
        real: how many events of browsers were looked at.
        synthetic: how many synthetic ones they were compared with.
        differences: one sentence each; none when they are alike.
        gaps: fields that some captured events lack and others have; the client's own doing, so no difference.
    """

    real: int
    synthetic: int
    differences: tuple[str, ...]
    gaps: tuple[str, ...] = ()


class Difference(NamedTuple):
    """One way in which real events differ: a sentence, and whether only some of them do so by lacking a field."""

    told: str
    is_gap: bool


def shape(event: Event) -> Shape:
    """Return the kind of every field of *event*, by its path; what the intake adds is left out."""
    return {
        path: kind
        for path, kind in _fields(event, "")
        if not any(path == name or path.startswith(f"{name}.") for name in _OF_THE_INTAKE)
    }


def compare(real: Sequence[Event], synthetic: Sequence[Event]) -> Iterator[Difference]:
    """Yield each way in which the shapes of *real* events differ from those of *synthetic* ones.

    Each real event has to be shaped like some synthetic event of its action, and each field that all synthetic events
    of an action have has to be in its real ones.
    """
    for action in sorted({str(event.get("action")) for event in real}):
        ours = [shape(event) for event in synthetic if event.get("action") == action]
        if not ours:
            yield Difference(f"no synthetic event has the action {action!r}", False)
            continue
        known: dict[str, set[str]] = {}
        for found in ours:
            for path, kind in found.items():
                known.setdefault(path, set()).add(kind)
        always = set.intersection(*(set(found) for found in ours))
        theirs = [shape(event) for event in real if event.get("action") == action]
        yield from _differences(action, theirs, known, always)


def calibrate(run: Path) -> Calibration:
    """Compare the events that browsers sent in the run in the folder *run* with synthetic ones of the same experiment.

    Raises:
        CalibrationError: no browser sent anything in that run.
    """
    manifest = Manifest.read(run)
    browsers = {account.visit for account in read_roster(run) if account.fidelity is Fidelity.BROWSER}
    carried = read_ledger(run / LEDGER).bodies.items()
    real = [orjson.loads(body) for (visit, _), body in carried if visit in browsers]
    real = [event for event in real if event.get("action") in ("impression", "click")]
    if not real:
        raise CalibrationError(
            f"no browser sent events in {run.name}: `dogfood browse --scenario ctr` makes such a run"
        )
    synthetic = _synthetic(PlanSettings.from_json(manifest.plan))
    found = [*(difference.told for difference in compare(real, synthetic)), *_values(real, synthetic)]
    return Calibration(len(real), len(synthetic), tuple(found))


def calibrate_against(events: Path, settings: PlanSettings) -> Calibration:
    """Compare captured events (NDJSON, as an intake wrote them) with synthetic ones that ask for the same attributes.

    Which attributes an event's instrument asked for is told by those it has. Names and values are another
    experiment's, so only shapes are compared.

    Args:
        events: file of events.
        settings: of a plan to make synthetic events with; generation and instrument are adapted.

    Raises:
        CalibrationError: the file cannot be read, or holds no event.
    """
    try:
        captured = [orjson.loads(line) for line in events.read_bytes().splitlines() if line.strip()]
    except (OSError, orjson.JSONDecodeError) as error:
        raise CalibrationError(f"{events} is no file of events: {error}") from error
    if not captured:
        raise CalibrationError(f"{events} holds no event")
    groups: dict[tuple[str, ...], list[Event]] = {}
    for event in captured:
        groups.setdefault(_asked(shape(event)), []).append(event)
    found: dict[Difference, None] = {}
    total = 0
    for asked, real in groups.items():
        instrument = {**settings.instrument, "contextual_attributes": list(asked)}
        synthetic = _synthetic(replace(settings, instrument=instrument, generation=Generation.ALPHA))
        total += len(synthetic)
        found |= dict.fromkeys(compare(real, synthetic))
    differences, gaps = (tuple(item.told for item in found if item.is_gap is gap) for gap in (False, True))
    return Calibration(len(captured), total, differences, gaps)


def _synthetic(settings: PlanSettings) -> list[Event]:
    plan = Plan(replace(settings, visitors=_VISITS))
    return [orjson.loads(event.body) for event in plan.events(0, _VISITS)]


def _asked(found: Shape) -> tuple[str, ...]:
    # Two names of one field: the newer one will do.
    return tuple(
        name for name, path in _PLACES.items() if name != "page_namespace" and path in found and path.count(".") == 1
    )


def _differences(
    action: str, theirs: list[Shape], known: Mapping[str, set[str]], always: set[str]
) -> Iterator[Difference]:
    counts: dict[str, int] = {}
    missing: dict[str, int] = {}
    for found in theirs:
        for path in always - found.keys():
            missing[path] = missing.get(path, 0) + 1
        for path, kind in found.items():
            if path not in known:
                what = f"{path} ({kind}) is not in synthetic events"
            elif kind not in known[path]:
                what = f"{path} is {kind}, and {' or '.join(sorted(known[path]))} in synthetic events"
            else:
                continue
            counts[what] = counts.get(what, 0) + 1
    for path, count in sorted(missing.items()):
        told = f"{action}: {path} is missing (in {count:,} of {len(theirs):,})"
        yield Difference(told, is_gap=count < len(theirs))
    for what, count in sorted(counts.items()):
        yield Difference(f"{action}: {what} (in {count:,} of {len(theirs):,})", is_gap=False)


def _values(real: Iterable[Event], synthetic: Iterable[Event]) -> Iterator[str]:
    """Yield the constant fields whose values in *real* events do not occur in *synthetic* ones."""
    theirs, ours = _constants(real), _constants(synthetic)
    for path in _CONSTANT:
        if extra := theirs.get(path, set()) - ours.get(path, set()):
            known = ", ".join(sorted(ours.get(path, set()))) or "nothing"
            yield f"{path} is {', '.join(sorted(extra))}, and {known} in synthetic events"


def _constants(events: Iterable[Event]) -> dict[str, set[str]]:
    values: dict[str, set[str]] = {}
    for event in events:
        for path in _CONSTANT:
            value: object = event
            for key in path.split("."):
                value = value.get(key) if isinstance(value, Mapping) else None
            if value is not None:
                values.setdefault(path, set()).add(orjson.dumps(value).decode())
    return values


def _fields(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, member in value.items():
            name = "*" if path in _MAPS else str(key)
            yield from _fields(member, f"{path}.{name}" if path else name)
    else:
        yield path, _kind(value)


def _kind(value: object) -> str:
    if isinstance(value, str):
        return next((name for name, pattern in _FORMATS.items() if pattern.fullmatch(value)), "text")
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "number"
    return "list" if isinstance(value, list) else "null"
