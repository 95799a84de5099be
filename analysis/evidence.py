"""What a run left behind, brought together: the plan, the ledger, what was sent and what was observed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa

from analysis.engine import DuckDb
from analysis.participants import FIDELITIES, Participants, participants
from analysis.results import Layer
from analysis.seen import Seen, see
from analysis.sent import Made, load_sent, unknown_event
from metrics_platform.assignment import Generation
from metrics_platform.errors import DogfoodError
from metrics_platform.table import BrokenLine, Rows, misplaced_rows, read_ndjson, read_parquet
from personas.plan import Plan
from personas.settings import PlanSettings
from run_record.findings import Finding, read_findings
from run_record.folder import LEDGER, OBSERVED
from run_record.ledger import OUTCOMES, SentEvents, read_ledger
from run_record.manifest import Manifest
from run_record.page_views import PageView, read_page_views
from run_record.roster import Account, read_roster

#: Rows of strangers count as unexpected until this long after the last request.
SETTLE_MS = 60_000

ERRORS = "errors.ndjson"

_HASTY = 202


class ObservedError(DogfoodError):
    """There is nothing to compare with, or it cannot be read."""


@dataclass(frozen=True)
class Evidence:
    """Everything the checks look at.

    The engine holds the tables `sent`, `observed`, `refused` and `classified`; see `analysis/sql/`.

    Attributes:
        manifest: of the run.
        plan: made again from the manifest.
        ledger: what was put on the wire.
        participants: everybody who was to visit, by visit.
        roster: the wiki's accounts among them.
        page_views: what sessions on the wiki saw.
        findings: what scenarios found besides.
        made: what the plan has.
        engine: with the tables.
        broken: lines of the observed files that are no events.
        observed_rows: how many rows of this run were observed.
        misplaced: how many rows are in another hour's partition, by partition and hour they belong to.
        floor: an imbalance between groups below this share of a group's subjects is not called, however sure it is.
    """

    manifest: Manifest
    plan: Plan
    ledger: SentEvents
    participants: Participants
    roster: Sequence[Account]
    page_views: Sequence[PageView]
    findings: Sequence[Finding]
    made: Made
    engine: DuckDb
    broken: tuple[BrokenLine, ...]
    observed_rows: int
    misplaced: Mapping[tuple[str, str], int]
    floor: float = 0.0

    @property
    def query_values(self) -> dict[str, str | int]:
        """The values of the parameters that several queries have."""
        experiment = self.plan.experiment
        return {
            "generation": str(self.manifest.generation),
            "experiment": experiment.name,
            "feature": experiment.features[0].name,
        }

    @cached_property
    def subjects(self) -> Sequence[Mapping[str, object]]:
        """Every subject with each group it was seen in, from the landed rows (`analysis/sql/subjects.sql`)."""
        return self.engine.ask("subjects", self.query_values)

    @cached_property
    def seen_landed(self) -> Sequence[Seen]:
        """The landed subjects beside what the contract says of them."""
        return see(
            self.subjects, self.manifest.generation, self.plan.experiment.name, self.group_names(), self.plan.rate
        )

    @cached_property
    def seen_sent(self) -> Sequence[Seen]:
        """Likewise, the subjects as they were sent."""
        rows = self.engine.ask("subjects", self.query_values, observed="sent")
        return see(rows, self.manifest.generation, self.plan.experiment.name, self.group_names(), self.plan.rate)

    @cached_property
    def fates(self) -> Sequence[Mapping[str, object]]:
        """How many events of each group met each fate (`analysis/sql/fates.sql`)."""
        return self.engine.ask("fates")

    @cached_property
    def clicks(self) -> Sequence[Mapping[str, object]]:
        """Sums behind the click-through rates, as sent and as landed (`analysis/sql/clicks.sql`)."""
        return self.engine.ask("clicks")

    @property
    def own_epoch(self) -> bool:
        """Whether the plan was given an epoch of its own, so that `dt` is in another time than the traffic."""
        started = self.manifest.started_ms
        return started is not None and abs(started - self.plan.settings.epoch_ms) > SETTLE_MS

    @cached_property
    def delivery_layer(self) -> Layer:
        """Where acknowledged events go missing: a 202 promises nothing yet, a 201 says that the stream has it."""
        hasty = bool((self.ledger.status == _HASTY).any())
        return Layer.INTAKE if hasty else Layer.TABLE

    def sent_bodies(self, query: str, most: int) -> Iterator[bytes]:
        """Yield the events, as they were sent, that the file *query* names by visit and position; *most* at "
        "the most."""
        for row in self.engine.ask(query, {"most": most}):
            visit, position = int(str(row["visit"])), int(str(row["position"]))
            carried = self.ledger.bodies.get((visit, position))
            yield carried if carried is not None else self.plan.visit(visit)[position].body

    def group_names(self) -> tuple[str, ...]:
        """Return the experiment's groups, in the config's order."""
        return self.plan.experiment.groups


