"""Verdicts on exported files, shared tables and unusual runs."""

import gzip
from pathlib import Path

import orjson
import pytest

from analysis.analyse import analyse
from analysis.inputs.errors import InputError
from analysis.live_monitor import LiveMonitor
from analysis.reports.html import render
from analysis.verdict import CheckStatus, Verdict
from contracts.generation import Generation
from personas.example_experiment import example_experiment
from tests.analysis.inputs.samples import Event, hive_row, lines, table
from tests.analysis.inputs.test_types import in_times, objects_as_json
from tests.analysis.runs import STARTED_MS, check, make_run
from tests.dogfood.conftest import call_in

FEW = 300


def test_exported_rows_are_judged_by_value(tmp_path: Path) -> None:
    run = make_run(tmp_path, visitors=FEW)
    import pyarrow.parquet as pq

    path = tmp_path / "000000_0"
    pq.write_table(in_times("us", "UTC")(objects_as_json(table(run.events)).drop_columns(["meta"]).append_column(
        "meta", table(run.events)["meta"])), path)  # fmt: skip
    analysis = analyse(tmp_path, [path])
    assert analysis.reconciliation["ok"] == len(run.events)
    assert analysis.inputs.of_run == analysis.inputs.rows == len(run.events)
    assert any(name.startswith("dt (") for name in analysis.inputs.coerced)


