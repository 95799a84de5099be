import json
import random
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

from contracts.table import TABLE, read_parquet
from testbed.stream.segments import SegmentReader, SegmentWriter
from testbed.table.ingest import ingest
from testbed.table.table_export import export_table
from tests.contract_samples import contract_path

STREAM = "product_metrics.web_base"
TOPIC = f"eqiad.{STREAM}"

Event = dict[str, Any]


def event(event_id: str, dt: str = "2025-01-31T14:30:00.000Z", **meta: str) -> Event:
    return {"$schema": "/x/1.0.0", "action": "click", "meta": {"id": event_id, "dt": dt, "stream": STREAM, **meta}}


def produce(folder: Path, *events: Event, topic: str = TOPIC) -> None:
    writer = SegmentWriter(folder / "stream")
    writer.append(topic, [json.dumps(item, ensure_ascii=False).encode() for item in events])
    writer.close()


def fill(folder: Path) -> dict[str, int]:
    return ingest(partial(SegmentReader, folder / "stream"), folder / "table", STREAM)._asdict()


def rows(folder: Path) -> list[Event]:
    table = read_parquet(folder / "table" / TABLE, duckdb.connect())
    table_rows: list[Event] = table.to_pylist(maps_as_pydicts="strict")
    return table_rows


def hours(folder: Path) -> dict[str, int]:
    """Return the number of rows of each partition."""
    base = folder / "table" / TABLE
    return {
        str(path.parent.relative_to(base)): len(read_parquet(path, duckdb.connect()))
        for path in base.rglob("*.parquet")
    }


def without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    return value


def test_each_captured_event_equals_its_row(tmp_path: Path) -> None:
    events = [json.loads(line) for line in contract_path("captured-accepted-events.ndjson").read_text().splitlines()]
    produce(tmp_path, *events)
    assert fill(tmp_path)["written"] == 227
    by_name = {}
    for row in rows(tmp_path):
        row["$schema"] = row.pop("_schema")
        by_name[row["meta"]["id"]] = without_nulls(row)
    assert by_name == {item["meta"]["id"]: item for item in events}


def test_partitions_are_data_centre_and_hour(tmp_path: Path) -> None:
    produce(tmp_path, event("1"), event("2", "2025-01-31T23:59:59.999Z"), event("3", "2025-02-01T01:30:00+02:00"))
    produce(tmp_path, event("4"), topic=f"codfw.{STREAM}")
    assert fill(tmp_path)["hours"] == 3
    assert hours(tmp_path) == {
        "datacenter=eqiad/year=2025/month=1/day=31/hour=14": 1,
        "datacenter=eqiad/year=2025/month=1/day=31/hour=23": 2,
        "datacenter=codfw/year=2025/month=1/day=31/hour=14": 1,
    }


def test_duplicates_and_canaries_are_skipped_and_counted(tmp_path: Path) -> None:
    produce(tmp_path, event("1"), event("1", "2025-01-31T14:31:00Z"), event("2"), event("c", domain="canary"))
    done = fill(tmp_path)
    assert (done["read"], done["written"], done["duplicates"], done["canary"]) == (4, 2, 1, 1)
    produce(tmp_path, event("2", "2025-01-31T18:00:00Z"), event("3"))
    assert fill(tmp_path)["written"] == 1
    assert sorted(row["meta"]["id"] for row in rows(tmp_path)) == ["1", "2", "3"]
    assert {row["meta"]["dt"] for row in rows(tmp_path)} == {"2025-01-31T14:30:00.000Z"}


def test_a_second_ingestion_changes_nothing(tmp_path: Path) -> None:
    produce(tmp_path, *(event(str(i)) for i in range(100)))
    fill(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "table").rglob("*.parquet")}
    assert fill(tmp_path)["read"] == 0
    (tmp_path / "table" / "checkpoint.json").unlink()
    assert fill(tmp_path)["duplicates"] == 100
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "table").rglob("*.parquet")} == before


def test_late_rows_land_in_their_own_hour(tmp_path: Path) -> None:
    produce(tmp_path, event("1"), event("2", "2025-01-31T15:10:00Z"))
    fill(tmp_path)
    produce(tmp_path, event("late"))
    fill(tmp_path)
    assert hours(tmp_path)["datacenter=eqiad/year=2025/month=1/day=31/hour=14"] == 2


def test_invalid_lines_are_counted_and_skipped(tmp_path: Path) -> None:
    produce(tmp_path, event("1"), event("2", "yesterday"), {"action": "no meta"})
    writer = SegmentWriter(tmp_path / "stream")
    writer.append(TOPIC, [b"not json", b"[]", json.dumps(event("3")).encode()])
    done = fill(tmp_path)
    assert (done["read"], done["written"], done["broken"]) == (6, 2, 4)


def test_an_empty_stream_is_valid(tmp_path: Path) -> None:
    assert set(fill(tmp_path).values()) == {0}


def content(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize("kills", [2, pytest.param(12, marks=pytest.mark.slow)])
def test_a_killed_ingestion_neither_loses_nor_doubles(tmp_path: Path, kills: int) -> None:
    moments = random.Random(3)  # noqa: S311
    ids = [str(i) for i in range(kills * 500)]
    times = [f"2025-01-31T{i % 24:02d}:30:00.000Z" for i in range(kills * 500)]
    command = [sys.executable, "-m", "testbed.table.ingest", "--stream-dir", str(tmp_path / "stream")]
    command += ["--table-dir", str(tmp_path / "table")]
    for part in range(kills):
        span = slice(part * 500, (part + 1) * 500)
        produce(tmp_path, *map(event, ids[span], times[span]))
        before = content(tmp_path / "table")
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            # Kill it near its writes, which may start late on a busy machine.
            while process.poll() is None and content(tmp_path / "table") == before:
                time.sleep(0.005)
            time.sleep(moments.uniform(0.0, 0.2))
            process.kill()
    fill(tmp_path)
    assert sorted(row["meta"]["id"] for row in rows(tmp_path)) == sorted(ids)


def test_an_export_has_the_rows_of_a_span(tmp_path: Path) -> None:
    produce(tmp_path, event("1"), event("2", "2025-01-31T16:00:00.000Z"))
    produce(
        tmp_path,
        {"meta": {"dt": "2025-01-31T14:00:00.000Z"}, "raw_event": "{}"},
        {"meta": {"dt": "2025-01-31T15:30:00.000Z"}, "raw_event": "{}"},
        topic="eqiad.eventgate-analytics-external.error.validation",
    )
    fill(tmp_path)
    to = tmp_path / "to"
    to.mkdir()
    start = 1_738_333_800_000
    export_table(partial(SegmentReader, tmp_path / "stream"), tmp_path / "table", to, start + 1, start + 7_200_000)
    table_rows = read_parquet(to / "rows.parquet", duckdb.connect()).to_pylist(maps_as_pydicts="strict")
    assert [row["meta"]["id"] for row in table_rows] == ["2"]
    assert len((to / "errors.ndjson").read_text().splitlines()) == 1
    assert sorted(path.name for path in to.iterdir()) == ["_arrivals.parquet", "errors.ndjson", "rows.parquet"]