def gather(run: Path, observed: Sequence[Path] = (), *, floor: float = 0.0) -> Evidence:
    """Read the run in the folder *run*, make what it sent again, and load what was *observed*.

    Args:
        run: the run's folder.
        observed: Parquet files or folders, or NDJSON files; by default what the run's folder holds.
        floor: as of `Evidence`.

    Raises:
        DogfoodError: the run, or what was observed, cannot be read.
    """
    manifest = Manifest.read(run)
    plan = Plan(PlanSettings.from_json(manifest.plan))
    ledger = read_ledger(run / LEDGER)
    roster, views, findings = read_roster(run), read_page_views(run), read_findings(run)
    people = participants(plan, manifest, ledger, roster, views)
    _check_visits(ledger, len(people.group))
    engine = DuckDb()
    rows = _observed(run, observed, engine)
    zero_ms = plan.settings.epoch_ms if manifest.started_ms is None else manifest.started_ms
    made = load_sent(run, plan, ledger, _facts(plan, ledger, people), zero_ms, engine)
    refused, broken_reports = _refused([run / OBSERVED / ERRORS, *(path for path in observed if _is_ndjson(path))])
    engine.add("observed_events", rows.table)
    engine.add("refused", refused)
    engine.define("observed_all", "flat", events="observed_events")
    instrument = plan.settings.parsed_instrument().name
    window = {"from_ms": _first_ms(manifest, ledger), "until_ms": _last_ms(manifest, ledger) + SETTLE_MS}
    names: dict[str, str | int] = {"instrument": instrument, "experiment": plan.experiment.name}
    engine.keep("observed", "ours", {**names, **window})
    engine.keep("classified", "classified", {"deadline_ms": manifest.deadline_s * 1000})
    engine.add("people", _people(plan, people))
    engine.keep("visits", "visits")
    [(count,)] = engine.connection.sql("SELECT count(*) FROM observed").fetchall()
    broken = (*rows.broken, *broken_reports)
    folders = [path for path in observed or [run / OBSERVED] if path.is_dir()]
    misplaced = {key: number for folder in folders for key, number in misplaced_rows(folder, engine.connection).items()}
    return Evidence(
        manifest, plan, ledger, people, roster, views, findings, made, engine, broken, count, misplaced, floor
    )


def _check_visits(ledger: SentEvents, count: int) -> None:
    outside = np.flatnonzero((ledger.visit < 0) | (ledger.visit >= count))
    if len(outside):
        raise unknown_event(int(ledger.visit[outside[0]]), int(ledger.position[outside[0]]))


def _first_ms(manifest: Manifest, ledger: SentEvents) -> int:
    return int(ledger.sent_ms.min()) if len(ledger.sent_ms) else manifest.started_ms or 0


def _last_ms(manifest: Manifest, ledger: SentEvents) -> int:
    last = int(max(ledger.sent_ms.max(), ledger.answered_ms.max())) if len(ledger.sent_ms) else 0
    return max(last, manifest.finished_ms or 0)


def _observed(run: Path, paths: Sequence[Path], engine: DuckDb) -> Rows:
    if not paths:
        folder = run / OBSERVED
        if not any(folder.rglob("*.parquet")):
            raise ObservedError(f"{folder} holds no rows: `dogfood run` puts them there, or name them with --observed")
        return Rows(read_parquet(folder, engine.connection), ())
    tables: list[pa.Table] = []
    broken: list[BrokenLine] = []
    for path in paths:
        if not path.exists():
            raise ObservedError(f"{path} does not exist: --observed takes Parquet files or folders, or NDJSON files")
        if path.is_dir() or path.suffix == ".parquet":
            tables.append(read_parquet(path, engine.connection))
        else:
            rows = read_ndjson([path], engine.connection)
            tables.append(rows.table)
            broken += rows.broken
    return Rows(pa.concat_tables(tables), tuple(broken))


