"""What the table costs: filling it, and asking it, on DuckDB and on Spark.

Run with `python -m bench.table [ROWS [SPARK_ROWS [FOLDER]]]`: DuckDB is asked of ROWS rows, Spark of SPARK_ROWS, and
both are filled with SPARK_ROWS. What is asked is made first, which takes longer; it is made in FOLDER, if one is named,
and is used from there the next time.
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

from analysis.engines.duckdb_engine import DuckDbEngine, QueryEngine
from analysis.engines.warehouse import Warehouse
from analysis.run_model.load import gather
from bench.analysis import EVENTS, make, scan
from personas.plan.plan import Plan
from testbed.stream.segments import SegmentWriter
from tests.plans import settings

_STREAM = "product_metrics.web_base"

#: What becomes of every event, and who was in which group.
_RECONCILIATION = ("observed", "classified", "visits")
_BUCKETING = ("subjects",)

#: What the intake would fill in.
_DAY = b'"meta":{"dt":"2025-01-31T14:30:00.000Z",'


class Timed:
    """An engine that notes how long each answer takes, and of that how long this process is busy."""

    def __init__(self, engine: QueryEngine) -> None:
        self._engine = engine
        self.seconds: dict[str, float] = {}
        self.busy = 0.0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever the engine has)
        found = getattr(self._engine, name)

        def timed(first: str, *others: object, **more: object) -> object:
            began, busy = time.perf_counter(), time.process_time()
            try:
                return found(first, *others, **more)
            finally:
                self.seconds[first] = self.seconds.get(first, 0.0) + time.perf_counter() - began
                if first in (*_RECONCILIATION, *_BUCKETING):
                    self.busy += time.process_time() - busy

        return timed if callable(found) else found


def main(rows: int = 1_000_000, spark_rows: int = 100_000, folder: str = "") -> None:
    """Fill and ask both, and print what that took."""
    with nullcontext(folder) if folder else tempfile.TemporaryDirectory() as name:
        where = Path(name)
        _fill(where / "filled", spark_rows)
        for count in sorted({rows, spark_rows}):
            run = where / f"run-{count}"
            if not (run / "manifest.json").exists():
                make(run, Plan(settings(visitors=round(count / EVENTS))))
        spark = _ask_spark(where / f"run-{spark_rows}", where / "spark")
        _tell(f"Spark asked of {spark_rows:,} rows", spark)
        if spark_rows != rows:
            _tell(f"DuckDB asked of {spark_rows:,} rows", _ask_duckdb(where / f"run-{spark_rows}"))
        asked = _ask_duckdb(where / f"run-{rows}")
        bare = scan(where / f"run-{rows}" / "observed")
        took = _tell(f"DuckDB asked of {rows:,} rows", asked)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"  processor time of the two {asked.busy:.1f} s; bare scan of the same columns {bare:.1f} s, "
              f"ratio {took / bare:.1f}; most memory {memory:.1f} GiB")  # fmt: skip


def _tell(what: str, asked: Timed) -> float:
    reconciled, bucketed = (sum(asked.seconds[name] for name in names) for names in (_RECONCILIATION, _BUCKETING))
    print(f"{what}: reconciliation {reconciled:.1f} s, bucketing {bucketed:.1f} s", flush=True)
    return reconciled + bucketed


def _ask_duckdb(run: Path) -> Timed:
    engine = DuckDbEngine()
    files = str(run / "observed" / "*.parquet")
    hour = "'eqiad' AS datacenter, 2025 AS year, 1 AS month, 31 AS day, 14 AS hour"
    engine.connection.execute(f"CREATE TEMP VIEW bench_rows AS SELECT *, {hour} FROM '{files}'")
    return _ask(run, Timed(engine), "bench_rows")


def _ask_spark(run: Path, state: Path) -> Timed:
    from analysis.engines.spark_engine import SparkEngine
    from contracts.spark_session import SessionOptions, open_session

    session = open_session(SessionOptions(state, memory="2g"), "bench")
    session.read.parquet(str(run / "observed")).selectExpr(
        "*", "'eqiad' AS datacenter", "2025 AS year", "1 AS month", "31 AS day", "14 AS hour"
    ).createOrReplaceTempView("bench_rows")
    try:
        return _ask(run, Timed(SparkEngine(session)), "bench_rows")
    finally:
        session.stop()


def _ask(run: Path, engine: Timed, table: str) -> Timed:
    hour = datetime(2025, 1, 31, 14, tzinfo=UTC)
    evidence = gather(run, warehouse=Warehouse(engine, table, since=hour, until=hour))
    fates = {str(row["fate"]) for row in evidence.fates}
    assert fates == {"ok"}, fates
    return engine


def _fill(folder: Path, rows: int) -> None:
    """Write *rows* events as segments, and bring them into both tables."""
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
        for what, words in (("DuckDB", duckdb), ("Spark, its start with it,", spark)):
            written, seconds = _timed(lambda words=words: _run(words))  # type: ignore[misc]
            print(f"{what} filled the table with {written:,} rows in {seconds:.1f} s", flush=True)


def _timed(work: Callable[[], int]) -> tuple[int, float]:
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def _run(words: Iterable[str]) -> int:
    done = subprocess.run([sys.executable, "-m", *words], capture_output=True, check=True)
    written: int = orjson.loads(done.stdout)["written"]
    return written


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]), *sys.argv[3:4])  # type: ignore[arg-type]
