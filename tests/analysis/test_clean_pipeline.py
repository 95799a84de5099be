"""Clean runs through the testbed's own intake, stream and ingestion are called as rarely as the levels promise."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest
from scipy import stats

from analysis.analyse import analyse
from analysis.verdict import Verdict
from contracts.generation import Generation
from contracts.intake import interpret
from personas.plan.plan import Plan
from run_record.ledger.files import LedgerWriter, Span
from run_record.manifest import Manifest
from testbed.stream.segments import SegmentReader
from testbed.table.ingest import CHECKPOINT, ingest
from testbed.table.table_export import export_table
from tests.analysis.runs import failed
from tests.plans import plan
from tests.servers import serving

STREAM = "product_metrics.web_base"
BATCH = 100
HEADERS = {"content-type": "text/plain;charset=UTF-8", "user-agent": "Mozilla/5.0 (X11; rv:128.0) Firefox/128.0"}

#: Of all checks of a run together; docs/reference/statistics.md says where it comes from.
PROMISED = 0.01


@dataclass
class Pipeline:
    """An intake that runs, its stream, and where its tables are kept."""

    client: httpx.Client
    url: str
    folder: Path

    def play(self, seed: int, visitors: int) -> Path:
        """Play the plan of *seed* against the intake, bring what arrived into a table, and return the run's folder."""
        run = self.folder / f"run-{seed}"
        for part in ("ledger", "observed"):
            (run / part).mkdir(parents=True)
        began = int(time.time() * 1000)
        generation = Generation.ALPHA if seed % 2 else Generation.XLAB
        run_plan = plan(
            generation, seed=seed, visitors=visitors, epoch_ms=began, aa=seed % 3 == 0, time_scale=100_000,
            arrivals_per_second=100_000,
        )  # fmt: skip
        self._send(run_plan, run / "ledger", began)
        ended = int(time.time() * 1000)
        Manifest(
            run_id=run.name, created="2025-01-31T14:30:00+00:00", fidelity="synthetic", generation=generation,
            wiki="testwiki", stream=STREAM, visitors=visitors, hasty=False, batch_size=BATCH,
            target={"name": "local", "source": "local", "intake": self.url, "mpic": ""},
            plan=run_plan.settings.to_json(), started_ms=began, finished_ms=ended,
        ).write(run)  # fmt: skip
        self._ingest(seed)
        export_table(self._topics, self.folder / f"table-{seed}", run / "observed", began - 1_000, ended + 1_000)
        return run

    @property
    def _topics(self) -> partial[SegmentReader]:
        return partial(SegmentReader, self.folder / "stream")

    def _send(self, run_plan: Plan, ledger_folder: Path, began: int) -> None:
        """Send the events of the plan in the order of their times, each request written down before it leaves."""
        events = sorted(run_plan.events(0, run_plan.settings.visitors), key=lambda event: event.offset_ms)
        with LedgerWriter(ledger_folder, "worker-0-1") as ledger:
            for first in range(0, len(events), BATCH):
                batch = events[first : first + BATCH]
                spans = [Span(event.visit, event.position, 1) for event in batch]
                due = began + batch[-1].offset_ms
                time.sleep(max(0.0, due / 1000 - time.time()))
                request = ledger.intend(spans, intended_ms=due, sent_ms=int(time.time() * 1000))
                body = b"[" + b",".join(event.body for event in batch) + b"]"
                output = self.client.post(self.url, content=body, headers=HEADERS)
                answers = interpret(
                    output.status_code, output.reason_phrase, output.content, [event.id for event in batch]
                )
                ledger.answered(request, answers, status=output.status_code, at_ms=int(time.time() * 1000))

    def _ingest(self, seed: int) -> None:
        """Ingest new events of the stream into a new table, from where the last one ended."""
        table, checkpoint = self.folder / f"table-{seed}", self.folder / CHECKPOINT
        table.mkdir()
        if checkpoint.exists():
            shutil.copy(checkpoint, table)
        ingest(self._topics, table, STREAM)
        shutil.copy(table / CHECKPOINT, checkpoint)


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    with (
        serving("testbed.intake", "--stream-dir", str(tmp_path / "stream"), log=tmp_path / "intake.log") as intake,
        httpx.Client(trust_env=False) as client,
    ):
        yield Pipeline(client, f"{intake.url}/v1/events", tmp_path)


def called(pipeline: Pipeline, seeds: range, visitors: int) -> list[set[str]]:
    """Return the checks that fail in clean runs, one run a seed; generations and A/A take turns."""
    items = []
    for seed in seeds:
        run = pipeline.play(seed, visitors)
        analysis = analyse(run)
        # Lag is this machine's affair, and makes a run INVALID by intent.
        assert (analysis.verdict is Verdict.GO) == (not failed(analysis)), analysis.sentence
        assert analysis.reconciliation["ok"] == analysis.reconciliation["offered"] > visitors
        items.append(failed(analysis))
        shutil.rmtree(run)
        shutil.rmtree(pipeline.folder / f"table-{seed}")
    return items


def test_clean_runs_through_the_testbed_are_go(pipeline: Pipeline) -> None:
    assert called(pipeline, range(1, 3), 1_200) == [set()] * 2


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_clean_testbed_runs_keep_the_level(pipeline: Pipeline) -> None:
    calls = [checks for checks in called(pipeline, range(1, 201), 1_200) if checks]
    assert stats.binomtest(len(calls), 200, PROMISED, "greater").pvalue > 0.001, calls
