"""Do browsers' events and synthetic ones differ in anything but what changes from event to event?"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import orjson

from common.errors import DogfoodError
from contracts.assignment import Generation
from contracts.configs import CONTEXTUAL_ATTRIBUTES
from contracts.profiles import PROFILES
from personas.example_experiment import example_experiment
from personas.plan.plan import Plan
from personas.plan.settings import PlanSettings
from run_record.ledger.files import read_ledger
from run_record.manifest import Manifest
from run_record.roster import Fidelity, read_roster
from run_record.run_folder import LEDGER

Event = Mapping[str, object]
#: By path, the kinds of value that are there: one, or those of a list's elements, whose path ends in `[]`.
Shape = Mapping[str, frozenset[str]]

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

#: Objects whose keys are names of features, headers and the like: each member is looked at, and its key is not.
_MAPS = ("experiments.assigned",)

#: Ends of paths of a list's elements and of a map's members. A list or a map may be empty.
_ELEMENTS = ("[]", ".*")

#: Fields whose values are the same for everybody, so that a value of a browser's has to occur in synthetic events.
_CONSTANT = (
    "$schema", "action", "action_source", "agent.client_platform", "agent.client_platform_family",
    "element_friendly_name", "funnel_event_sequence_position", "instrument_name", "mediawiki.database",
    "mediawiki.skin", "meta.stream", "sample.rate", "sample.unit", "experiment.enrolled", "experiment.sampling_unit",
    "experiment.coordinator", "experiments.enrolled", "performer.edit_count_bucket",
)  # fmt: skip

#: Those of them that are lists.
_LISTS = ("experiments.enrolled",)

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


class Mismatch(NamedTuple):
    """One way in which real events differ: a sentence, and whether only some of them do so by lacking a field."""

    told: str
    is_gap: bool


def shape(event: Event) -> Shape:
    """Return the kinds of every field of *event*, by its path; what the intake adds is left out.

    Lists and maps are looked at element by element: how many there are, and in which order, is no part of the shape.
    """
    found: dict[str, frozenset[str]] = {}
    for path, kind in _fields(event, ""):
        if not any(path == name or path.startswith(f"{name}.") for name in _OF_THE_INTAKE):
            found[path] = found.get(path, frozenset()) | {kind}
    return found


def compare(real: Sequence[Event], synthetic: Sequence[Event]) -> Iterator[Mismatch]:
    """Yield each way in which the shapes of *real* events differ from those of *synthetic* ones.

    Each real event has to be shaped like some synthetic event of its action, and each field that all synthetic events
    of an action have has to be in its real ones.
    """
    for action in sorted({str(event.get("action")) for event in real}):
        ours = [shape(event) for event in synthetic if event.get("action") == action]
        if not ours:
            yield Mismatch(f"no synthetic event has the action {action!r}", False)
            continue
        known: dict[str, set[str]] = {}
        for found in ours:
            for path, kinds in found.items():
                known.setdefault(path, set()).update(kinds)
        always = set.intersection(*(set(found) for found in ours))
        always = {path for path in always if not path.endswith(_ELEMENTS)}
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
    # A body that is an array holds several events.
    sent = [event for (visit, _), body in carried if visit in browsers for event in _events(orjson.loads(body))]
    real = [event for event in sent if event.get("action") in ("impression", "click")]
    if not real:
        raise CalibrationError(
            f"no browser sent events in {run.name}: `dogfood browse --scenario ctr` makes such a run"
        )
    synthetic = _synthetic(PlanSettings.from_json(manifest.plan))
    # A user may be in other experiments as well: their names are no difference.
    others = frozenset(str(config.get("slug")) for config in manifest.other_experiments)
    values = _values(real, synthetic, others)
    found = [*(difference.told for difference in compare(real, synthetic)), *values]
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
    if not all(isinstance(event, dict) for event in captured):
        raise CalibrationError(f"{events} is no file of events: a line is no JSON object")
    groups: dict[tuple[Generation, tuple[str, ...]], list[Event]] = {}
    for event in captured:
        groups.setdefault((_generation(event), _asked(shape(event))), []).append(event)
    found: dict[Mismatch, None] = {}
    total = 0
    for (generation, asked), real in groups.items():
        synthetic = _synthetic(_adapted(settings, generation, asked))
        total += len(synthetic)
        found |= dict.fromkeys(compare(real, synthetic))
    differences, gaps = (tuple(item.told for item in found if item.is_gap is gap) for gap in (False, True))
    return Calibration(len(captured), total, differences, gaps)


def _synthetic(settings: PlanSettings) -> list[Event]:
    plan = Plan(replace(settings, visitors=_VISITS))
    return [orjson.loads(event.body) for event in plan.events(0, _VISITS)]


def _adapted(settings: PlanSettings, generation: Generation, asked: Sequence[str]) -> PlanSettings:
    """Return *settings* for events of *generation* whose instrument asks for the attributes *asked*."""
    instrument = {**settings.instrument, "contextual_attributes": list(asked)}
    same = generation is settings.generation
    experiment = settings.experiment if same else example_experiment(generation)
    return replace(settings, instrument=instrument, experiment=experiment, generation=generation)


def _generation(event: Event) -> Generation:
    """Return which generation *event* is of, by the member that says the experiment."""
    fragments = {profile.fragment: generation for generation, profile in PROFILES.items()}
    return next((fragments[name] for name in fragments if name in event), Generation.ALPHA)


def _events(content: object) -> Iterator[Event]:
    yield from (item for item in (content if isinstance(content, list) else [content]) if isinstance(item, Mapping))


def _asked(found: Shape) -> tuple[str, ...]:
    # Two names of one field: the newer one will do.
    return tuple(
        name for name, path in _PLACES.items() if name != "page_namespace" and path in found and path.count(".") == 1
    )


def _differences(
    action: str, theirs: list[Shape], known: Mapping[str, set[str]], always: set[str]
) -> Iterator[Mismatch]:
    counts: dict[str, int] = {}
    missing: dict[str, int] = {}
    for found in theirs:
        for path in always - found.keys():
            missing[path] = missing.get(path, 0) + 1
        for path, kinds in found.items():
            if path not in known:
                what = f"{path} ({_or(kinds)}) is not in synthetic events"
            elif strange := kinds - known[path]:
                what = f"{path} is {_or(strange)}, and {_or(known[path])} in synthetic events"
            else:
                continue
            counts[what] = counts.get(what, 0) + 1
    for path, count in sorted(missing.items()):
        told = f"{action}: {path} is missing (in {count:,} of {len(theirs):,})"
        yield Mismatch(told, is_gap=count < len(theirs))
    for what, count in sorted(counts.items()):
        yield Mismatch(f"{action}: {what} (in {count:,} of {len(theirs):,})", is_gap=False)


def _or(kinds: Iterable[str]) -> str:
    return " or ".join(sorted(kinds))


def _values(real: Iterable[Event], synthetic: Iterable[Event], others: frozenset[str]) -> Iterator[str]:
    """Yield the constant fields whose values in *real* events do not occur in *synthetic* ones.

    A list has several values, one an element. Elements that name one of the *others*, experiments that went on as well,
    are left out; those of every synthetic event have to be in every real one.
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
        # Of a field with one value the sentence above has said it.
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
