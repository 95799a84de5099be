"""Observed rows: Parquet and NDJSON, shared tables, the error stream, and unreadable input."""

import copy
from pathlib import Path

import duckdb
import orjson
import pyarrow.parquet as pq
import pytest

from analysis.analyse import analyse
from analysis.verdict import Verdict
from common.errors import DogfoodError
from contracts.generation import Generation
from contracts.intake import EventOutcome
from contracts.table import rows_of
from tests.analysis.runs import answered, check, failed, make_run


def test_foreign_rows_in_a_shared_table_are_ignored(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    foreign = copy.deepcopy(run.events[0])
    foreign.update(instrument_name="another", experiments={"enrolled": ["another"], "assigned": {"f": "x"}})
    foreign["meta"]["id"] = "22222222-2222-4222-8222-222222222222"
    earlier = copy.deepcopy(run.events[0])
    earlier["meta"].update(id="33333333-3333-4333-8333-333333333333", dt="2025-01-30T10:00:00.000Z")
    run.land([*run.events, foreign, earlier])
    assert analyse(tmp_path).verdict is Verdict.GO


def test_broken_ndjson_lines_are_named_and_skipped(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    path = tmp_path / "from-eventgate.ndjson"
    lines = [orjson.dumps(event) for event in run.events]
    path.write_bytes(b"\n".join([*lines[:10], b'{"half', b"17", *lines[10:]]) + b"\n")
    analysis = analyse(tmp_path, [path])
    assert analysis.verdict is Verdict.GO
    records = check(analysis, "records")
    assert records.evidence["broken_observed_lines"] == 2
    assert "from-eventgate.ndjson:11" in records.summary
    assert "from-eventgate.ndjson:12" in str(records.evidence["observed"])


def test_parquet_in_hive_layout_may_lack_columns(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    table = rows_of([orjson.dumps(event) for event in run.events], duckdb.connect()).drop_columns(
        ["experiment", "funnel_name"]
    )
    hour = tmp_path / "table" / "datacenter=eqiad" / "year=2025" / "month=1" / "day=31" / "hour=14"
    hour.mkdir(parents=True)
    pq.write_table(table.slice(0, 1000), hour / "a.parquet")
    pq.write_table(table.slice(1000), hour / "b.parquet")
    assert analyse(tmp_path, [tmp_path / "table"]).verdict is Verdict.GO


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("nowhere.parquet", None, "does not exist"),
        ("bad.parquet", b"no parquet", "was read as NDJSON.*nothing in it"),
        ("empty", "folder", "holds no files of events"),
    ],
)
def test_unreadable_input_is_a_one_line_error(tmp_path: Path, name: str, content: object, message: str) -> None:
    make_run(tmp_path, visitors=50)
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        path.mkdir()
    with pytest.raises(DogfoodError, match=message) as caught:
        analyse(tmp_path, [path])
    assert "\n" not in str(caught.value)


def test_run_without_rows_names_the_option(tmp_path: Path) -> None:
    make_run(tmp_path, visitors=50)
    with pytest.raises(DogfoodError, match="--observed"):
        analyse(tmp_path)


def test_error_reports_among_events_count_as_invalid(tmp_path: Path) -> None:
    run = make_run(tmp_path, change=answered(202, EventOutcome.INDETERMINATE, 1), hasty=True)
    report = {"meta": {"stream": "errors"}, "raw_event": orjson.dumps(run.events[0]).decode(), "message": "'.x' no"}
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"\n".join(orjson.dumps(event) for event in [report, *run.events[1:]]) + b"\n")
    analysis = analyse(tmp_path, [path])
    assert (analysis.reconciliation["invalid"], analysis.reconciliation["lost"]) == (1, 0)
    assert analysis.reconciliation["unexpected"] == 0


def test_broken_lines_of_the_error_stream_are_named(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.land()
    lines = [
        b'{"half',
        b"[1]",
        b'{"message":"m"}',
        b'{"raw_event":"{}","message":"m"}',
        b'{"raw_event":"{","message":"m"}',
    ]
    (tmp_path / "observed" / "errors.ndjson").write_bytes(b"\n".join(lines) + b"\n")
    analysis = analyse(tmp_path)
    assert analysis.verdict is Verdict.GO
    result = check(analysis, "records")
    assert result.evidence["broken_observed_lines"] == 3
    assert all(
        f"errors.ndjson:{number}: not an error report" in str(result.evidence["observed"]) for number in (1, 2, 3)
    )


def test_malformed_receive_time_does_not_stop_the_analysis(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.events[0]["meta"]["dt"] = "yesterday"
    del run.events[1]["meta"]["dt"]
    run.land()
    assert analyse(tmp_path).reconciliation["ok"] == len(run.events)


@pytest.mark.parametrize("subject", ["-12345" + "0" * 58, "0x" + "0" * 62, "awaiting", "", "0" * 63])
def test_malformed_xlab_subject_has_no_group(tmp_path: Path, subject: str) -> None:
    run = make_run(tmp_path, Generation.XLAB)
    for event in run.events[:3]:
        event["experiment"]["subject_id"] = subject
    run.land()
    analysis = analyse(tmp_path)
    assert "corrupted" in failed(analysis)
    assert ("subject-ids" in failed(analysis)) == bool(subject)
    assert "assignment" not in failed(analysis)
    assert check(analysis, "assignment").evidence["rows_without_subject"] == (0 if subject else 3)


def test_malformed_alpha_subject_has_no_group(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.events[0]["performer"]["id"] = 0
    run.events[1]["performer"]["id"] = -7
    run.land()
    analysis = analyse(tmp_path)
    assert check(analysis, "subject-ids").evidence["no_ids"] == ["-7", "0"]
    assert "assignment" not in failed(analysis)


def test_foreign_ledger_is_a_one_line_error(tmp_path: Path) -> None:
    run = make_run(tmp_path, visitors=50)
    run.land()
    row = b'{"intent":0,"events":[[%d,0,1]],"intended_ms":1,"sent_ms":1}\n'
    for visit, message in (
        (50, "event 0 of visit 50, which"),
        (10**9, f"visit {10**9}, which"),
        (-1, "other.ndjson, line 1"),
    ):
        (tmp_path / "ledger" / "other.ndjson").write_bytes(row % visit)
        with pytest.raises(DogfoodError, match=message) as caught:
            analyse(tmp_path)
        assert "\n" not in str(caught.value)


def test_folder_without_manifest_is_a_one_line_error(tmp_path: Path) -> None:
    with pytest.raises(DogfoodError, match=r"manifest\.json") as caught:
        analyse(tmp_path)
    assert "\n" not in str(caught.value)
