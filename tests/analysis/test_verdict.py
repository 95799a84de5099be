"""A clean run says GO; a run that was tampered with says NO-GO, by the right check."""

import copy
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pyarrow as pa
import pytest

from analysis.analyse import analyse, write
from analysis.engines.duckdb_engine import DuckDbEngine
from analysis.engines.sql_files import query_names, sql
from analysis.reports.html import render
from analysis.verdict import CheckResult, CheckStatus, Layer, Verdict, fold
from contracts.generation import Generation
from contracts.intake import EventOutcome
from contracts.schema_probe import Served
from contracts.schemas import WEB_BASE_1_3_0
from contracts.table import columns, rows_of
from run_record.platform_state import PlatformState
from tests.analysis.runs import VISITORS, Event, Sent, answered, check, failed, make_run


@pytest.mark.parametrize("generation", Generation)
def test_a_clean_run_is_go(tmp_path: Path, generation: Generation) -> None:
    run = make_run(tmp_path, generation)
    run.land()
    analysis = analyse(tmp_path)
    assert (analysis.verdict, analysis.layer) == (Verdict.GO, None)
    # Files do not tell when their rows were added.
    assert [item.name for item in analysis.checks if item.status is not CheckStatus.PASS] == ["freshness"]
    counts = dict(analysis.reconciliation)
    assert counts.pop("offered") == counts.pop("ok") == len(run.events)
    assert set(counts.values()) == {0}
    assert sum(group.landed for group in analysis.groups) > 700
    assert sum(group.impressions + group.clicks for group in analysis.groups) == len(run.events)


def alter_group(events: list[Event]) -> list[Event]:
    for event in events[::200]:
        assigned = event["experiments"]["assigned"]
        assigned.update({name: f"{group}-x" for name, group in assigned.items()})
    return events


def swap_group(events: list[Event]) -> list[Event]:
    for event in events[::200]:
        assigned = event["experiments"]["assigned"]
        assigned.update({name: "true" if group == "false" else "false" for name, group in assigned.items()})
    return events


def in_group(event: Event, group: str) -> bool:
    return group in event["experiments"]["assigned"].values()


def drop_subjects(events: list[Event]) -> list[Event]:
    subjects = sorted({event["performer"]["id"] for event in events if in_group(event, "true")})
    names = set(subjects[::33])
    return [event for event in events if event["performer"]["id"] not in names]


def foreign(events: list[Event]) -> list[Event]:
    stranger = copy.deepcopy(events[0])
    stranger["meta"]["id"] = "11111111-1111-4111-8111-111111111111"
    return [*events, stranger]


def new_ids(events: list[Event]) -> list[Event]:
    for number, event in enumerate(events[:50]):
        event["meta"]["id"] = f"11111111-1111-4111-8111-{number:012d}"
    return events


def set_title(events: list[Event]) -> list[Event]:
    events[5]["page"]["title"] = "Something else"
    return events


def lose_attribute(events: list[Event]) -> list[Event]:
    for event in events[::10]:
        del event["performer"]["session_id"]
    return events


def delay(events: list[Event]) -> list[Event]:
    events[3]["meta"]["dt"] = "2025-01-31T23:30:00.000Z"
    return events


def local_id(events: list[Event]) -> list[Event]:
    for event in events:
        event["performer"]["id"] += 1
    return events


@pytest.mark.parametrize(
    ("tamper", "checks", "layer"),
    [
        (lambda events: [event for i, event in enumerate(events) if i % 100], {"lost"}, Layer.TABLE),
        (lambda events: [*events, *events[:50]], {"duplicated"}, Layer.STREAM),
        (alter_group, {"assignment", "stickiness", "corrupted"}, Layer.TABLE),
        (swap_group, {"assignment", "stickiness", "corrupted"}, Layer.TABLE),
        (drop_subjects, {"lost"}, Layer.TABLE),
        (foreign, {"unexpected", "replayed"}, Layer.STREAM),
        (new_ids, {"lost", "unexpected"}, Layer.TABLE),
        (set_title, {"corrupted"}, Layer.TABLE),
        (lose_attribute, {"attributes", "corrupted"}, Layer.TABLE),
        (delay, {"late"}, Layer.TABLE),
        (local_id, {"assignment", "sampled-out", "corrupted"}, Layer.TABLE),
    ],
)
def test_changed_rows_fail_the_right_check(
    tmp_path: Path, tamper: Callable[[list[Event]], list[Event]], checks: set[str], layer: Layer
) -> None:
    run = make_run(tmp_path)
    run.land(tamper(copy.deepcopy(run.events)))
    analysis = analyse(tmp_path)
    assert analysis.verdict is Verdict.NO_GO
    assert failed(analysis) - {"sample-ratio", "sample-rate"} == checks
    assert (
        analysis.layer in (layer, Layer.ASSIGNMENT, Layer.EXPOSURE)
        if "assignment" in checks
        else analysis.layer is layer
    )
    assert analysis.sentence == next(
        item.summary for item in analysis.checks if item.layer is analysis.layer and item.status is CheckStatus.FAIL
    )


