"""Benchmark of the analysis, compared with a bare scan of the same columns.

Run with `python -m bench.analysis [ROWS [FOLDER]]`. It first generates a run, which takes longer than its analysis.
With FOLDER the run is stored there, and used again the next time.
"""

import multiprocessing
import resource
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.analyse import analyse
from analysis.run_model.sent_events import PLANNED, keep_planned
from analysis.verdict import Verdict
from contracts.intake import EventAnswer, EventOutcome
from contracts.table import rows_of
from personas.plan.plan import Plan
from personas.plan.settings import PlanSettings
from run_record.ledger.files import LedgerWriter, Span
from run_record.manifest import Manifest
from tests.plans import settings

#: Average events per visitor, and events per request.
EVENTS, _BATCH = 2.84, 100

_BLOCK = 20_000

#: Maximum rows for which the first analysis is measured too: with more rows it takes minutes.
_MAX_ROWS_FIRST = 1_000_000


def main(rows: int = 100_000, folder: str = "") -> None:
    """Generate a run of about *rows* rows unless *folder* has one, analyse it, and print time and memory."""
    with nullcontext(folder) if folder else tempfile.TemporaryDirectory() as name:
        run = Path(name)
        if not (run / "manifest.json").exists():
            make(run, Plan(settings(visitors=round(rows / EVENTS))))
        start, busy = time.perf_counter(), time.process_time()
        analysis = analyse(run)
        total_s, cpu_s = time.perf_counter() - start, time.process_time() - busy
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        scan_s = scan(run / "observed")
        assert analysis.verdict is Verdict.GO, analysis.sentence
        print(f"{analysis.run['observed_rows']:,} rows: analysed in {total_s:.1f} s, CPU time {cpu_s:.1f} s, peak "
              f"memory {memory:.1f} GiB")  # fmt: skip
        print(f"bare scan of the same columns {scan_s:.2f} s, ratio {total_s / scan_s:.0f}")
        if rows <= _MAX_ROWS_FIRST:
            (run / PLANNED).unlink()
            start = time.perf_counter()
            analyse(run)
            print(f"first analysis, which generates the plan's rows: {time.perf_counter() - start:.1f} s")


def make(run: Path, plan: Plan) -> None:
    """Write a run without faults, and the rows of its plan."""
    for part in ("ledger", "observed"):
        (run / part).mkdir(parents=True)
    # Separate processes, so that their memory does not count as the analysis's.
    start = multiprocessing.get_context("spawn")
    makers = [start.Process(target=target, args=(run, plan.settings)) for target in (_keep, _play)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    if any(maker.exitcode for maker in makers):
        sys.exit(1)


def _keep(run: Path, planned: PlanSettings) -> None:
    start = time.perf_counter()
    keep_planned(run, Plan(planned))
    print(f"generating the plan's events took {time.perf_counter() - start:.1f} s", flush=True)


def _play(run: Path, planned: PlanSettings) -> None:
    """Write ledger and rows of a generator that sent the whole plan, and then the manifest."""
    plan = Plan(planned)
    zero = last = planned.epoch_ms
    connection = duckdb.connect()
    with LedgerWriter(run / "ledger", "worker-0-1") as ledger:
        for number, first in enumerate(range(0, planned.visitors, _BLOCK)):
            events = list(plan.events(first, _BLOCK))
            for begin in range(0, len(events), _BATCH):
                batch = events[begin : begin + _BATCH]
                due = zero + batch[-1].offset_ms
                last = max(last, due)
                spans = [Span(event.visit, event.position, 1) for event in batch]
                request = ledger.intend(spans, intended_ms=due, sent_ms=due)
                ledger.answered(request, [EventAnswer(EventOutcome.OK)] * len(batch), status=201, at_ms=due)
            table = rows_of([event.body for event in events], connection)
            pq.write_table(_filled(table, connection), run / "observed" / f"{number:05d}.parquet", compression="zstd")
    Manifest(
        run_id="bench", created="2025-01-31T14:30:00+00:00", fidelity="synthetic", generation=planned.generation,
        wiki="testwiki", stream="product_metrics.web_base", visitors=planned.visitors, hasty=False, batch_size=_BATCH,
        target={"name": "local", "source": "local", "intake": "", "mpic": ""},
        plan=plan.settings.to_json(), started_ms=zero, finished_ms=last,
    ).write(run)  # fmt: skip


def _filled(rows: pa.Table, connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Return *rows* with the fields that the intake fills in."""
    connection.register("filling", rows)
    return connection.sql("SELECT * REPLACE (struct_update(meta, dt := dt) AS meta) FROM filling").to_arrow_table()


def scan(folder: Path) -> float:
    """Return the seconds that a scan of all columns and rows takes."""
    connection = duckdb.connect()
    names = [row[0] for row in connection.sql(f"DESCRIBE SELECT * FROM '{folder}/*.parquet'").fetchall()]
    sums = ", ".join(f'sum(hash("{name}"))' for name in names)
    began = time.perf_counter()
    connection.sql(f"SELECT {sums} FROM '{folder}/*.parquet'").fetchall()
    return time.perf_counter() - began


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 100_000, "".join(sys.argv[2:3]))
