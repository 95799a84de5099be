import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from contracts.table import TABLE, misplaced_rows, parquet_files, read_parquet
from testbed.stream.segments import SegmentWriter
from tests.contract_samples import contract_path
from tests.testbed.table.test_ingest import STREAM, TOPIC, event, produce, without_nulls

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from testbed.table.hive.writer import HiveTable
    from testbed.table.ingest_summary import Summary

Event = dict[str, Any]

# pyspark does not close the sockets through which it reads rows.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

AT_14 = "datacenter=eqiad/year=2025/month=1/day=31/hour=14"


class Warehouse:
    """A separate table, filled from separate segments."""

    def __init__(self, session: "SparkSession", folder: Path) -> None:
        from testbed.table.hive.layout import ARRIVALS, NAME, create

        self.session, self.folder = session, folder
        create(session, str(folder))
        for name in (NAME, ARRIVALS):
            session.sql(f"DROP TABLE {name}")
        self.table.prepare()

    @property
    def table(self) -> "HiveTable":
        from testbed.table.hive.writer import HiveTable

        return HiveTable(self.session, str(self.folder / "warehouse"))

    @property
    def files(self) -> Path:
        return self.folder / "warehouse" / TABLE

    def fill(self) -> "Summary":
        from testbed.table.hive.sources import add_segments

        checkpoint = self.folder / "segments.json"
        return add_segments(self.session, self.folder / "stream", STREAM, checkpoint, self.table.add)

    def forget(self) -> None:
        """Remove the checkpoint, as if the job had been killed before it."""
        (self.folder / "segments.json").unlink()

    def by_hive(self) -> list[Event]:
        from testbed.table.hive.layout import NAME

        rows = self.session.table(NAME).drop("datacenter", "year", "month", "day", "hour").toArrow()
        table_rows: list[Event] = rows.to_pylist(maps_as_pydicts="strict")
        return table_rows

    def by_duckdb(self) -> list[Event]:
        rows = read_parquet(self.files, duckdb.connect())
        table_rows: list[Event] = rows.to_pylist(maps_as_pydicts="strict")
        return table_rows

    def ids(self) -> list[str]:
        return sorted(row["meta"]["id"] for row in self.by_hive())


@pytest.fixture
def warehouse(spark: "SparkSession", tmp_path: Path) -> Warehouse:
    return Warehouse(spark, tmp_path)


def as_events(rows: list[Event]) -> dict[str, object]:
    by_name = {}
    for row in rows:
        row["$schema"] = row.pop("_schema")
        by_name[row["meta"]["id"]] = without_nulls(row)
    return by_name


def test_hive_and_parquet_rows_equal_the_captured_events(warehouse: Warehouse) -> None:
    events = [json.loads(line) for line in contract_path("captured-accepted-events.ndjson").read_text().splitlines()]
    produce(warehouse.folder, *events)
    assert warehouse.fill().written == 227
    sent = {item["meta"]["id"]: item for item in events}
    assert as_events(warehouse.by_hive()) == sent
    assert as_events(warehouse.by_duckdb()) == sent
    assert misplaced_rows(warehouse.files, duckdb.connect()) == {}


def test_late_rows_get_the_partition_of_their_hour(warehouse: Warehouse) -> None:
    produce(
        warehouse.folder, event("1"), event("2", "2025-01-31T23:59:59.999Z"), event("3", "2025-02-01T01:30:00+02:00")
    )
    produce(warehouse.folder, event("4"), topic=f"codfw.{STREAM}")
    assert warehouse.fill().hours == 3
    produce(warehouse.folder, event("late"))
    warehouse.fill()
    rows = warehouse.session.sql(
        "SELECT datacenter, year, month, day, hour, count(*) FROM event.product_metrics_web_base GROUP BY ALL"
    ).collect()
    assert sorted(map(tuple, rows)) == [
        ("codfw", 2025, 1, 31, 14, 1), ("eqiad", 2025, 1, 31, 14, 2), ("eqiad", 2025, 1, 31, 23, 2)
    ]  # fmt: skip
    assert (warehouse.files / AT_14).is_dir()


