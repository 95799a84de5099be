"""What may be observed: Parquet and NDJSON, shared tables, the error stream beside it, and what cannot be read."""

import copy
from pathlib import Path

import duckdb
import orjson
import pyarrow.parquet as pq
import pytest

from analysis.analyse import analyse
from analysis.verdict import Verdict
from common.errors import DogfoodError
from contracts.assignment import Generation
from contracts.intake import EventOutcome
from contracts.table import rows_of
from tests.analysis.runs import answered, check, failed, make_run


def test_other_rows_of_a_shared_table_are_left_alone(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    other = copy.deepcopy(run.events[0])
    other.update(instrument_name="another", experiments={"enrolled": ["another"], "assigned": {"f": "x"}})
    other["meta"]["id"] = "22222222-2222-4222-8222-222222222222"
    earlier = copy.deepcopy(run.events[0])
    earlier["meta"].update(id="33333333-3333-4333-8333-333333333333", dt="2025-01-30T10:00:00.000Z")
    run.land([*run.events, other, earlier])
    assert analyse(tmp_path).verdict is Verdict.GO


def test_ndjson_is_read_and_its_broken_lines_are_named_and_left_out(tmp_path: Path) -> None:
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


def test_parquet_may_be_a_folder_in_hive_layout_and_lack_columns(tmp_path: Path) -> None:
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
    ("name", "content", "says"),
    [
        ("nowhere.parquet", None, "does not exist"),
        ("bad.parquet", b"no parquet", "was read as NDJSON.*nothing in it"),
        ("empty", "folder", "holds no files of events"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(tmp_path: Path, name: str, content: object, says: str) -> None:
    make_run(tmp_path, visitors=50)
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        path.mkdir()
    with pytest.raises(DogfoodError, match=says) as caught:
        analyse(tmp_path, [path])
    assert "\n" not in str(caught.value)


def test_a_run_without_rows_says_where_they_come_from(tmp_path: Path) -> None:
    make_run(tmp_path, visitors=50)
    with pytest.raises(DogfoodError, match="--observed"):
        analyse(tmp_path)


def test_reports_of_invalid_events_may_stand_among_the_observed_events(tmp_path: Path) -> None:
    run = make_run(tmp_path, change=answered(202, EventOutcome.INDETERMINATE, 1), hasty=True)
    report = {"meta": {"stream": "errors"}, "raw_event": orjson.dumps(run.events[0]).decode(), "message": "'.x' no"}
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"\n".join(orjson.dumps(event) for event in [report, *run.events[1:]]) + b"\n")
    analysis = analyse(tmp_path, [path])
    assert (analysis.reconciliation["invalid"], analysis.reconciliation["lost"]) == (1, 0)
    assert analysis.reconciliation["unexpected"] == 0


def test_lines_of_the_error_stream_that_are_no_reports_are_named_and_strangers_left_out(tmp_path: Path) -> None:
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
    assert all(f"errors.ndjson:{number}: no error report" in str(result.evidence["observed"]) for number in (1, 2, 3))


def test_a_receive_time_that_is_none_does_not_stop_the_judgement(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.events[0]["meta"]["dt"] = "yesterday"
    del run.events[1]["meta"]["dt"]
    run.land()
    assert analyse(tmp_path).reconciliation["ok"] == len(run.events)


@pytest.mark.parametrize("subject", ["-12345" + "0" * 58, "0x" + "0" * 62, "awaiting", "", "0" * 63])
def test_an_xlab_subject_that_is_no_digest_is_in_no_group(tmp_path: Path, subject: str) -> None:
    run = make_run(tmp_path, Generation.XLAB)
    for event in run.events[:3]:
        event["experiment"]["subject_id"] = subject
    run.land()
    analysis = analyse(tmp_path)
    assert "corrupted" in failed(analysis)
    assert ("subject-ids" in failed(analysis)) == bool(subject)
    assert "assignment" not in failed(analysis)
    assert check(analysis, "assignment").evidence["rows_without_subject"] == (0 if subject else 3)


def test_an_alpha_subject_that_is_nobody_is_in_no_group(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.events[0]["performer"]["id"] = 0
    run.events[1]["performer"]["id"] = -7
    run.land()
    analysis = analyse(tmp_path)
    assert check(analysis, "subject-ids").evidence["no_ids"] == ["-7", "0"]
    assert "assignment" not in failed(analysis)


def test_a_ledger_of_another_run_is_one_clear_line(tmp_path: Path) -> None:
    run = make_run(tmp_path, visitors=50)
    run.land()
    row = b'{"intent":0,"events":[[%d,0,1]],"intended_ms":1,"sent_ms":1}\n'
    for visit in (50, 10**9, -1):
        (tmp_path / "ledger" / "other.ndjson").write_bytes(row % visit)
        with pytest.raises(DogfoodError, match=f"event 0 of visit {visit}, which the plan does not have"):
            analyse(tmp_path)


def test_nothing_but_a_missing_manifest_is_said_of_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(DogfoodError, match=r"manifest\.json") as caught:
        analyse(tmp_path)
    assert "\n" not in str(caught.value)
