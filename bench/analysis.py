"""What judging a run costs: the whole analysis beside a bare scan of the same columns.

Run with `python -m bench.analysis [ROWS [FOLDER]]`. The run that is judged is made first, which takes longer than
judging it; it is made in FOLDER, if one is named, and is judged again from there the next time.
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

#: Events a visitor makes on average, and events in a request.
EVENTS, _BATCH = 2.84, 100

_BLOCK = 20_000

#: Of more rows than these the first judgement is not measured as well: it takes minutes.
_MOST_FOR_THE_FIRST = 1_000_000


def main(rows: int = 100_000, folder: str = "") -> None:
    """Make a run of about *rows* rows unless *folder* has one, judge it, and print what that took."""
    with nullcontext(folder) if folder else tempfile.TemporaryDirectory() as name:
        run = Path(name)
        if not (run / "manifest.json").exists():
            make(run, Plan(settings(visitors=round(rows / EVENTS))))
        began, busy = time.perf_counter(), time.process_time()
        found = analyse(run)
        whole, processor = time.perf_counter() - began, time.process_time() - busy
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        bare = scan(run / "observed")
        assert found.verdict is Verdict.GO, found.sentence
        print(f"{found.run['observed_rows']:,} rows: judged in {whole:.1f} s, processor time {processor:.1f} s, most "
              f"memory {memory:.1f} GiB")  # fmt: skip
        print(f"bare scan of the same columns {bare:.2f} s, ratio {whole / bare:.0f}")
        if rows <= _MOST_FOR_THE_FIRST:
            (run / PLANNED).unlink()
            began = time.perf_counter()
            analyse(run)
            print(f"first judgement, which makes the plan's rows: {time.perf_counter() - began:.1f} s")


def make(run: Path, plan: Plan) -> None:
    """Write a run that went well, and the rows of its plan beside it."""
    for part in ("ledger", "observed"):
        (run / part).mkdir(parents=True)
    # The two are made side by side, in processes of their own, so that the memory they take is not the analysis'.
    start = multiprocessing.get_context("spawn")
    makers = [start.Process(target=target, args=(run, plan.settings)) for target in (_keep, _play)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    if any(maker.exitcode for maker in makers):
        sys.exit(1)


def _keep(run: Path, asked: PlanSettings) -> None:
    began = time.perf_counter()
    keep_planned(run, Plan(asked))
    print(f"making the plan's events again took {time.perf_counter() - began:.1f} s", flush=True)


def _play(run: Path, asked: PlanSettings) -> None:
    """Write the ledger and the rows of a generator that sent all of the plan, and last the manifest."""
    plan = Plan(asked)
    zero = last = asked.epoch_ms
    connection = duckdb.connect()
    with LedgerWriter(run / "ledger", "worker-0-1") as ledger:
        for number, first in enumerate(range(0, asked.visitors, _BLOCK)):
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
        run_id="bench", created="2025-01-31T14:30:00+00:00", fidelity="synthetic", generation=asked.generation,
        wiki="testwiki", stream="product_metrics.web_base", visitors=asked.visitors, hasty=False, batch_size=_BATCH,
        target={"name": "local", "source": "local", "intake": "", "mpic": ""},
        plan=plan.settings.to_json(), started_ms=zero, finished_ms=last,
    ).write(run)  # fmt: skip


def _filled(rows: pa.Table, connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Return *rows* as the intake completes them."""
    connection.register("filling", rows)
    return connection.sql("SELECT * REPLACE (struct_update(meta, dt := dt) AS meta) FROM filling").to_arrow_table()


def scan(folder: Path) -> float:
    """Return the seconds that reading every column of every row takes."""
    connection = duckdb.connect()
    names = [row[0] for row in connection.sql(f"DESCRIBE SELECT * FROM '{folder}/*.parquet'").fetchall()]
    sums = ", ".join(f'sum(hash("{name}"))' for name in names)
    began = time.perf_counter()
    connection.sql(f"SELECT {sums} FROM '{folder}/*.parquet'").fetchall()
    return time.perf_counter() - began


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 100_000, "".join(sys.argv[2:3]))
