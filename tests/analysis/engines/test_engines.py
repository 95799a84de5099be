"""Equal answers of DuckDB on Parquet files and Spark on the Hive table, for the same rows."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from analysis.analyse import judge
from analysis.engines.base import QueryEngine
from analysis.engines.sql_files import query_names, sql
from analysis.engines.warehouse import Warehouse
from analysis.run_model.load import Evidence, load_evidence
from testbed.stream.segments import SegmentWriter
from tests.analysis.runs import STARTED_MS, Sent, make_run

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# pyspark leaves the sockets open that rows come through.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
STREAM = "product_metrics.web_base"

VALUES: dict[str, str | int] = {
    "most": 7,
    "fate": "lost",
    "instrument": "ctr",
    "from_ms": STARTED_MS - 60_000,
    "until_ms": STARTED_MS + 660_000,
    "bucket_ms": 5_000,
    "deadline_ms": 10_800_000,
    "ahead_ms": 60_000,
    "first_visit": 0,
    "visitors": 400,
    "from_hour": 2025013100,
    "until_hour": 2025013123,
}

#: Tables to read instead of those that queries name.
TABLES = {
    "events": "observed_events",
    "rows_flattened": "observed_flattened",
    "rows_hashed": "observed_hashed",
    "subjects": "subjects_landed",
    "table_arrivals": "arrivals",
    "event_table": "observed_events",
}

#: Queries that read all fields of rows.
ALL_FIELDS = {"filled_attributes", "funnel_order_violations", "page_views_with_two_funnels", "sample_rates"}

#: Columns of hashes, which differ between engines.
HASHES = {"content_hash", "agent", "funnel", "source", "id_hash"}


def inject_faults(event: dict[str, Any], number: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of an event: most unchanged, some lost, corrupted, or twice under another id."""
    if number % 31 == 0 or event["performer"]["id"] % 29 == 0:
        return
    event = copy.deepcopy(event)
    if number % 37 == 0:
        event["page"]["title"] = "Ünd 'anders'"
    if number % 41 == 0:
        event["experiments"]["assigned"] = dict.fromkeys(event["experiments"]["assigned"], "other")
    if number % 43 == 0:
        event["instrument_name"] = None
    if number % 47 == 0:
        event["funnel_event_sequence_position"] = 70
    if number % 53 == 0:
        event["dt"] = "not a time"
    yield event
    if number % 59 == 0:
        yield {**event, "meta": {**event["meta"], "id": f"again-{number}"}}


class Pair:
    """One run, loaded by both engines."""

    def __init__(self, folder: Path, session: "SparkSession") -> None:
        from analysis.engines.spark_engine import SparkEngine
        from testbed.table.hive.layout import ARRIVALS, NAME, create
        from testbed.table.hive.sources import add_segments
        from testbed.table.hive.writer import HiveTable

        self.run = make_run(folder / "run", visitors=400, change=self._unanswered)
        rows = [row for number, event in enumerate(self.run.events) for row in inject_faults(event, number)]
        self.run.land(rows)
        self.run.report_invalid(self.run.events[31:32])
        writer = SegmentWriter(folder / "stream")
        writer.append(f"eqiad.{STREAM}", [orjson.dumps(row) for row in rows])
        writer.close()
        create(session, str(folder))
        for name in (NAME, ARRIVALS):
            session.sql(f"DROP TABLE {name}")
        table = HiveTable(session, str(folder / "warehouse"))
        table.prepare()
        add_segments(session, folder / "stream", STREAM, folder / "segments.json", table.add)
        self.files = folder / "warehouse" / "product_metrics_web_base"
        self.warehouse = Warehouse(SparkEngine(session), NAME)
        self.duckdb: Evidence = load_evidence(self.run.folder, [self.files])
        self.spark: Evidence = load_evidence(self.run.folder, warehouse=self.warehouse)

    @staticmethod
    def _unanswered(sent: Sent) -> Sent:
        return sent if sent.visit % 61 else Sent(sent.visit, sent.position, status=None, outcome=None)


@pytest.fixture(scope="module")
def pair(spark: "SparkSession", tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(tmp_path_factory.mktemp("pair"), spark)


def answer(engine: QueryEngine, query: str) -> list[list[tuple[str, str]]]:
    text = sql(query)
    values = {name: VALUES[name] for name in re.findall(r"\$(\w+)", text)}
    tables = {name: table for name, table in TABLES.items() if f"FROM {name}\n" in text}
    if query in ALL_FIELDS:
        tables["observed"] = "observed_all_fields"
    if query == "filled_profile_fields":
        # Only sent content has all columns.
        tables["observed"] = "sent_content"
    rows = engine.ask(query, values or None, **tables)
    return sorted(
        [(name, repr(plain(value))) for name, value in sorted(row.items()) if name not in HASHES] for row in rows
    )


def plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: plain(member) for name, member in sorted(value.items())}
    if isinstance(value, list | tuple):
        return [plain(member) for member in value]
    return value


#: Queries that only the warehouse uses.
WAREHOUSE_ONLY = {"table_rows", "misplaced_rows", "table_arrivals"}


@pytest.mark.parametrize("query", [name for name in query_names() if name not in WAREHOUSE_ONLY])
def test_spark_and_duckdb_agree(pair: Pair, query: str) -> None:
    assert answer(pair.spark.engine, query) == answer(pair.duckdb.engine, query)


def test_fixture_has_every_fate(pair: Pair) -> None:
    fates = {str(row["fate"]) for row in pair.duckdb.fates}
    assert fates == {"ok", "lost", "corrupted", "indeterminate", "invalid"}
    for query in (
        "replayed_events", "group_mismatches", "changed_funnels", "unexpected_rows", "impossible_times",
        "subjects_lost_entirely", "corrupted_fields",
    ):  # fmt: skip
        assert answer(pair.duckdb.engine, query), query


def test_table_and_files_give_the_same_verdict(pair: Pair) -> None:
    by_files = orjson.loads(judge(pair.duckdb).to_json())
    by_table = orjson.loads(judge(pair.spark).to_json())
    assert by_files["verdict"] == "NO-GO"
    for one, other in zip(by_table["checks"], by_files["checks"], strict=True):
        assert one == other
    # The descriptions of the input differ: a table has neither files nor partitions.
    read_table, read_files = by_table.pop("inputs"), by_files.pop("inputs")
    assert [read_table[name] for name in ("rows", "of_run")] == [read_files[name] for name in ("rows", "of_run")]
    assert by_table == by_files