def test_canaries_and_invalid_lines_are_skipped_and_counted(warehouse: Warehouse) -> None:
    produce(warehouse.folder, event("1"), event("2", "yesterday"), event("3", "14:30"), {"action": "no meta"})
    produce(warehouse.folder, event("c", domain="canary"))
    whole = json.dumps(event("4")).encode()
    invalid = [b"not json", b"[]", b"", b"null", b'"text"', b"\xff\xfe", b"[" + whole + b"]"]
    invalid += [whole + b" more", whole + whole, whole + b"," + whole, whole[:-1], b'{"meta": "text"}']
    writer = SegmentWriter(warehouse.folder / "stream")
    writer.append(TOPIC, [*invalid, whole])
    writer.close()
    done = warehouse.fill()
    assert (done.read, done.written, done.canary, done.broken) == (6 + len(invalid), 2, 1, 3 + len(invalid))
    assert warehouse.ids() == ["1", "4"]


def test_the_earliest_row_of_an_id_is_kept(warehouse: Warehouse) -> None:
    produce(warehouse.folder, event("1", "2025-01-31T14:31:00.000Z"), event("1"), event("2"))
    assert warehouse.fill()[:3] == (3, 2, 1)
    # The same partition again, as after a broker's failure, and one id in the other data centre too.
    produce(warehouse.folder, event("1", "2025-01-31T18:00:00.000Z"), event("2"), event("3"))
    produce(warehouse.folder, event("2"), topic=f"codfw.{STREAM}")
    assert warehouse.fill()[:3] == (4, 1, 3)
    assert {row["meta"]["id"]: row["meta"]["dt"] for row in warehouse.by_hive()} == dict.fromkeys(
        "123", "2025-01-31T14:30:00.000Z"
    )


def test_a_second_ingestion_changes_nothing(warehouse: Warehouse) -> None:
    produce(warehouse.folder, *(event(str(i), f"2025-01-31T{i % 24:02d}:00:00.000Z") for i in range(100)))
    warehouse.fill()
    before = parquet_files(warehouse.files)
    assert warehouse.fill().read == 0
    warehouse.forget()
    assert warehouse.fill().duplicates == 100
    assert parquet_files(warehouse.files) == before


def test_an_incomplete_line_is_read_later(warehouse: Warehouse) -> None:
    produce(warehouse.folder, event("1"))
    [segment] = (warehouse.folder / "stream" / TOPIC).iterdir()
    line = json.dumps(event("2")).encode()
    with segment.open("ab") as file:
        file.write(line[:20])
    assert warehouse.fill().read == 1
    with segment.open("ab") as file:
        file.write(line[20:] + b"\n")
    assert warehouse.fill()[:2] == (1, 1)


def test_files_of_a_killed_job_are_removed(warehouse: Warehouse) -> None:
    produce(warehouse.folder, *(event(str(i), f"2025-01-31T{i % 24:02d}:00:00.000Z") for i in range(48)))
    warehouse.fill()
    # Files exist, but the metastore lacks a partition, and another job's files are incomplete.
    warehouse.session.sql("ALTER TABLE event.product_metrics_web_base DROP PARTITION (hour = 14)")
    assert len(warehouse.ids()) == 46
    half = warehouse.files / "_temporary" / "0" / "x" / AT_14 / "part.parquet"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"PAR1")
    assert len(warehouse.by_duckdb()) == 48
    warehouse.forget()
    warehouse.table.prepare()
    assert warehouse.fill().duplicates == 48
    assert len(warehouse.ids()) == 48
    assert not half.exists()


def test_arrival_times_are_stored(warehouse: Warehouse) -> None:
    produce(warehouse.folder, event("1"), event("2"))
    warehouse.fill()
    rows = warehouse.session.table("event.product_metrics_web_base_arrivals").collect()
    assert sorted(row.meta_id for row in rows) == ["1", "2"]
    assert all(row.table_ms > 1_738_333_800_000 and row.topic_ms is None for row in rows)