def test_explained_input_comes_before_the_verdict(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs" / "r", visitors=FEW)
    path = tmp_path / "export.gz"
    twice = [*run.events, run.events[0]]
    path.write_bytes(gzip.compress(lines([{"topic": "t", "value": hive_row(event)} for event in twice])))
    words = ["analyse", "r", "--observed", str(path), "--explain-input"]
    result = call_in(tmp_path, *words)
    assert result.returncode == 1
    for text in ("gzip NDJSON, Kafka envelope, table", "_schema → $schema", "2025-01-31T14"):
        assert text in result.stdout
    assert result.stdout.index("ids duplicated") < result.stdout.index("NO-GO")
    report = (tmp_path / "runs" / "r" / "report.html").read_text()
    assert "Kafka envelope" in report
    assert orjson.loads((tmp_path / "runs" / "r" / "verdict.json").read_bytes())["inputs"]["duplicated_ids"] == 1


def test_json_output_stays_json_when_explained(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs" / "r", visitors=FEW)
    path = tmp_path / "rows"
    path.write_bytes(lines(run.events))
    words = ["analyse", "r", "--observed", str(path), "--explain-input", "--json"]
    result = call_in(tmp_path, *words)
    assert orjson.loads(result.stdout)["inputs"]["rows"] == len(run.events)
    assert "Observed files" in result.stderr


def test_foreign_file_is_wrong_use(tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "r", visitors=50)
    path = tmp_path / "rows"
    path.write_bytes(lines([{"level": "info"}] * 5))
    result = call_in(tmp_path, "analyse", "r", "--observed", str(path))
    assert result.returncode == 2
    assert "'level'" in result.stderr


def test_canaries_in_a_stream_pass(tmp_path: Path) -> None:
    run = make_run(tmp_path, visitors=FEW)
    canary: Event = {**run.events[0], "meta": {**run.events[0]["meta"], "domain": "canary", "id": "c"}}
    path = tmp_path / "events.ndjson"
    path.write_bytes(lines([canary, *run.events]))
    assert check(analyse(tmp_path, [path]), "canaries").status is CheckStatus.PASS
    path.write_bytes(lines([hive_row(event) for event in (canary, *run.events)]))
    assert check(analyse(tmp_path, [path]), "canaries").status is CheckStatus.FAIL


def test_file_cut_short_proves_no_loss(tmp_path: Path) -> None:
    run = make_run(tmp_path, visitors=FEW)
    path = tmp_path / "events.ndjson"
    path.write_bytes(lines(run.events)[:-5000])
    analysis = analyse(tmp_path, [path])
    assert analysis.verdict is Verdict.INVALID
    assert "ends in the middle of a line" in check(analysis, "records").summary


def test_rows_of_another_run_are_left_out(tmp_path: Path) -> None:
    run = make_run(tmp_path / "one", visitors=FEW)
    other = make_run(tmp_path / "two", visitors=FEW, seed=8, started_ms=STARTED_MS + 20_000)
    run.land([*run.events, *other.events])
    analysis = analyse(tmp_path / "one")
    unexpected = check(analysis, "unexpected")
    assert unexpected.status is CheckStatus.PASS
    assert unexpected.evidence["other_runs"] == {"two": len(other.events)}
    assert f"{len(other.events)} rows of run two" in unexpected.summary
    assert analysis.reconciliation["unexpected"] == 0
    assert sum(group.landed for group in analysis.groups) == len({e["performer"]["id"] for e in run.events})


def test_unexpected_rows_name_their_receive_time(tmp_path: Path) -> None:
    run = make_run(tmp_path, visitors=FEW)
    strange = {**run.events[0], "meta": {**run.events[0]["meta"], "id": "s", "dt": "2025-01-31T14:31:02.000Z"}}
    run.land([*run.events, strange])
    assert "received 2025-01-31 14:31:02 UTC" in check(analyse(tmp_path), "unexpected").summary


def test_watch_counts_only_its_own_run(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs" / "one", visitors=FEW)
    other = make_run(tmp_path / "runs" / "two", visitors=FEW, seed=8)
    path = tmp_path / "stream.ndjson"
    path.write_bytes(lines([*other.events, *run.events]))
    words = ["watch", "one", "--observed", str(path), "--once", "--srm", "--json"]
    result = call_in(tmp_path, *words)
    look = orjson.loads(result.stdout.splitlines()[-1])
    expected = LiveMonitor(run.plan)
    for event in run.events:
        expected.add(event)
    assert look["events"] == len(run.events)
    assert look["subjects"] == expected.look().subjects


@pytest.mark.parametrize("generation", Generation)
def test_one_group_is_nothing_to_compare(tmp_path: Path, generation: Generation) -> None:
    experiment = dict(example_experiment(generation))
    if generation is Generation.ALPHA:
        experiment["features"] = {"f": {"control": "only", "values": ["only"]}}
    else:
        experiment["groups"] = ["control"]
    run = make_run(tmp_path, generation, visitors=FEW, experiment=experiment)
    run.land()
    analysis = analyse(tmp_path)
    assert analysis.verdict is Verdict.GO, analysis.sentence
    for name in ("sample-ratio", "segments", "effect"):
        assert "nothing to compare" in check(analysis, name).summary
        assert not check(analysis, name).matters


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_extreme_rates_are_judged(tmp_path: Path, rate: float) -> None:
    run = make_run(tmp_path, visitors=1_500, experiment=example_experiment(Generation.ALPHA, rate=rate))
    run.land()
    analysis = analyse(tmp_path)
    assert analysis.verdict is Verdict.GO, analysis.sentence


def test_one_subject_is_nothing_to_compare(tmp_path: Path) -> None:
    run = make_run(tmp_path, visitors=1, experiment=example_experiment(Generation.ALPHA, rate=1.0))
    run.land()
    analysis = analyse(tmp_path)
    assert "nothing to compare" in check(analysis, "sample-ratio").summary
    assert analysis.verdict is Verdict.GO, analysis.sentence


def test_run_without_clicks_is_judged(tmp_path: Path) -> None:
    run = make_run(tmp_path, visitors=FEW, change=lambda sent: None if sent.position else sent, stopped_early=True)
    run.land([event for event in run.events if event["action"] != "click"])
    assert check(analyse(tmp_path), "effect").status in {CheckStatus.PASS, CheckStatus.INCONCLUSIVE}


def test_report_shows_observed_files(tmp_path: Path) -> None:
    run = make_run(tmp_path, visitors=50)
    run.land()
    assert 'id="inputs"' in render(analyse(tmp_path))


def test_empty_folder_of_rows_is_named(tmp_path: Path) -> None:
    make_run(tmp_path, visitors=50)
    with pytest.raises(InputError, match="holds no rows"):
        analyse(tmp_path)