def _facts(plan: Plan, ledger: SentEvents, people: Participants) -> pa.Table:
    """Return what the ledger and the plan know of each sent event besides its content."""
    groups = np.array([*plan.experiment.groups, ""], dtype=object)
    outcomes = np.array([str(outcome) for outcome in OUTCOMES], dtype=object)
    keys = zip(ledger.worker.tolist(), ledger.request.tolist(), strict=True)
    return pa.table(
        {
            "visit": ledger.visit,
            "position": ledger.position,
            "status": ledger.status,
            "outcome": pa.array(outcomes[ledger.outcome].tolist(), pa.string()),
            "reason": pa.array([ledger.reasons.get(key, "") for key in keys], pa.string()),
            "group_name": pa.array(groups[people.group[ledger.visit]].tolist(), pa.string()),
            "worker": pa.array([ledger.workers[number] for number in ledger.worker.tolist()], pa.string()),
            "intended_ms": ledger.intended_ms,
        }
    )


def _people(plan: Plan, people: Participants) -> pa.Table:
    """Return who took part, as rows: an empty group is not in the sample, an empty persona is an account's."""
    groups = np.array([*plan.experiment.groups, ""], dtype=object)
    personas = np.array([*(persona.name for persona in plan.personas), ""], dtype=object)
    names = np.array([str(fidelity) for fidelity in FIDELITIES], dtype=object)
    return pa.table(
        {
            "visit": np.arange(len(people.group)),
            "fidelity": pa.array(names[people.fidelity].tolist(), pa.string()),
            "persona": pa.array(personas[people.persona].tolist(), pa.string()),
            "group_name": pa.array(groups[people.group].tolist(), pa.string()),
            "by_chance": ~people.chosen,
        }
    )


def _is_ndjson(path: Path) -> bool:
    return path.is_file() and path.suffix != ".parquet"


def _refused(paths: Sequence[Path]) -> tuple[pa.Table, list[BrokenLine]]:
    """Return the events of the error stream by their keys, and the lines of its own file that are no reports.

    A real EventGate may write both streams into one file, so the observed files are looked through as well.
    """
    keys, messages = [], []
    broken: list[BrokenLine] = []
    for path in paths:
        for number, line in enumerate(_lines(path), start=1):
            if path.name != ERRORS and b'"raw_event"' not in line:
                continue
            try:
                report = orjson.loads(line)
                raw, message = report["raw_event"], str(report.get("message", ""))
            except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
                if path.name == ERRORS and line.strip():
                    broken.append(BrokenLine(path.name, number, f"no error report: {error}"))
                continue
            for key in _keys(raw):
                keys.append(key)
                messages.append(message)
    columns = {"event_key": pa.array(keys, pa.string()), "message": pa.array(messages, pa.string())}
    return pa.table(columns), broken


def _keys(raw: object) -> list[str]:
    """Return the keys that a refused event may have been sent under (`analysis/sql/keyed.sql`).

    An event so broken that it has none can be nobody's of ours.
    """
    try:
        event: object = orjson.loads(raw)  # type: ignore[arg-type]
    except (orjson.JSONDecodeError, TypeError):
        return []
    if not isinstance(event, dict):
        return []
    meta = event.get("meta")
    names = ("funnel_entry_token", "funnel_event_sequence_position", "action")
    funnel = "/".join(str(event[name]) for name in names if name in event)
    found = [str(meta["id"])] if isinstance(meta, dict) and "id" in meta else []
    return [*found, funnel] if funnel else found


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines() if path.exists() else []
    except OSError as error:
        raise ObservedError(f"{path} cannot be read: {error.strerror}") from error


def is_alpha(evidence: Evidence) -> bool:
    """Return whether the run is of the alpha generation."""
    return evidence.manifest.generation is Generation.ALPHA
