"""Shapes of events: what differs is found, what only changes from event to event is not."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.calibration import CalibrationError, calibrate, calibrate_against, compare, shape
from contracts.generation import Generation
from personas.example_experiment import example_instrument
from run_record.ledger.files import LedgerWriter, Span
from run_record.manifest import Manifest
from run_record.roster import Account, Fidelity, write_roster
from tests.analysis.runs import Event, make_run
from tests.contract_samples import contract_path
from tests.plans import plan, settings

OURS = [json.loads(event.body) for event in plan().events(0, 400)]


def test_other_people_at_other_times_are_alike() -> None:
    others = [json.loads(event.body) for event in plan(seed=99, epoch_ms=1_700_000_000_000).events(0, 100)]
    assert list(compare(others, OURS)) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda event: {**event, "surprise": 1}, "surprise (number) is not in synthetic events"),
        (lambda event: {**event, "dt": event["dt"].removesuffix("Z")}, "dt is text, and moment"),
        (lambda event: {**event, "page": {**event["page"], "id": "7"}}, "page.id is text, and number"),
        (lambda event: {**event, "performer": {}}, "performer.id is missing"),
        (lambda event: {**event, "funnel_entry_token": "XYZ"}, "funnel_entry_token is text, and 20 hex digits"),
        (lambda event: {**event, "action": "hover"}, "no synthetic event has the action 'hover'"),
    ],
)
def test_a_difference_is_named(change: object, says: str) -> None:
    changed: list[Event] = [change(event) for event in OURS[:40]]  # type: ignore[operator]
    assert any(says in difference.sentence for difference in compare(changed, OURS))


def test_what_only_some_lack_is_a_gap() -> None:
    some = [dict(event) for event in OURS[:40]]
    impression = next(event for event in some if event["action"] == "impression")
    del impression["instrument_name"]
    [result] = compare(some, OURS)
    assert result.is_gap
    assert "instrument_name is missing (in 1 of" in result.sentence


def test_intake_fields_and_feature_names_are_ignored() -> None:
    event = {**OURS[0], "http": {"method": "POST"}, "meta": {**OURS[0]["meta"], "dt": "x", "request_id": "y"}}
    event["experiments"] = {**event["experiments"], "assigned": {"another": "true"}}
    assert shape(event) == shape(OURS[0])


def test_the_captured_events_are_alike() -> None:
    result = calibrate_against(contract_path("captured-accepted-events.ndjson"), settings())
    assert (result.real, result.differences) == (227, ())
    assert [gap.split(" (")[0] for gap in result.gaps] == [
        "click: instrument_name is missing", "impression: instrument_name is missing",
    ]  # fmt: skip


def test_there_have_to_be_events(tmp_path: Path) -> None:
    make_run(tmp_path / "run", Generation.ALPHA, visitors=50)
    with pytest.raises(CalibrationError, match="no browser sent events"):
        calibrate(tmp_path / "run")
    for content in ("", "no json"):
        (tmp_path / "file").write_text(content)
        with pytest.raises(CalibrationError):
            calibrate_against(tmp_path / "file", replace(settings(), visitors=10))


def sent_by_browsers(folder: Path, generation: Generation, bodies: list[Any], **changes: object) -> Path:
    """Make a run in *folder* whose one browser has sent *bodies*."""
    run = make_run(folder, generation, visitors=50)
    replace(Manifest.read(folder), fidelity="synthetic,browser", **changes).write(folder)  # type: ignore[arg-type]
    write_roster(folder, [Account(50, Fidelity.BROWSER, 7, 7, "Reader", True)])
    with LedgerWriter(run.folder / "ledger", "browser") as ledger:
        for position, body in enumerate(bodies):
            ledger.intend([Span(50, position, 1)], intended_ms=0, sent_ms=0, bodies=[json.dumps(body).encode()])
    return folder


def synthetic(generation: Generation, visits: int = 60) -> list[Event]:
    return [json.loads(event.body) for event in plan(generation).events(0, visits)]


def test_other_experiments_are_not_a_difference(tmp_path: Path) -> None:
    events = synthetic(Generation.ALPHA)
    for event in events[::2]:
        event["experiments"] = {
            "enrolled": ["another", *event["experiments"]["enrolled"]],
            "assigned": {**event["experiments"]["assigned"], "another-feature": "b"},
        }
    others = ({"slug": "another", "status": 1},)
    assert calibrate(sent_by_browsers(tmp_path / "a", Generation.ALPHA, events, other_experiments=others)) == (
        replace(calibrate(sent_by_browsers(tmp_path / "b", Generation.ALPHA, OURS[: len(events)])), real=len(events))
    )
    unknown = calibrate(sent_by_browsers(tmp_path / "c", Generation.ALPHA, events))
    assert unknown.differences == ('experiments.enrolled is "another", and "dogfood-ctr" in synthetic events',)
    for event in events:
        event["experiments"]["enrolled"] = ["another"]
    lacking = calibrate(sent_by_browsers(tmp_path / "d", Generation.ALPHA, events, other_experiments=others))
    assert any('experiments.enrolled lacks "dogfood-ctr"' in line for line in lacking.differences)


def test_list_elements_are_compared_individually() -> None:
    run_plan = plan(instrument={**example_instrument(), "contextual_attributes": ["performer_groups"]})
    ours = [json.loads(event.body) for event in run_plan.events(0, 60)]
    longer = [{**event, "performer": {"groups": ["a", "b", "c"]}} for event in ours]
    numbers = [{**event, "performer": {"groups": ["a", 7]}} for event in ours]
    assert list(compare(longer, ours)) == []
    assert any("performer.groups[] is number, and text" in item.sentence for item in compare(numbers, ours))


def test_beacons_that_are_arrays_are_compared(tmp_path: Path) -> None:
    events = synthetic(Generation.XLAB)
    run = sent_by_browsers(tmp_path / "run", Generation.XLAB, [[event] for event in events[:-2]] + [events[-2:]])
    result = calibrate(run)
    assert (result.real, result.differences) == (len(events), ())


def test_captured_events_are_compared_within_their_generation(tmp_path: Path) -> None:
    file = tmp_path / "captured.ndjson"
    file.write_text("\n".join(json.dumps(event) for event in synthetic(Generation.XLAB)))
    assert calibrate_against(file, settings()).differences == ()
