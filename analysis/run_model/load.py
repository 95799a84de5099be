"""What a run left behind, brought together: the plan, the ledger, what was sent and what was observed."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from analysis.engines.arrow import words
from analysis.engines.duckdb_engine import DuckDbEngine, QueryEngine
from analysis.engines.warehouse import NO_ARRIVALS, Warehouse
from analysis.inputs.description import InputSummary, ObservedKind
from analysis.inputs.errors import InputError
from analysis.run_model.observed import Observed, read_observed, summarise
from analysis.run_model.other_runs import find_other_runs
from analysis.run_model.participants import FIDELITIES, Participants, participants
from analysis.run_model.rejected_events import ERRORS, read_rejected
from analysis.run_model.row_sources import add_sources
from analysis.run_model.sent_events import PlannedTotals, first_ms, last_ms, load_sent, places, unknown_event
from analysis.run_model.sent_validity import Dropped, dropped
from analysis.run_model.subjects import classify_subjects
from analysis.summaries.arrivals import ArrivalDelays, arrival_delays
from analysis.summaries.loss_location import LossLocation, add_streams, locate_losses
from analysis.summaries.timeline import TimeBucket, count_over_time
from analysis.verdict import Layer
from contracts.assignment import subject_id
from contracts.profiles import profile_of
from contracts.table import ARRIVALS_FILE, BrokenLine
from personas.plan.plan import Plan
from personas.plan.settings import PlanSettings
from run_record.ledger.files import SentEvents, read_ledger
from run_record.ledger.rows import OUTCOMES
from run_record.load_report.report import FILE_NAME as LOAD
from run_record.load_report.report import LoadReport
from run_record.manifest import Manifest
from run_record.page_views import PageView, is_overridden, read_page_views
from run_record.platform_state import PlatformState
from run_record.roster import Account, read_roster
from run_record.run_folder import LEDGER, OBSERVED
from run_record.scenario_findings import ScenarioFinding, read_scenario_findings

#: Rows of strangers count as unexpected until this long after the last request.
SETTLE_MS = 60_000

_HASTY = 202


@dataclass(frozen=True)
class Evidence:
    """Everything the checks look at.

    The engine holds the tables `sent`, `said`, `observed`, `refused`, `classified`, `visits` and, of the experiment's
    subjects, `seen_sent` and `seen_landed`; see `analysis/sql/`.

    Attributes:
        manifest: of the run.
        plan: made again from the manifest.
        ledger: what was put on the wire.
        participants: everybody who was to visit, by visit.
        roster: the wiki's accounts among them.
        page_views: what sessions on the wiki saw.
        given_up: page views that the kit did not get to the end of; no check judges the platform by them.
        findings: what scenarios found besides.
        made: what the plan has.
        engine: with the tables.
        broken: lines of the observed files that are no events.
        observed_rows: how many rows of this run were observed.
        misplaced: how many rows are in another hour's partition, by partition and hour they belong to.
        floor: an imbalance between groups below this share of a group's subjects is not called, however sure it is.
        streams_known: whether it is known what the streams held (`analysis.summaries.loss_location`).
        load: what the generator measured of itself, if one did.
        platform: what the platform answered when the run was made.
        inputs: what the observed files were read as.
        other_runs: rows that are left out because another run's ledger names them, by that run.
    """

    manifest: Manifest
    plan: Plan
    ledger: SentEvents
    participants: Participants
    roster: Sequence[Account]
    page_views: Sequence[PageView]
    given_up: Sequence[PageView]
    findings: Sequence[ScenarioFinding]
    made: PlannedTotals
    engine: QueryEngine
    broken: tuple[BrokenLine, ...]
    observed_rows: int
    misplaced: Mapping[tuple[str, str], int]
    floor: float = 0.0
    streams_known: bool = False
    load: LoadReport | None = None
    platform: PlatformState = field(default_factory=PlatformState)
    inputs: InputSummary = field(default_factory=InputSummary)
    other_runs: Mapping[str, int] = field(default_factory=dict)

    def labels(self, table: str) -> Sequence[Mapping[str, object]]:
        """The names that the events of *table* carry (`analysis/sql/labels.sql`)."""
        if table not in self._labels:
            self._labels[table] = self.engine.ask("labels", observed=table)
        return self._labels[table]

    @cached_property
    def moments(self) -> tuple[TimeBucket, ...]:
        """The events of each stretch of the run."""
        return count_over_time(self.engine)

    @cached_property
    def _labels(self) -> dict[str, Sequence[Mapping[str, object]]]:
        return {}

    @cached_property
    def landed_groups(self) -> Sequence[Mapping[str, object]]:
        """Subjects and events of each group in the table (`analysis/sql/landed_groups.sql`)."""
        return self.engine.ask("landed_groups")

    @cached_property
    def landed_subjects(self) -> Mapping[str, int]:
        """What the subjects in the table are as a whole (`analysis/sql/seen_counts.sql`)."""
        return self._seen_counts("seen_landed")

    @cached_property
    def sent_subjects(self) -> Mapping[str, int]:
        """Likewise, the subjects as they were sent."""
        return self._seen_counts("seen_sent")

    def _seen_counts(self, table: str) -> Mapping[str, int]:
        [row] = self.engine.ask("seen_counts", seen=table)
        return {name: int(str(value)) for name, value in row.items()}

    @cached_property
    def fates(self) -> Sequence[Mapping[str, object]]:
        """How many events of each group met each fate (`analysis/sql/fates.sql`)."""
        return self.engine.ask("fates")

    @cached_property
    def duplicates(self) -> Sequence[Mapping[str, object]]:
        """Ids that landed more than once (`analysis/sql/duplicates.sql`)."""
        return self.engine.ask("duplicates")

    @cached_property
    def unexpected(self) -> Sequence[Mapping[str, object]]:
        """Rows that were never sent (`analysis/sql/unexpected.sql`)."""
        return self.engine.ask("unexpected")

    @cached_property
    def arrival_delays(self) -> ArrivalDelays:
        """How long rows took into their topic and into the table."""
        return arrival_delays(self.engine)

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
    def overridden(self) -> frozenset[str]:
        """Subjects, as in the table, of accounts that a page told to be in their group by an override (xlab)."""
        forced = {view.visit for view in self.page_views if is_overridden(view.experiments, self.plan.experiment.name)}
        accounts = {account.visit: account for account in self.roster}
        return frozenset(
            subject_id(accounts[visit].central_id, self.plan.experiment.name)
            for visit in forced
            if accounts[visit].central_id
        )

    @cached_property
    def hasty(self) -> bool:
        """Whether requests were answered 202, before validation."""
        return bool((self.ledger.status == _HASTY).any())

    @cached_property
    def dropped(self) -> Dropped:
        """The events that were answered 202 and that no intake could accept."""
        return dropped(self)

    @cached_property
    def whereabouts(self) -> LossLocation:
        """Where the events that are lost were seen last."""
        return locate_losses(self.engine, self.manifest.stream, known=self.streams_known)

    @cached_property
    def delivery_layer(self) -> Layer:
        """Where acknowledged events go missing: behind the place where most of them were seen last.

        Where the stream was not looked at: a 202 promises nothing yet, a 201 says that the stream has it.
        """
        found = self.whereabouts
        places = {Layer.STREAM: found.astray, Layer.TABLE: found.behind, Layer.INTAKE: found.nowhere}
        if any(places.values()):
            return max(places, key=places.__getitem__)
        return Layer.INTAKE if self.hasty else Layer.TABLE

    def sent_bodies(self, query: str, most: int) -> Iterator[bytes]:
        """Yield at most *most* events, as they were sent, which the file *query* names by visit and position."""
        for row in self.engine.ask(query, {"most": most}):
            visit, position = int(str(row["visit"])), int(str(row["position"]))
            carried = self.ledger.bodies.get((visit, position))
            yield carried if carried is not None else self.plan.visit(visit)[position].body

    def group_names(self) -> tuple[str, ...]:
        """Return the experiment's groups, in the config's order."""
        return self.plan.experiment.groups


def gather(
    run: Path,
    observed: Sequence[Path] = (),
    *,
    floor: float = 0.0,
    warehouse: Warehouse | None = None,
    kind: ObservedKind | None = None,
) -> Evidence:
    """Read the run in the folder *run*, make what it sent again, and load what was *observed*.

    Args:
        run: the run's folder.
        observed: files, folders or pipes of any common format (`docs/reference/inputs.md`); by default what the run's folder
            holds.
        floor: as of `Evidence`.
        warehouse: whose table to look at, instead of anything that was *observed*.
        kind: what *observed* is; None to find that out by its content.

    Raises:
        DogfoodError: the run, or what was observed, cannot be read.
    """
    manifest = Manifest.read(run)
    plan = Plan(PlanSettings.from_json(manifest.plan))
    with ThreadPoolExecutor(max_workers=1) as reader:
        # Reading is Arrow's work and the other Python's, so they go side by side.
        reading = reader.submit(read_ledger, run / LEDGER)
        planned = plan.subjects(0, manifest.visitors)
        ledger = reading.result()
    roster, recorded, findings = read_roster(run), read_page_views(run), read_scenario_findings(run)
    people = participants(plan, planned, manifest, ledger, roster, recorded)
    views = [view for view in recorded if not view.given_up]
    given_up = [view for view in recorded if view.given_up]
    _check_visits(ledger, len(people.group))
    window = {"from_ms": first_ms(manifest, ledger), "until_ms": last_ms(manifest, ledger) + SETTLE_MS}
    if warehouse is None:
        engine: QueryEngine = (database := DuckDbEngine())
        files = read_observed(run, observed, database, kind)
    else:
        engine = warehouse.engine
        warehouse.add_rows(window["from_ms"], window["until_ms"] + manifest.deadline_s * 1000)
        files = Observed((), (), warehouse.misplaced(), warehouse.summary())
    zero_ms = plan.settings.epoch_ms if manifest.started_ms is None else manifest.started_ms
    engine.add("asked", _asked(plan, zero_ms))
    made = load_sent(run, plan, ledger, _facts(plan, ledger, people), zero_ms, engine)
    refused, broken_reports = read_rejected(run / OBSERVED / ERRORS, files.reports)
    engine.add("refused", refused)
    engine.define("observed_flat", "flat", events="observed_events")
    engine.define("observed_numbered", "numbered", flat="observed_flat")
    engine.define("observed_all", "marked", numbered="observed_numbered")
    # Where all instruments' events carry one name, it tells nothing of whose a row is.
    named = profile_of(manifest.generation).constants.get("instrument_name")
    instrument = "" if named else plan.settings.parsed_instrument().name
    _keep_ours(engine, {"instrument": instrument, **window})
    others = find_other_runs(run, engine)
    engine.define("ours_whole", "ours_whole")
    if warehouse is None:
        _add_arrivals(engine, run / OBSERVED / ARRIVALS_FILE if not observed else None)
    else:
        warehouse.add_arrivals()
    engine.keep("classified", "classified", {"deadline_ms": manifest.deadline_s * 1000})
    engine.add("people", _people(plan, people))
    add_sources(engine)
    engine.keep("visits", "visits")
    [counted] = engine.ask("observed_count")
    of_run = int(str(counted["events"]))
    evidence = Evidence(
        manifest, plan, ledger, people, roster, views, given_up, findings, made, engine,
        (*files.broken, *broken_reports), of_run, files.misplaced, floor, add_streams(run, engine),
        _load(run), PlatformState.read(run), summarise(files.summary, engine, of_run), others,
    )  # fmt: skip
    _add_subjects(evidence)
    return evidence


def _load(run: Path) -> LoadReport | None:
    """Return what the generator of *run* measured of itself; None when there was none."""
    load = LoadReport.read(run) if (run / LOAD).is_file() else None
    return load if load is not None and load.has_generator else None


def _add_subjects(evidence: Evidence) -> None:
    """Add the subjects of the experiment, as they were sent and as they landed, and who was chosen for their group."""
    engine, plan = evidence.engine, evidence.plan
    for name, table in (("seen_sent", "said"), ("seen_landed", "observed")):
        subjects = engine.table("subjects", observed=table)
        engine.add(
            name,
            classify_subjects(
                subjects, plan.settings.generation, plan.experiment.name, plan.experiment.groups, plan.rate
            ),
        )
    engine.add("overridden", pa.table({"subject": pa.array(sorted(evidence.overridden), pa.string())}))
    chosen = sorted(evidence.participants.chosen_subjects)
    engine.add("chosen", pa.table({"subject": pa.array(chosen, pa.string())}))


def _check_visits(ledger: SentEvents, count: int) -> None:
    outside = np.flatnonzero((ledger.visit < 0) | (ledger.visit >= count))
    if len(outside):
        raise unknown_event(int(ledger.visit[outside[0]]), int(ledger.position[outside[0]]))


def _add_arrivals(engine: QueryEngine, path: Path | None) -> None:
    if path is not None and path.exists():
        engine.add_parquet("arrivals", path)
    else:
        engine.add("arrivals", NO_ARRIVALS)


def _keep_ours(engine: QueryEngine, values: Mapping[str, str | int]) -> None:
    """Keep the table `claimed`. They are read here for the first time, so here it shows if they cannot be."""
    try:
        engine.keep("claimed", "ours", values)
    except duckdb.Error as error:
        raise InputError(f"what was observed cannot be read: {str(error).splitlines()[0]}") from error


def _asked(plan: Plan, zero_ms: int) -> pa.Table:
    """Return the one row of names that rows are read by, and when the plan began to be played."""
    experiment = plan.experiment
    return pa.table(
        {
            "generation": [str(plan.settings.generation)],
            "experiment": [experiment.name],
            "feature": [experiment.features[0].name],
            "zero_ms": [zero_ms],
        }
    )


def _facts(plan: Plan, ledger: SentEvents, people: Participants) -> pa.Table:
    """Return what the ledger and the plan know of each sent event besides its content."""
    return pa.table(
        {
            "place": places(ledger),
            "status": ledger.status,
            "outcome": words(ledger.outcome, [str(outcome) for outcome in OUTCOMES]),
            "reason": _reasons(ledger),
            "group_name": words(people.group[ledger.visit], plan.experiment.groups),
            "worker": words(ledger.worker, ledger.workers),
        }
    )


def _people(plan: Plan, people: Participants) -> pa.Table:
    """Return who took part, as rows: an empty group is not in the sample, an empty persona is an account's."""
    return pa.table(
        {
            "visit": np.arange(len(people.group)),
            "fidelity": words(people.fidelity, [str(fidelity) for fidelity in FIDELITIES]),
            "persona": words(people.persona, [persona.name for persona in plan.personas]),
            "group_name": words(people.group, plan.experiment.groups),
            "by_chance": ~people.chosen,
        }
    )


def _reasons(ledger: SentEvents) -> pa.DictionaryArray:
    """Return why each event was refused, empty for most."""
    names = sorted(set(ledger.reasons.values()))
    index = np.full(len(ledger.visit), -1, np.int16)
    numbers = {word: number for number, word in enumerate(names)}
    for worker in {worker for worker, _ in ledger.reasons}:
        mine = np.flatnonzero(ledger.worker == worker)
        said = np.full(int(ledger.request[mine].max(initial=0)) + 1, -1, np.int16)
        for (other, request), reason in ledger.reasons.items():
            if other == worker and request < len(said):
                said[request] = numbers[reason]
        index[mine] = said[ledger.request[mine]]
    return words(index, names)
