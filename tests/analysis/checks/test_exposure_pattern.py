"""The layer that is blamed is the one at fault, and the sentence says where to look."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.analyse import analyse
from analysis.verdict import CheckStatus, Layer, Verdict
from contracts.generation import Generation
from contracts.intake import EventOutcome
from contracts.schemas import WEB_BASE_1_3_0
from tests.analysis.runs import STARTED_MS, Event, Sent, answered, check, failed, make_run


def subject(event: Event) -> str:
    return str(event["experiment"]["subject_id"])


def rename_group(events: list[Event]) -> list[Event]:
    for event in events[::200]:
        event["experiment"]["assigned"] += "-x"
    return events


def drop_subjects(events: list[Event]) -> list[Event]:
    groups = sorted({event["experiment"]["assigned"] for event in events})
    subjects = sorted({subject(event) for event in events if event["experiment"]["assigned"] == groups[0]})
    names = set(subjects[::33])
    return [event for event in events if subject(event) not in names]


@pytest.mark.parametrize(
    ("tamper", "checks"),
    [
        (lambda events: [event for i, event in enumerate(events) if i % 100], {"lost"}),
        (lambda events: [*events, *events[:50]], {"duplicated"}),
        (rename_group, {"assignment", "stickiness", "corrupted"}),
        (drop_subjects, {"lost"}),
    ],
)
def test_changed_xlab_rows_fail_the_right_check(
    tmp_path: Path, tamper: Callable[[list[Event]], list[Event]], checks: set[str]
) -> None:
    run = make_run(tmp_path, Generation.XLAB)
    run.land(tamper(run.events))
    analysis = analyse(tmp_path)
    assert analysis.verdict is Verdict.NO_GO
    assert failed(analysis) == checks


@pytest.mark.parametrize(("hasty", "layer"), [(False, Layer.TABLE), (True, Layer.INTAKE)])
def test_lost_subjects_are_not_an_exposure_fault(tmp_path: Path, hasty: bool, layer: Layer) -> None:
    status, outcome = (202, EventOutcome.INDETERMINATE) if hasty else (201, EventOutcome.OK)
    run = make_run(tmp_path, change=answered(status, outcome, 1), hasty=hasty)
    run.land(
        [
            event
            for event in run.events
            if "true" not in event["experiments"]["assigned"].values() or event["performer"]["id"] % 2
        ]
    )
    analysis = analyse(tmp_path)
    assert failed(analysis) == {"sample-ratio", "segments", "sample-rate", "lost"}
    assert {check(analysis, name).layer for name in failed(analysis)} == {analysis.layer} == {layer}
    assert "lost on the way" in check(analysis, "sample-ratio").summary
    assert "on the way" in check(analysis, "sample-rate").summary


def test_subjects_without_events_are_an_exposure_fault(tmp_path: Path) -> None:
    groups = make_run(tmp_path / "all").plan.subjects(0, 1500).group

    def change(sent: Sent) -> Sent | None:
        return None if groups[sent.visit] == 1 and sent.visit % 2 else sent

    run = make_run(tmp_path / "half", change=change, stopped_early=True)
    run.land()
    analysis = analyse(run.folder)
    assert failed(analysis) == {"sample-ratio", "segments"}
    assert (analysis.verdict, analysis.layer) == (Verdict.NO_GO, Layer.EXPOSURE)


@pytest.mark.parametrize(
    ("outcome", "reason", "layer"),
    [
        (EventOutcome.INVALID, "'.action' should be string", Layer.INTAKE),
        (EventOutcome.ERROR, "Failed loading schema at /no/such/1.3.1", Layer.INTAKE),
        (EventOutcome.ERROR, f"Failed loading schema at {WEB_BASE_1_3_0}", Layer.INSTRUMENT),
        (EventOutcome.ERROR, "Broker: not enough in-sync replicas", Layer.INTAKE),
    ],
)
def test_refusals_are_blamed_on_who_can_mend_them(
    tmp_path: Path, outcome: EventOutcome, reason: str, layer: Layer
) -> None:
    status = 400 if outcome is EventOutcome.INVALID else 500

    def change(sent: Sent) -> Sent:
        return replace(sent, status=status, outcome=outcome, reason=reason) if sent.visit < 20 else sent

    run = make_run(tmp_path, change=change)
    refused = {event.id for event in run.plan.events(0, 20)}
    run.land([event for event in run.events if event["meta"]["id"] not in refused])
    analysis = analyse(tmp_path)
    assert (failed(analysis), analysis.layer) == ({"invalid"}, layer)
    assert reason in analysis.sentence


@pytest.mark.parametrize("shift_h", [-24 * 365, 24])
def test_other_epoch_makes_no_event_late(tmp_path: Path, shift_h: int) -> None:
    run = make_run(tmp_path, epoch_ms=STARTED_MS + shift_h * 3_600_000)
    run.land()
    assert run.events[0]["dt"][:10] != run.events[0]["meta"]["dt"][:10]
    assert analyse(tmp_path).verdict is Verdict.GO


def test_stopped_subjects_do_not_change_the_sample_rate(tmp_path: Path) -> None:
    run = make_run(
        tmp_path, change=lambda sent: sent if sent.visit < 500 or sent.visit % 3 else None, stopped_early=True
    )
    run.land()
    rate = check(analyse(tmp_path), "sample-rate")
    assert rate.status is CheckStatus.PASS
    assert rate.evidence["in_sample"] == rate.evidence["in_sample_when_sent"]


def test_worker_that_stopped_early_is_named(tmp_path: Path) -> None:
    last = next(event.visit for event in make_run(tmp_path / "all").plan.events(1200, 100))

    def change(sent: Sent) -> Sent | None:
        return replace(sent, status=None, outcome=None) if sent.visit == last else sent if sent.visit < last else None

    run = make_run(tmp_path / "cut", change=change)
    run.land()
    analysis = analyse(run.folder)
    assert (analysis.verdict, analysis.layer) == (Verdict.INVALID, Layer.GENERATOR)
    assert "worker-0-1 left" in analysis.sentence
