"""Runs without a testbed: a plan, the ledger of a generator that sent all of it, and the rows as they would land."""

import atexit
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.analyse import Analysis
from analysis.run_model.sent_events import PLANNED, keep_planned
from analysis.verdict import CheckResult, CheckStatus
from contracts.generation import Generation
from contracts.intake import EventAnswer, EventOutcome
from contracts.table import rows_of
from personas.plan.plan import Plan
from run_record.ledger.files import LedgerWriter, Span
from run_record.manifest import Manifest
from tests.plans import plan

STARTED_MS = 1_738_333_800_000
VISITORS = 1_500

Event = dict[str, Any]


@dataclass(frozen=True)
class Sent:
    """One event of a made-up run, with the answer its request got; None leaves an intent without outcome."""

    visit: int
    position: int
    lag_ms: int = 0
    status: int | None = 201
    outcome: EventOutcome | None = EventOutcome.OK
    reason: str = ""


@dataclass
class MadeUp:
    """A run folder being made, and what landed."""

    folder: Path
    plan: Plan
    events: list[Event]

    def land(self, events: list[Event] | None = None) -> None:
        """Write *events* (all by default) as the rows that were observed."""
        lines = [orjson.dumps(event) for event in (self.events if events is None else events)]
        with duckdb.connect() as connection:
            pq.write_table(rows_of(lines, connection), self.folder / "observed" / "rows.parquet")

    def report_invalid(self, events: list[Event]) -> None:
        """Write *events* as the error stream."""
        lines = [orjson.dumps({"raw_event": orjson.dumps(event).decode(), "message": "'.x' no"}) for event in events]
        (self.folder / "observed" / "errors.ndjson").write_bytes(b"\n".join(lines) + b"\n")

    def rows(self) -> pa.Table:
        """Return the rows that were observed."""
        return pq.read_table(self.folder / "observed" / "rows.parquet")


def as_planned(sent: Sent) -> Sent:
    """Return *sent* as it is."""
    return sent


def make_run(
    folder: Path,
    generation: Generation = Generation.ALPHA,
    *,
    change: Callable[[Sent], Sent | None] = as_planned,
    visitors: int = VISITORS,
    hasty: bool = False,
    stopped_early: bool = False,
    seed: int = 7,
    epoch_ms: int = STARTED_MS,
    started_ms: int = STARTED_MS,
    aa: bool = False,
    run_id: str = "made-up",
    experiment: Mapping[str, object] | None = None,
) -> MadeUp:
    """Make the run of a generator that did what the plan says, but for *change* (None: never sent)."""
    if experiment is None:
        created, planned = _rendered(generation, visitors, seed, epoch_ms, aa)
    else:
        created = plan(generation, visitors=visitors, seed=seed, epoch_ms=epoch_ms, aa=aa, experiment=experiment)
        folder.mkdir(parents=True, exist_ok=True)
        planned = None
    for name in ("ledger", "observed"):
        (folder / name).mkdir(parents=True)
    Manifest(
        run_id=run_id, created="2025-01-31T14:30:00+00:00", fidelity="synthetic", generation=generation,
        wiki="testwiki", stream="product_metrics.web_base", visitors=visitors, hasty=hasty, batch_size=1,
        target={"name": "local", "source": "local", "intake": "http://127.0.0.1:1/v1/events", "mpic": "http://127.0.0.1:2"},
        plan=created.settings.to_json(), started_ms=started_ms, finished_ms=started_ms + 600_000,
        stopped_early=stopped_early,
    ).write(folder)  # fmt: skip
    if planned is not None:
        shutil.copy(planned, folder / PLANNED)
    if change is as_planned and planned is not None:
        ledger, lines = _sent_as_planned(generation, visitors, seed, epoch_ms, aa, started_ms)
        shutil.copytree(ledger, folder / "ledger", dirs_exist_ok=True)
        return MadeUp(folder, created, orjson.loads(lines))
    return MadeUp(folder, created, _send(created, folder / "ledger", started_ms, change))


def _send(run_plan: Plan, ledger_folder: Path, started_ms: int, change: Callable[[Sent], Sent | None]) -> list[Event]:
    """Write the ledger of a generator that sent the events of a plan, but for *change*; return what would land."""
    landed: list[Event] = []
    with LedgerWriter(ledger_folder, "worker-0-1") as ledger:
        for event in run_plan.events(0, run_plan.settings.visitors):
            sent = change(Sent(event.visit, event.position))
            if sent is None:
                continue
            due = started_ms + event.offset_ms
            span = Span(sent.visit, sent.position, 1)
            request = ledger.intend([span], intended_ms=due, sent_ms=due + sent.lag_ms)
            if sent.outcome is not None:
                answers = [EventAnswer(sent.outcome, sent.reason)]
                ledger.answered(request, answers, status=sent.status, at_ms=due + sent.lag_ms + 2)
            landed.append(_filled(orjson.loads(event.body), due))
    return landed


@cache
def _sent_as_planned(
    generation: Generation, visitors: int, seed: int, epoch_ms: int, aa: bool, started_ms: int
) -> tuple[Path, bytes]:
    """Return the ledger of a generator that did what the plan says, and what landed; many tests share both."""
    created, planned = _rendered(generation, visitors, seed, epoch_ms, aa)
    ledger = planned.parent / f"ledger-{started_ms}"
    ledger.mkdir()
    return ledger, orjson.dumps(_send(created, ledger, started_ms, as_planned))


@cache
def _rendered(generation: Generation, visitors: int, seed: int, epoch_ms: int, aa: bool) -> tuple[Plan, Path]:
    """Return a plan and the file of its rows, which many tests share."""
    folder = Path(tempfile.mkdtemp(prefix="dogfood-planned-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    run_plan = plan(generation, visitors=visitors, seed=seed, epoch_ms=epoch_ms, aa=aa)
    return run_plan, keep_planned(folder, run_plan)


def _filled(event: Event, at_ms: int) -> Event:
    """Return *event* as the intake would write it at *at_ms*."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event["meta"] = {**event["meta"], "dt": moment, "request_id": "r"}
    return {**event, "http": {"request_headers": {"user-agent": "Tester/1"}}}


def answered(status: int | None, outcome: EventOutcome | None, every: int) -> Callable[[Sent], Sent]:
    """Return a change that gives the events of each visit divisible by *every* this answer."""

    def change(sent: Sent) -> Sent:
        return replace(sent, status=status, outcome=outcome, reason="why") if sent.visit % every == 0 else sent

    return change


def failed(analysis: Analysis) -> set[str]:
    """Return the names of the checks that fail."""
    return {check.name for check in analysis.checks if check.status is CheckStatus.FAIL}


def check(analysis: Analysis, name: str) -> CheckResult:
    """Return what the check *name* says."""
    return next(item for item in analysis.checks if item.name == name)
