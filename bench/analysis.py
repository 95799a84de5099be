"""What judging a run costs: the whole analysis beside a bare scan of the same columns.

Run with `python -m bench.analysis [ROWS]`; the run that is judged is made first, which takes longer than judging it.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.analyse import analyse
from analysis.evidence import gather
from analysis.results import Verdict
from analysis.sent import keep_planned
from metrics_platform.intake import EventAnswer, EventOutcome
from metrics_platform.table import rows_of
from personas.plan import Plan
from run_record.ledger import LedgerWriter, Span
from run_record.manifest import Manifest
from tests.plans import settings

#: Events a visitor makes on average, and events in a request.
_EVENTS, _BATCH = 2.84, 100

_BLOCK = 20_000


def main(rows: int = 100_000) -> None:
    """Make a run of about *rows* rows, judge it, and print what that took."""
    with tempfile.TemporaryDirectory() as name:
        run = Path(name)
        made = _make(run, rows)
        keep_planned(run, Plan(settings(visitors=round(rows / _EVENTS))))
        began = time.perf_counter()
        gather(run)
        gathered = time.perf_counter() - began
        began = time.perf_counter()
        found = analyse(run)
        whole = time.perf_counter() - began
        scan = _scan(run / "observed")
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    assert found.verdict is Verdict.GO, found.sentence
    print(f"{made:,} rows: judged in {whole:.1f} s, of which {gathered:.1f} s bring the evidence together")
    print(f"bare scan of the same columns {scan:.2f} s, ratio {whole / scan:.0f}; most memory {memory:.1f} GiB")


def _make(run: Path, rows: int) -> int:
    """Write a run that went well, and return how many events it has."""
    plan = Plan(settings(visitors=round(rows / _EVENTS)))
    visitors = plan.settings.visitors
    for part in ("ledger", "observed"):
        (run / part).mkdir()
    zero = plan.settings.epoch_ms
    last = 0
    count = 0
    connection = duckdb.connect()
    with LedgerWriter(run / "ledger", "worker-0-1") as ledger:
        for number, first in enumerate(range(0, visitors, _BLOCK)):
            events = list(plan.events(first, _BLOCK))
            for begin in range(0, len(events), _BATCH):
                batch = events[begin : begin + _BATCH]
                due = zero + batch[-1].offset_ms
                last = max(last, due)
                spans = [Span(event.visit, event.position, 1) for event in batch]
                request = ledger.intend(spans, intended_ms=due, sent_ms=due)
                ledger.answered(request, [EventAnswer(EventOutcome.OK)] * len(batch), status=201, at_ms=due)
            table = rows_of([event.body for event in events], connection)
            pq.write_table(_filled(table, connection), run / "observed" / f"{number:05d}.parquet")
            count += len(events)
    Manifest(
        run_id="bench", created="2025-01-31T14:30:00+00:00", fidelity="synthetic", generation=plan.settings.generation,
        wiki="testwiki", stream="product_metrics.web_base", visitors=visitors, hasty=False, batch_size=_BATCH,
        target={"name": "local", "source": "local", "intake": "", "mpic": ""},
        plan=plan.settings.to_json(), started_ms=zero, finished_ms=last,
    ).write(run)  # fmt: skip
    return count


def _filled(rows: pa.Table, connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Return *rows* as the intake completes them."""
    connection.register("filling", rows)
    return connection.sql("SELECT * REPLACE (struct_update(meta, dt := dt) AS meta) FROM filling").to_arrow_table()


def _scan(folder: Path) -> float:
    """Return the seconds that reading every column of every row takes."""
    connection = duckdb.connect()
    names = [row[0] for row in connection.sql(f"DESCRIBE SELECT * FROM '{folder}/*.parquet'").fetchall()]
    sums = ", ".join(f'sum(hash("{name}"))' for name in names)
    began = time.perf_counter()
    connection.sql(f"SELECT {sums} FROM '{folder}/*.parquet'").fetchall()
    return time.perf_counter() - began


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
