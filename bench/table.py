"""Benchmark of the table: ingestion and queries, on DuckDB and on Spark.

Run with `python -m bench.table [ROWS [SPARK_ROWS [FOLDER]]]`. DuckDB queries ROWS rows, Spark SPARK_ROWS, and both
ingest SPARK_ROWS. The data is generated first, which takes longer. With FOLDER it is stored there, and used again the
next time.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from analysis.engines.base import QueryEngine
from analysis.engines.duckdb_engine import DuckDbEngine
from analysis.engines.warehouse import Warehouse
from analysis.run_model.load import load_evidence
from bench.analysis import EVENTS, make, scan
from personas.plan.plan import Plan
from testbed.stream.segments import SegmentWriter
from tests.plans import settings

_STREAM = "product_metrics.web_base"

#: Queries of reconciliation (the fate of every event) and of bucketing (the group of every subject).
_RECONCILIATION = ("observed", "event_fates", "visits")
_BUCKETING = ("subjects",)

#: The receive time, which the intake would fill in.
_DAY = b'"meta":{"dt":"2025-01-31T14:30:00.000Z",'


class Timed:
    """A query engine that measures the time of each query, and the CPU time of this process."""

    def __init__(self, engine: QueryEngine) -> None:
        self._engine = engine
        self.seconds: dict[str, float] = {}
        self.busy = 0.0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (any attribute of the engine)
        attribute = getattr(self._engine, name)

        def timed(first: str, *others: object, **more: object) -> object:
            start, busy = time.perf_counter(), time.process_time()
            try:
                return attribute(first, *others, **more)
            finally:
                self.seconds[first] = self.seconds.get(first, 0.0) + time.perf_counter() - start
                if first in (*_RECONCILIATION, *_BUCKETING):
                    self.busy += time.process_time() - busy

        return timed if callable(attribute) else attribute


def main(rows: int = 1_000_000, spark_rows: int = 100_000, folder: str = "") -> None:
    """Ingest and query on both engines, and print the times."""
    with nullcontext(folder) if folder else tempfile.TemporaryDirectory() as name:
        base = Path(name)
        _fill(base / "filled", spark_rows)
        for count in sorted({rows, spark_rows}):
            run = base / f"run-{count}"
            if not (run / "manifest.json").exists():
                make(run, Plan(settings(visitors=round(count / EVENTS))))
        spark = _query_spark(base / f"run-{spark_rows}", base / "spark")
        _print_times(f"Spark, queries of {spark_rows:,} rows", spark)
        if spark_rows != rows:
            _print_times(f"DuckDB, queries of {spark_rows:,} rows", _query_duckdb(base / f"run-{spark_rows}"))
        timed = _query_duckdb(base / f"run-{rows}")
        bare = scan(base / f"run-{rows}" / "observed")
        total_s = _print_times(f"DuckDB, queries of {rows:,} rows", timed)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"  CPU time of both queries {timed.busy:.1f} s; bare scan of the same columns {bare:.1f} s, "
              f"ratio {total_s / bare:.1f}; peak memory {memory:.1f} GiB")  # fmt: skip


def _print_times(name: str, timed: Timed) -> float:
    reconciled, bucketed = (sum(timed.seconds[name] for name in names) for names in (_RECONCILIATION, _BUCKETING))
    print(f"{name}: reconciliation {reconciled:.1f} s, bucketing {bucketed:.1f} s", flush=True)
    return reconciled + bucketed


def _query_duckdb(run: Path) -> Timed:
    engine = DuckDbEngine()
    files = str(run / "observed" / "*.parquet")
    hour = "'eqiad' AS datacenter, 2025 AS year, 1 AS month, 31 AS day, 14 AS hour"
    engine.connection.execute(f"CREATE TEMP VIEW bench_rows AS SELECT *, {hour} FROM '{files}'")
    return _query(run, Timed(engine), "bench_rows")


def _query_spark(run: Path, state: Path) -> Timed:
    from analysis.engines.spark_engine import SparkEngine
    from contracts.spark_session import SessionOptions, open_session

    session = open_session(SessionOptions(state, memory="2g"), "bench")
    session.read.parquet(str(run / "observed")).selectExpr(
        "*", "'eqiad' AS datacenter", "2025 AS year", "1 AS month", "31 AS day", "14 AS hour"
    ).createOrReplaceTempView("bench_rows")
    try:
        return _query(run, Timed(SparkEngine(session)), "bench_rows")
    finally:
        session.stop()


def _query(run: Path, engine: Timed, table: str) -> Timed:
    hour = datetime(2025, 1, 31, 14, tzinfo=UTC)
    evidence = load_evidence(run, warehouse=Warehouse(engine, table, since=hour, until=hour))
    fates = {str(row["fate"]) for row in evidence.fates}
    assert fates == {"ok"}, fates
    return engine


def _fill(folder: Path, rows: int) -> None:
    """Write *rows* events as segments, and ingest them into both tables."""
    if not (folder / "stream").exists():
        writer = SegmentWriter(folder / "stream")
        batch: list[bytes] = []
        for event in Plan(settings(visitors=round(rows / EVENTS))).events(0, round(rows / EVENTS)):
            batch.append(event.body.replace(b'"meta":{', _DAY, 1))
            if len(batch) == 1000:
                writer.append(f"eqiad.{_STREAM}", batch)
                batch = []
        if batch:
            writer.append(f"eqiad.{_STREAM}", batch)
        writer.close()
    with tempfile.TemporaryDirectory(dir=folder) as name:
        stream = ("--stream-dir", str(folder / "stream"))
        duckdb = ("testbed.table.ingest", *stream, "--table-dir", f"{name}/table")
        spark = ("testbed.table.hive", *stream, "--state", f"{name}/state", "--warehouse", f"{name}/warehouse")
        for engine, arguments in (("DuckDB", duckdb), ("Spark, including its start,", spark)):
            written, seconds = _timed(lambda arguments=arguments: _run(arguments))  # type: ignore[misc]
            print(f"{engine} filled the table with {written:,} rows in {seconds:.1f} s", flush=True)


def _timed(work: Callable[[], int]) -> tuple[int, float]:
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def _run(arguments: Iterable[str]) -> int:
    process = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, check=True)
    written: int = orjson.loads(process.stdout)["written"]
    return written


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]), *sys.argv[3:4])  # type: ignore[arg-type]