def test_loss_names_its_group(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.land(drop_subjects(run.events))
    lost = check(analyse(tmp_path), "lost")
    assert "group 'true' lost" in lost.summary
    assert lost.evidence["vanished_subjects"]


def test_corrupted_fields_are_named(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.land(set_title(run.events))
    assert check(analyse(tmp_path), "corrupted").evidence["fields"] == {"page.title": 1}


def test_large_loss_is_a_sample_ratio_mismatch(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    names = {
        event["performer"]["id"]
        for event in run.events
        if in_group(event, "true") and event["performer"]["id"] % 2 == 0
    }
    run.land([event for event in run.events if event["performer"]["id"] not in names])
    analysis = analyse(tmp_path)
    assert {"sample-ratio", "sample-rate", "lost"} <= failed(analysis)
    assert (check(analysis, "sample-ratio").p_value or 1) < 0.001


def test_placeholder_subject_id_fails(tmp_path: Path) -> None:
    run = make_run(tmp_path, Generation.XLAB)
    for event in run.events:
        event["experiment"]["subject_id"] = "awaiting"
    run.land()
    assert {"subject-ids", "corrupted"} <= failed(analyse(tmp_path))


@pytest.mark.parametrize(
    ("change", "lands", "word"),
    [
        (answered(202, EventOutcome.INDETERMINATE, 50), True, "ok"),
        (answered(202, EventOutcome.INDETERMINATE, 50), False, "lost"),
        (answered(201, EventOutcome.OK, 50), False, "lost"),
        (answered(207, EventOutcome.OK, 50), False, "lost"),
        (answered(400, EventOutcome.INVALID, 50), False, "invalid"),
        (answered(500, EventOutcome.ERROR, 50), False, "invalid"),
        (answered(500, EventOutcome.ERROR, 50), True, "ok"),
        (answered(None, EventOutcome.INDETERMINATE, 50), True, "ok"),
        (answered(None, EventOutcome.INDETERMINATE, 50), False, "indeterminate"),
        (answered(None, None, 50), False, "indeterminate"),
        (answered(None, None, 50), True, "ok"),
    ],
)
def test_response_and_row_decide_the_fate(
    tmp_path: Path, change: Callable[[Sent], Sent], lands: bool, word: str
) -> None:
    run = make_run(tmp_path, change=change)
    visits = {event.id: event.visit for event in run.plan.events(0, VISITORS)}
    concerned = [event for event in run.events if visits[event["meta"]["id"]] % 50 == 0]
    run.land(run.events if lands else [event for event in run.events if visits[event["meta"]["id"]] % 50])
    counts = analyse(tmp_path).reconciliation
    assert counts[word] == (len(run.events) if word == "ok" else len(concerned))
    fates = ("ok", "lost", "corrupted", "indeterminate", "invalid", "late")
    assert sum(counts[fate] for fate in fates) == counts["offered"] == len(run.events)


def test_error_stream_events_are_invalid(tmp_path: Path) -> None:
    run = make_run(tmp_path, change=answered(202, EventOutcome.INDETERMINATE, 1), hasty=True)
    run.land(run.events[20:])
    run.report_invalid(run.events[:20])
    analysis = analyse(tmp_path)
    assert (analysis.reconciliation["invalid"], analysis.reconciliation["lost"]) == (20, 0)
    assert (analysis.verdict, analysis.layer) == (Verdict.NO_GO, Layer.INTAKE)
    assert "'.x' no" in analysis.sentence


def test_a_hasty_loss_points_at_the_intake(tmp_path: Path) -> None:
    run = make_run(tmp_path, change=answered(202, EventOutcome.INDETERMINATE, 1), hasty=True)
    run.land(run.events[20:])
    assert analyse(tmp_path).layer is Layer.INTAKE


HASTY = answered(202, EventOutcome.INDETERMINATE, 1)


def test_lost_events_of_an_unknown_schema_are_named(tmp_path: Path) -> None:
    run = make_run(tmp_path, change=HASTY, hasty=True)
    run.land([])
    PlatformState({WEB_BASE_1_3_0: Served.NO}).write(tmp_path)
    analysis = analyse(tmp_path)
    assert (analysis.verdict, analysis.layer) == (Verdict.NO_GO, Layer.INSTRUMENT)
    assert WEB_BASE_1_3_0 in analysis.sentence
    assert check(analysis, "invalid").evidence["invalid"] == len(run.events)
    assert check(analysis, "lost").layer is Layer.INSTRUMENT


@pytest.mark.parametrize("answers", [{}, {WEB_BASE_1_3_0: Served.YES}])
def test_lost_events_that_are_valid_blame_the_intake(tmp_path: Path, answers: dict[str, Served]) -> None:
    run = make_run(tmp_path, change=HASTY, hasty=True)
    run.land([])
    PlatformState(answers).write(tmp_path)
    analysis = analyse(tmp_path)
    assert analysis.layer is Layer.INTAKE
    assert check(analysis, "invalid").status is CheckStatus.PASS


def test_acknowledged_events_are_not_validated_again(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.land([])
    PlatformState({WEB_BASE_1_3_0: Served.NO}).write(tmp_path)
    assert analyse(tmp_path).layer is Layer.TABLE


def test_many_unanswered_events_are_inconclusive(tmp_path: Path) -> None:
    for every, verdict in ((500, Verdict.GO), (20, Verdict.INCONCLUSIVE)):
        run = make_run(tmp_path / str(every), change=answered(None, None, every))
        visits = {event.id: event.visit for event in run.plan.events(0, VISITORS)}
        run.land([event for event in run.events if visits[event["meta"]["id"]] % every])
        analysis = analyse(run.folder)
        assert analysis.reconciliation["indeterminate"] > 0
        assert analysis.verdict is verdict


def test_late_generator_makes_the_run_invalid(tmp_path: Path) -> None:
    run = make_run(tmp_path, change=lambda sent: replace(sent, lag_ms=6_000 if sent.visit % 20 == 0 else 0))
    run.land(run.events[10:])
    analysis = analyse(tmp_path)
    assert (analysis.verdict, analysis.layer) == (Verdict.INVALID, Layer.GENERATOR)
    assert "fell behind" in analysis.sentence
    assert "lost" in failed(analysis)


@pytest.mark.parametrize(("stopped_early", "verdict"), [(False, Verdict.INVALID), (True, Verdict.GO)])
def test_incomplete_plan_is_invalid_unless_stopped(tmp_path: Path, stopped_early: bool, verdict: Verdict) -> None:
    run = make_run(tmp_path, change=lambda sent: sent if sent.visit < 1000 else None, stopped_early=stopped_early)
    run.land()
    assert analyse(tmp_path).verdict is verdict


def test_an_event_sent_twice_is_the_generators_fault(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    text = (tmp_path / "ledger" / "worker-0-1.ndjson").read_bytes()
    (tmp_path / "ledger" / "worker-1-2.ndjson").write_bytes(b"".join(text.splitlines(keepends=True)[:2]))
    run.land()
    analysis = analyse(tmp_path)
    assert analysis.verdict is Verdict.INVALID
    assert "sent twice" in analysis.sentence


def test_too_few_subjects_leave_the_verdict_open(tmp_path: Path) -> None:
    run = make_run(tmp_path, visitors=200)
    run.land()
    analysis = analyse(tmp_path)
    assert analysis.verdict is Verdict.INCONCLUSIVE
    assert check(analysis, "sample-ratio").status is CheckStatus.INCONCLUSIVE


def test_nothing_observed_is_not_go(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.land([])
    analysis = analyse(tmp_path)
    assert analysis.verdict is Verdict.NO_GO
    assert analysis.reconciliation["lost"] == len(run.events)


def result(outcome: CheckStatus, layer: Layer) -> CheckResult:
    return CheckResult(f"{outcome}-{layer}", layer, outcome, "…")


def test_verdict_follows_the_order_of_statuses() -> None:
    checks = [
        result(CheckStatus.PASS, Layer.CONFIG),
        result(CheckStatus.INCONCLUSIVE, Layer.ASSIGNMENT),
        result(CheckStatus.FAIL, Layer.TABLE),
        result(CheckStatus.FAIL, Layer.TRANSPORT),
        result(CheckStatus.INVALID, Layer.GENERATOR),
    ]
    for take, verdict, layer in (
        (5, Verdict.INVALID, Layer.GENERATOR),
        (4, Verdict.NO_GO, Layer.TRANSPORT),
        (2, Verdict.INCONCLUSIVE, Layer.ASSIGNMENT),
    ):
        outcome, decisive = fold(checks[:take])
        assert (outcome, decisive and decisive.layer) == (verdict, layer)
    assert fold(checks[:1]) == (Verdict.GO, None)
    assert [item.exit_code for item in Verdict] == [0, 1, 3, 4]


def test_report_shows_the_verdicts_numbers(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.land(run.events[7:])
    analysis = analyse(tmp_path)
    write(tmp_path, analysis, render(analysis))
    verdict = orjson.loads((tmp_path / "verdict.json").read_bytes())
    assert verdict.keys() >= {"verdict", "layer", "checks", "reconciliation", "groups", "run", "sentence"}
    assert (verdict["verdict"], verdict["layer"]) == ("NO-GO", "table")
    wanted = {"name", "layer", "verdict", "statistic", "p_value", "threshold", "summary", "evidence"}
    assert all(item.keys() == wanted | {"matters"} for item in verdict["checks"])
    words = {"offered", "ok", "lost", "duplicated", "corrupted", "unexpected", "indeterminate", "invalid", "late"}
    assert verdict["reconciliation"].keys() == words
    assert verdict["reconciliation"]["lost"] == 7
    report = (tmp_path / "report.html").read_text()
    for word, count in verdict["reconciliation"].items():
        assert f'<td>{word}</td><td class="n">{count:,}</td>' in report
    for group in verdict["groups"]:
        assert f"{group['landed']:,}" in report
    own, drawing = report.split("<script>")
    assert "http://" not in own.replace("http://127.0.0.1:1/v1/events", "")
    assert "<link" not in own
    assert "src=" not in own
    assert "Plotly.react" in drawing


def test_what_runs_contain_cannot_break_the_report(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    for event in run.events[:3]:
        name = next(iter(event["experiments"]["assigned"]))
        event["experiments"]["assigned"][name] = "<script>alert(1)</script>"
    run.land()
    own, _ = render(analyse(tmp_path)).split("<script>")
    assert "<script" not in own


def compared_columns(query: str) -> str:
    """Return the text of *query* without the replacement of whole milliseconds."""
    return re.sub(r"replace\(([\w.]+), '\.000Z', 'Z'\)", r"\1", sql(query))


def test_every_table_field_is_compared() -> None:
    engine = DuckDbEngine()
    nowhere = pa.array([], pa.string())
    engine.add("events", rows_of([], engine.connection).append_column("datacenter", nowhere))
    engine.keep("flat_rows", "rows_flattened")
    [(leaves,)] = engine.connection.sql("SELECT count(*) FROM (DESCRIBE flat_rows)").fetchall()
    top = {
        name.split("__")[0] if not name.startswith("_") else name
        for name in engine.connection.sql("SELECT * FROM flat_rows").columns
    }
    assert top == {*columns(), "datacenter"}
    filled_by_the_intake = {"meta__dt", "meta__request_id", "meta__id", "datacenter"}
    every = set(engine.connection.sql("SELECT * FROM flat_rows").columns)
    compared = set(
        re.findall(
            r"sent\.(\w+)\)? IS DISTINCT FROM (?:map_entries\()?landed\.\1\)", compared_columns("corrupted_fields")
        )
    )
    assert every - compared == filled_by_the_intake | {name for name in every if name.startswith("http")}
    hashed = compared_columns("rows_hashed").rpartition(" hash(")[2].partition(")")[0]
    assert {name.strip() for name in hashed.split(",")} == compared
    assert leaves == 67


def test_every_query_says_what_it_answers() -> None:
    assert len(query_names()) >= 60
    for name in query_names():
        assert sql(name).startswith("-- "), name
