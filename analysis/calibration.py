"""Calibration: compare the shapes of browsers' events with those of synthetic events."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import orjson

from common.errors import DogfoodError
from contracts.configs import CONTEXTUAL_ATTRIBUTES
from contracts.generation import Generation
from contracts.profiles import PROFILES
from personas.example_experiment import example_experiment
from personas.plan.plan import Plan
from personas.plan.settings import PlanSettings
from run_record.ledger.files import read_ledger
from run_record.manifest import Manifest
from run_record.roster import Fidelity, read_roster
from run_record.run_folder import LEDGER

Event = Mapping[str, object]
#: Kinds of values by path: one kind, or those of a list's elements, with a path that ends in `[]`.
Shape = Mapping[str, frozenset[str]]

#: Synthetic visits that are rendered: enough for every persona, page and action to occur.
_VISITS = 1_500

#: Fields that the intake adds, or the kit in order to recognise its rows.
_ADDED_BY_INTAKE = ("http", "meta.dt", "meta.id", "meta.request_id")

#: Formats of texts; the format is part of the shape.
_FORMATS = {
    "20 hex digits": re.compile(r"[0-9a-f]{20}"),
    "64 hex digits": re.compile(r"[0-9a-f]{64}"),
    "moment with milliseconds and Z": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),
}

#: Objects with names of features as keys: members are compared, keys are not.
_MAPS = ("experiments.assigned",)

#: Ends of the paths of list elements and map members; a list or map may be empty.
_ELEMENTS = ("[]", ".*")

#: Fields with the same values in every session, so that a browser's value must occur in synthetic events.
_CONSTANT = (
    "$schema", "action", "action_source", "agent.client_platform", "agent.client_platform_family",
    "element_friendly_name", "funnel_event_sequence_position", "instrument_name", "mediawiki.database",
    "mediawiki.skin", "meta.stream", "sample.rate", "sample.unit", "experiment.enrolled", "experiment.sampling_unit",
    "experiment.coordinator", "experiments.enrolled", "performer.edit_count_bucket",
)  # fmt: skip

#: Constant fields that are lists.
_LISTS = ("experiments.enrolled",)

#: Path in an event of each attribute that an instrument may request.
_ATTRIBUTE_PATHS = {
    **{name: name.replace("_", ".", 1) for name in CONTEXTUAL_ATTRIBUTES},
    "page_namespace": "page.namespace_id",
}


class CalibrationError(DogfoodError):
    """Calibration without events to compare."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Result of a calibration.

    Attributes:
        real: number of browsers' events.
        synthetic: number of synthetic events that they were compared with.
        differences: a sentence for each; empty when the shapes are the same.
        gaps: fields that some captured events lack and others have; caused by the client, so not a difference.
    """

    real: int
    synthetic: int
    differences: tuple[str, ...]
    gaps: tuple[str, ...] = ()


class Mismatch(NamedTuple):
    """Difference of real events: a *sentence*, and whether it is a gap (only some events lack the field)."""

    sentence: str
    is_gap: bool


def shape(event: Event) -> Shape:
    """Return the kinds of every field of *event* by path, without the fields that the intake adds.

    The number and order of the elements of lists and maps are not part of the shape.
    """
    kinds: dict[str, frozenset[str]] = {}
    for path, kind in _fields(event, ""):
        if not any(path == name or path.startswith(f"{name}.") for name in _ADDED_BY_INTAKE):
            kinds[path] = kinds.get(path, frozenset()) | {kind}
    return kinds


def compare(real: Sequence[Event], synthetic: Sequence[Event]) -> Iterator[Mismatch]:
    """Yield each difference between the shapes of *real* and *synthetic* events.

    Each real event must have the shape of a synthetic event of its action. A field in all synthetic events of an action
    must be in its real events.
    """
    for action in sorted({str(event.get("action")) for event in real}):
        ours = [shape(event) for event in synthetic if event.get("action") == action]
        if not ours:
            yield Mismatch(f"no synthetic event has the action {action!r}", False)
            continue
        known: dict[str, set[str]] = {}
        for event_shape in ours:
            for path, kinds in event_shape.items():
                known.setdefault(path, set()).update(kinds)
        always = set.intersection(*(set(event_shape) for event_shape in ours))
        always = {path for path in always if not path.endswith(_ELEMENTS)}
        theirs = [shape(event) for event in real if event.get("action") == action]
        yield from _differences(action, theirs, known, always)


def calibrate(run: Path) -> Calibration:
    """Compare browsers' events of the run in the folder *run* with synthetic events of the same experiment.

    Raises:
        CalibrationError: no browser sent events in that run.
    """
    manifest = Manifest.read(run)
    browsers = {account.visit for account in read_roster(run) if account.fidelity is Fidelity.BROWSER}
    carried = read_ledger(run / LEDGER).bodies.items()
    # A body that is an array holds several events.
    sent = [event for (visit, _), body in carried if visit in browsers for event in _events(orjson.loads(body))]
    real = [event for event in sent if event.get("action") in ("impression", "click")]
    if not real:
        raise CalibrationError(
            f"no browser sent events in {run.name}: `dogfood browse --scenario ctr` makes such a run"
        )
    synthetic = _synthetic(PlanSettings.from_json(manifest.plan))
    # An account may be in other experiments as well; their names are not a difference.
    others = frozenset(str(config.get("slug")) for config in manifest.other_experiments)
    values = _values(real, synthetic, others)
    differences = [*(mismatch.sentence for mismatch in compare(real, synthetic)), *values]
    return Calibration(len(real), len(synthetic), tuple(differences))


def calibrate_against(events: Path, settings: PlanSettings) -> Calibration:
    """Compare captured events (NDJSON, as an intake wrote them) with synthetic ones with the same attributes.

    The attributes that an event has are taken as those that its instrument requested. Names and values are another
    experiment's, so only shapes are compared.

    Args:
        events: file of events.
        settings: settings of the plan for synthetic events; generation and instrument are adapted.

    Raises:
        CalibrationError: the file cannot be read, or holds no event.
    """
    try:
        captured = [orjson.loads(line) for line in events.read_bytes().splitlines() if line.strip()]
    except (OSError, orjson.JSONDecodeError) as error:
        raise CalibrationError(f"{events} is not a file of events: {error}") from error
    if not captured:
        raise CalibrationError(f"{events} holds no event")
    if not all(isinstance(event, dict) for event in captured):
        raise CalibrationError(f"{events} is not a file of events: a line is not a JSON object")
    groups: dict[tuple[Generation, tuple[str, ...]], list[Event]] = {}
    for event in captured:
        groups.setdefault((_generation(event), _requested(shape(event))), []).append(event)
    mismatches: dict[Mismatch, None] = {}
    total = 0
    for (generation, attributes), real in groups.items():
        synthetic = _synthetic(_adapted(settings, generation, attributes))
        total += len(synthetic)
        mismatches |= dict.fromkeys(compare(real, synthetic))
    differences, gaps = (tuple(item.sentence for item in mismatches if item.is_gap is gap) for gap in (False, True))
    return Calibration(len(captured), total, differences, gaps)


def _synthetic(settings: PlanSettings) -> list[Event]:
    plan = Plan(replace(settings, visitors=_VISITS))
    return [orjson.loads(event.body) for event in plan.events(0, _VISITS)]


def _adapted(settings: PlanSettings, generation: Generation, attributes: Sequence[str]) -> PlanSettings:
    """Return *settings* for events of *generation* with an instrument that requests *attributes*."""
    instrument = {**settings.instrument, "contextual_attributes": list(attributes)}
    same = generation is settings.generation
    experiment = settings.experiment if same else example_experiment(generation)
    return replace(settings, instrument=instrument, experiment=experiment, generation=generation)


def _generation(event: Event) -> Generation:
    """Return the generation of *event*, by the member that names the experiment."""
    fragments = {profile.fragment: generation for generation, profile in PROFILES.items()}
    return next((fragments[name] for name in fragments if name in event), Generation.ALPHA)


def _events(content: object) -> Iterator[Event]:
    yield from (item for item in (content if isinstance(content, list) else [content]) if isinstance(item, Mapping))


def _requested(kinds: Shape) -> tuple[str, ...]:
    # `page_namespace` is an older name of another attribute's field, so it is left out.
    return tuple(
        name
        for name, path in _ATTRIBUTE_PATHS.items()
        if name != "page_namespace" and path in kinds and path.count(".") == 1
    )


def _differences(
    action: str, theirs: list[Shape], known: Mapping[str, set[str]], always: set[str]
) -> Iterator[Mismatch]:
    counts: dict[str, int] = {}
    missing: dict[str, int] = {}
    for event_shape in theirs:
        for path in always - event_shape.keys():
            missing[path] = missing.get(path, 0) + 1
        for path, kinds in event_shape.items():
            if path not in known:
                problem = f"{path} ({_or(kinds)}) is not in synthetic events"
            elif strange := kinds - known[path]:
                problem = f"{path} is {_or(strange)}, and {_or(known[path])} in synthetic events"
            else:
                continue
            counts[problem] = counts.get(problem, 0) + 1
    for path, count in sorted(missing.items()):
        sentence = f"{action}: {path} is missing (in {count:,} of {len(theirs):,})"
        yield Mismatch(sentence, is_gap=count < len(theirs))
    for problem, count in sorted(counts.items()):
        yield Mismatch(f"{action}: {problem} (in {count:,} of {len(theirs):,})", is_gap=False)


def _or(kinds: Iterable[str]) -> str:
    return " or ".join(sorted(kinds))


def _values(real: Iterable[Event], synthetic: Iterable[Event], others: frozenset[str]) -> Iterator[str]:
    """Yield a sentence for each constant field with a value in *real* events that no *synthetic* one has.

    Each element of a list is a value. Elements that name one of the *others*, experiments that were active as well, are
    left out; elements in every synthetic event must be in every real one.
    """
    theirs, ours = _constants(real), _constants(synthetic)
    named = {orjson.dumps(name).decode() for name in others}
    for path in _CONSTANT:
        mine = set().union(*ours.get(path, ()))
        extra = set().union(*theirs.get(path, ())) - mine - named
        if extra:
            known = ", ".join(sorted(mine)) or "nothing"
            yield f"{path} is {', '.join(sorted(extra))}, and {known} in synthetic events"
        always = frozenset.intersection(*ours[path]) if path in ours else frozenset()
        lacking = [values for values in theirs.get(path, ()) if always - values]
        # For a field with one value, the sentence above reports it already.
        if lacking and not extra and path in _LISTS:
            yield f"{path} lacks {', '.join(sorted(always))} in {len(lacking):,} events"


def _constants(events: Iterable[Event]) -> dict[str, list[frozenset[str]]]:
    """Return the values of each constant field, event by event: one, or those of a list's elements."""
    values: dict[str, list[frozenset[str]]] = {}
    for event in events:
        for path in _CONSTANT:
            value: object = event
            for key in path.split("."):
                value = value.get(key) if isinstance(value, Mapping) else None
            if value is not None:
                elements = value if isinstance(value, list) else [value]
                values.setdefault(path, []).append(frozenset(orjson.dumps(item).decode() for item in elements))
    return values


def _fields(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, member in value.items():
            name = "*" if path in _MAPS else str(key)
            yield from _fields(member, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        yield path, "list"
        for element in value:
            yield from _fields(element, f"{path}[]")
    else:
        yield path, _kind(value)


def _kind(value: object) -> str:
    if isinstance(value, str):
        return next((name for name, pattern in _FORMATS.items() if pattern.fullmatch(value)), "text")
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "number"
    return "null"
