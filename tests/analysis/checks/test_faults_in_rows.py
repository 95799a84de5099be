"""Rows edited in the ways in which pipelines go wrong: found, and the right layer named."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.analyse import Analysis, analyse
from analysis.verdict import CheckStatus, Layer, Verdict
from contracts.generation import Generation
from contracts.intake import EventOutcome
from run_record.manifest import Manifest
from tests.analysis.runs import Event, MadeUp, answered, check, failed, make_run

HASTY = answered(202, EventOutcome.INDETERMINATE, 1)


def group_of(event: Event) -> str:
    return str(next(iter(event["experiments"]["assigned"].values())))


def subjects_events(events: list[Event]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for event in events:
        counts[event["performer"]["id"]] = counts.get(event["performer"]["id"], 0) + 1
    return counts


def again_with_new_ids(events: list[Event]) -> list[Event]:
    copies = copy.deepcopy(events[100:130])
    for number, event in enumerate(copies):
        event["meta"]["id"] = f"00000000-0000-4000-8000-{number:012d}"
    return [*events, *events[:20], *copies]


def with_canaries(events: list[Event]) -> list[Event]:
    canaries = copy.deepcopy(events[:10])
    for number, event in enumerate(canaries):
        event["meta"].update(id=f"00000000-0000-4000-8000-{number:012d}", domain="canary")
        event.pop("experiments")
        event["instrument_name"] = None
    return [*events, *canaries]


def truncated(events: list[Event]) -> list[Event]:
    for event in events:
        assigned = event["experiments"]["assigned"]
        assigned.update({name: group[:3] for name, group in assigned.items()})
    return events


def bots_filtered(events: list[Event]) -> list[Event]:
    counts = subjects_events(events)
    groups = {event["performer"]["id"]: group_of(event) for event in events}
    heavy = {who for who, count in counts.items() if count >= (6 if groups[who] == "true" else 9)}
    return [event for event in events if event["performer"]["id"] not in heavy]


def in_another_stream(events: list[Event]) -> list[Event]:
    for event in events[::3]:
        event["meta"]["stream"] = "product_metrics.other"
    return events


def one_groups_loss(events: list[Event]) -> list[Event]:
    treated = [event for event in events if group_of(event) == "true"]
    names = {event["meta"]["id"] for event in treated[::20]}
    return [event for event in events if event["meta"]["id"] not in names]


def half_of_the_sample(events: list[Event]) -> list[Event]:
    who = sorted(subjects_events(events))
    kept = set(who[::2])
    return [event for event in events if event["performer"]["id"] in kept]


def a_silence(events: list[Event]) -> list[Event]:
    ordered = sorted(events, key=lambda event: event["meta"]["dt"])
    begin, end = (ordered[len(ordered) * part // 10]["meta"]["dt"] for part in (4, 6))
    return [event for event in events if not begin <= event["meta"]["dt"] < end]


def without_names(events: list[Event]) -> list[Event]:
    for event in events:
        del event["instrument_name"], event["element_friendly_name"]
    return events


def without_positions(events: list[Event]) -> list[Event]:
    for event in events:
        event["funnel_event_sequence_position"] = 1
    return events


@pytest.mark.parametrize(
    ("tamper", "name", "layer"),
    [
        (again_with_new_ids, "duplicated", Layer.STREAM),
        (again_with_new_ids, "replayed", Layer.STREAM),
        (with_canaries, "canaries", Layer.TABLE),
        (truncated, "assignment", Layer.TABLE),
        (bots_filtered, "lost", Layer.TABLE),
        (in_another_stream, "stream", Layer.STREAM),
        (one_groups_loss, "lost", Layer.TABLE),
        (half_of_the_sample, "sample-rate", Layer.TRANSPORT),
        (a_silence, "silences", Layer.INTAKE),
        (without_names, "names", Layer.TABLE),
        (without_positions, "funnel", Layer.TABLE),
    ],
)
def test_fault_names_its_layer(
    tmp_path: Path, tamper: Callable[[list[Event]], list[Event]], name: str, layer: Layer
) -> None:
    run = make_run(tmp_path)
    run.land(tamper(copy.deepcopy(run.events)))
    analysis = analyse(tmp_path)
    assert (analysis.verdict, check(analysis, name).status) == (Verdict.NO_GO, CheckStatus.FAIL)
    assert check(analysis, name).layer is analysis.layer is layer


def test_bot_filter_differs_from_hasty_loss(tmp_path: Path) -> None:
    run = make_run(tmp_path, change=HASTY, hasty=True)
    run.land(bots_filtered(copy.deepcopy(run.events)))
    assert check(analyse(tmp_path), "lost").layer is Layer.TABLE
    scattered = make_run(tmp_path / "scattered", change=HASTY, hasty=True)
    scattered.land([event for number, event in enumerate(scattered.events) if number % 40])
    assert check(analyse(scattered.folder), "lost").layer is Layer.INTAKE


def test_the_segment_that_lost_most_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    mobile = [e["meta"]["id"] for e in run.events if e["agent"]["client_platform_family"] == "mobile_browser"]
    names = set(mobile[::3])
    run.land([event for event in run.events if event["meta"]["id"] not in names])
    result = check(analyse(tmp_path), "lost")
    first = result.evidence["segments"][0]  # type: ignore[index]  # evidence is JSON
    assert first["value"] in ("mobile_browser", "mobile-reader", "minerva")
    assert first["rest"] == 0
    assert first["low"] > 0.2
    assert repr(first["value"]) in result.summary


def test_subjects_that_are_still_awaited_are_the_instruments(tmp_path: Path) -> None:
    run = make_run(tmp_path, Generation.XLAB)
    events = copy.deepcopy(run.events)
    for event in events:
        event["experiment"]["subject_id"] = "awaiting"
    run.land(events)
    result = check(analyse(tmp_path), "subject-ids")
    assert (result.status, result.layer) == (CheckStatus.FAIL, Layer.INSTRUMENT)
    assert "awaiting" in result.summary


def test_a_schema_that_does_not_exist_is_told(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    events = copy.deepcopy(run.events)
    for event in events[:40]:
        event["$schema"] = "/analytics/product_metrics/web/base/9.9.9"
    run.land(events)
    analysis = analyse(tmp_path)
    assert failed(analysis) == {"names", "schema", "corrupted"}
    assert "9.9.9" in check(analysis, "schema").summary


def test_a_switched_off_experiment_is_a_config_fault(tmp_path: Path) -> None:
    result = with_experiment(make_run(tmp_path), status=0)
    assert (result.verdict, result.layer) == (Verdict.NO_GO, Layer.CONFIG)
    assert "switched off" in result.sentence
    ended = make_run(tmp_path / "ended")
    result = with_experiment(ended, **dates(ended, "2024-01-01T00:00:00Z", "2024-06-01T00:00:00Z"))
    assert (result.layer, check(result, "active").status) == (Layer.CONFIG, CheckStatus.FAIL)


def dates(run: MadeUp, start: str, end: str) -> dict[str, object]:
    names = [name for name in run.plan.settings.experiment if name.endswith("_dt")]
    return dict(zip(sorted(names, reverse=True), (start, end), strict=True))


def with_experiment(run: MadeUp, **changes: object) -> Analysis:
    """Judge *run* as if its experiment had been configured with *changes*."""
    manifest = Manifest.read(run.folder)
    experiment = {**run.plan.settings.experiment, **changes}
    replace(manifest, plan={**manifest.plan, "experiment": experiment}).write(run.folder)
    run.land()
    return analyse(run.folder)


@pytest.mark.parametrize(("hour", "rule"), [("15", "after the run had ended"), ("13", "before they were due")])
def test_rows_received_outside_the_run_fail(tmp_path: Path, hour: str, rule: str) -> None:
    run = make_run(tmp_path)
    events = copy.deepcopy(run.events)
    for event in events[::10]:
        event["meta"]["dt"] = event["meta"]["dt"].replace("T14:", f"T{hour}:")
    run.land(events)
    analysis = analyse(tmp_path)
    result = check(analysis, "times")
    assert (analysis.verdict, result.status, result.layer) == (Verdict.NO_GO, CheckStatus.FAIL, Layer.INTAKE)
    assert rule in result.summary
