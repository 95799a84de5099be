"""Shapes of events: what differs is found, what only changes from event to event is not."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.shapes import CalibrationError, calibrate, calibrate_against, compare, shape
from metrics_platform.assignment import Generation
from tests.analysis.runs import Event, make_run
from tests.contracts import contract_path
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
    assert any(says in difference.told for difference in compare(changed, OURS))


def test_what_only_some_lack_is_a_gap() -> None:
    some = [dict(event) for event in OURS[:40]]
    impression = next(event for event in some if event["action"] == "impression")
    del impression["instrument_name"]
    [found] = compare(some, OURS)
    assert found.is_gap
    assert "instrument_name is missing (in 1 of" in found.told


def test_what_the_intake_adds_and_names_of_features_do_not_count() -> None:
    event = {**OURS[0], "http": {"method": "POST"}, "meta": {**OURS[0]["meta"], "dt": "x", "request_id": "y"}}
    event["experiments"] = {**event["experiments"], "assigned": {"another": "true"}}
    assert shape(event) == shape(OURS[0])


def test_the_captured_events_are_alike() -> None:
    found = calibrate_against(contract_path("captured-accepted-events.ndjson"), settings())
    assert (found.real, found.differences) == (227, ())
    assert [gap.split(" (")[0] for gap in found.gaps] == [
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
