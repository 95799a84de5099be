"""Load a run: plan, ledger, sent and observed events."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from analysis.engines.arrow import dictionary_column
from analysis.engines.base import QueryEngine
from analysis.engines.duckdb_engine import DuckDbEngine
from analysis.engines.warehouse import NO_ARRIVALS, Warehouse
from analysis.inputs.description import InputSummary, ObservedKind
from analysis.inputs.errors import InputError
from analysis.run_model.observed import Observed, read_observed, summarise
from analysis.run_model.other_runs import find_other_runs
from analysis.run_model.participants import FIDELITIES, Participants, load_participants
from analysis.run_model.rejected_events import ERRORS, read_rejected
from analysis.run_model.row_sources import add_sources
from analysis.run_model.sent_events import PlannedTotals, event_numbers, first_ms, last_ms, load_sent, unknown_event
from analysis.run_model.sent_validity import UnacceptableEvents, find_unacceptable
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

#: Milliseconds after the last request until which rows that were not sent count as unexpected.
SETTLE_MS = 60_000

#: Status of a request that the intake answers before validation.
_HASTY = 202


@dataclass(frozen=True)
class Evidence:
    """All data that the checks use.

    The engine has the relations `sent`, `sent_content`, `observed`, `rejection_reports`, `event_fates`, `visits`,
    `subjects_sent` and `subjects_landed`; see `analysis/sql/model/`.

    Attributes:
        manifest: the run's manifest.
        plan: the plan, computed again from the manifest.
        ledger: the events that the run sent.
        participants: the subject of each visit.
        roster: the wiki's accounts among the participants.
        page_views: pages that sessions on the wiki viewed to their end.
        given_up: page views that the kit did not finish; no check judges the platform by them.
        findings: results of the scenarios.
        planned_totals: counts of the plan's events.
        engine: query engine with the relations.
        broken: lines of the observed files that are not events.
        observed_rows: number of observed rows of this run.
        misplaced: number of rows in another hour's partition, by partition and receive hour.
        min_imbalance: share of a group's subjects; a smaller imbalance passes, also where it is significant.
        streams_known: whether the content of the streams is known (`analysis.summaries.loss_location`).
        load: the generator's load report, if there is one.
        platform: responses of the platform at the start of the run.
        inputs: formats and counts of the observed files.
        other_runs: number of excluded rows that another run's ledger names, by run.
    """

    manifest: Manifest
    plan: Plan
    ledger: SentEvents
    participants: Participants
    roster: Sequence[Account]
    page_views: Sequence[PageView]
    given_up: Sequence[PageView]
    findings: Sequence[ScenarioFinding]
    planned_totals: PlannedTotals
    engine: QueryEngine
    broken: tuple[BrokenLine, ...]
    observed_rows: int
    misplaced: Mapping[tuple[str, str], int]
    min_imbalance: float = 0.0
    streams_known: bool = False
    load: LoadReport | None = None
    platform: PlatformState = field(default_factory=PlatformState)
    inputs: InputSummary = field(default_factory=InputSummary)
    other_runs: Mapping[str, int] = field(default_factory=dict)

    def labels(self, table: str) -> Sequence[Mapping[str, object]]:
        """Names that the events of *table* carry (`analysis/sql/queries/event_labels.sql`)."""
        if table not in self._labels:
            self._labels[table] = self.engine.ask("event_labels", observed=table)
        return self._labels[table]

    @cached_property
    def time_buckets(self) -> tuple[TimeBucket, ...]:
        """Events of each part of the run's time."""
        return count_over_time(self.engine)

    @cached_property
    def _labels(self) -> dict[str, Sequence[Mapping[str, object]]]:
        return {}

    @cached_property
    def landed_groups(self) -> Sequence[Mapping[str, object]]:
        """Subjects and events of each group in the table (`analysis/sql/queries/landed_groups.sql`)."""
        return self.engine.ask("landed_groups")

    @cached_property
    def landed_subjects(self) -> Mapping[str, int]:
        """Totals of the subjects in the table (`analysis/sql/queries/subject_counts.sql`)."""
        return self._subject_counts("subjects_landed")

    @cached_property
    def sent_subjects(self) -> Mapping[str, int]:
        """Totals of the sent subjects (`analysis/sql/queries/subject_counts.sql`)."""
        return self._subject_counts("subjects_sent")

    def _subject_counts(self, table: str) -> Mapping[str, int]:
        [row] = self.engine.ask("subject_counts", subjects=table)
        return {name: int(str(value)) for name, value in row.items()}

    @cached_property
    def fates(self) -> Sequence[Mapping[str, object]]:
        """Number of events by group and fate (`analysis/sql/queries/fates_by_group.sql`)."""
        return self.engine.ask("fates_by_group")

    @cached_property
    def duplicates(self) -> Sequence[Mapping[str, object]]:
        """Ids that landed more than once (`analysis/sql/queries/duplicates.sql`)."""
        return self.engine.ask("duplicates")

    @cached_property
    def unexpected(self) -> Sequence[Mapping[str, object]]:
        """Rows that were never sent (`analysis/sql/queries/unexpected_rows.sql`)."""
        return self.engine.ask("unexpected_rows")

    @cached_property
    def arrival_delays(self) -> ArrivalDelays:
        """Delays of rows until their topic and until the table."""
        return arrival_delays(self.engine)

    @cached_property
    def clicks(self) -> Sequence[Mapping[str, object]]:
        """Sums for the click-through rates, sent and landed (`analysis/sql/queries/click_sums.sql`)."""
        return self.engine.ask("click_sums")

    @property
    def own_epoch(self) -> bool:
        """Whether the plan has a configured epoch, so that `dt` differs from the time of the traffic."""
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
        """Whether the intake answered requests 202, before validation."""
        return bool((self.ledger.status == _HASTY).any())

    @cached_property
    def unacceptable(self) -> UnacceptableEvents:
        """Lost events that were answered 202 and that no intake could accept."""
        return find_unacceptable(self)

    @cached_property
    def loss_location(self) -> LossLocation:
        """Location in which the lost events were last seen."""
        return locate_losses(self.engine, self.manifest.stream, known=self.streams_known)

    @cached_property
    def delivery_layer(self) -> Layer:
        """Layer that loses acknowledged events: the one after the location in which most of them were last seen.

        Where the streams are unknown, the status decides: a 202 promises nothing, a 201 means that the stream has the
        event.
        """
        location = self.loss_location
        lost_events = {Layer.STREAM: location.astray, Layer.TABLE: location.behind, Layer.INTAKE: location.nowhere}
        if any(lost_events.values()):
            return max(lost_events, key=lost_events.__getitem__)
        return Layer.INTAKE if self.hasty else Layer.TABLE

    def sent_bodies(self, query: str, most: int) -> Iterator[bytes]:
        """Yield the sent bodies of at most *most* events, which *query* selects by visit and position."""
        for row in self.engine.ask(query, {"most": most}):
            visit, position = int(str(row["visit"])), int(str(row["position"]))
            ledger_body = self.ledger.bodies.get((visit, position))
            yield ledger_body if ledger_body is not None else self.plan.visit(visit)[position].body

    def group_names(self) -> tuple[str, ...]:
        """Return the experiment's groups, in the config's order."""
        return self.plan.experiment.groups


def load_evidence(
    run: Path,
    observed: Sequence[Path] = (),
    *,
    min_imbalance: float = 0.0,
    warehouse: Warehouse | None = None,
    kind: ObservedKind | None = None,
) -> Evidence:
    """Load the run in the folder *run*: its plan, its ledger, and the *observed* rows.

    Args:
        run: the run's folder.
        observed: files, folders or pipes of any common format (`docs/reference/inputs.md`); by default the rows in the
            run's folder.
        min_imbalance: see `Evidence`.
        warehouse: table to read instead of *observed*.
        kind: kind of the *observed* rows; None to detect it by content.

    Raises:
        DogfoodError: the run, or the observed rows, cannot be read.
    """
    manifest = Manifest.read(run)
    plan = Plan(PlanSettings.from_json(manifest.plan))
    with ThreadPoolExecutor(max_workers=1) as reader:
        # Arrow reads the ledger while Python computes the subjects.
        pending_ledger = reader.submit(read_ledger, run / LEDGER)
        planned = plan.subjects(0, manifest.visitors)
        ledger = pending_ledger.result()
    roster, all_views, findings = read_roster(run), read_page_views(run), read_scenario_findings(run)
    participants = load_participants(plan, planned, manifest, ledger, roster, all_views)
    views = [view for view in all_views if not view.given_up]
    given_up = [view for view in all_views if view.given_up]
    _check_visits(ledger, len(participants.group))
    window = {"from_ms": first_ms(manifest, ledger), "until_ms": last_ms(manifest, ledger) + SETTLE_MS}
    if warehouse is None:
        engine: QueryEngine = (database := DuckDbEngine())
        files = read_observed(run, observed, database, kind)
    else:
        engine = warehouse.engine
        warehouse.add_rows(window["from_ms"], window["until_ms"] + manifest.deadline_s * 1000)
        files = Observed((), (), warehouse.misplaced(), warehouse.summary())
    zero_ms = plan.settings.epoch_ms if manifest.started_ms is None else manifest.started_ms
    engine.add("run_parameters", _run_parameters(plan, zero_ms))
    totals = load_sent(run, plan, ledger, _send_records(plan, ledger, participants), zero_ms, engine)
    reports, broken_reports = read_rejected(run / OBSERVED / ERRORS, files.reports)
    engine.add("rejection_reports", reports)
    _define_candidates(engine, plan, manifest, window)
    other_runs = find_other_runs(run, engine)
    engine.define("observed_all_fields", "observed_all_fields")
    _add_arrivals(engine, warehouse, run / OBSERVED / ARRIVALS_FILE if not observed else None)
    _add_fates(engine, plan, manifest, participants)
    [counted] = engine.ask("observed_count")
    observed_rows = int(str(counted["events"]))
    evidence = Evidence(
        manifest, plan, ledger, people, roster, views, given_up, findings, made, engine,
        (*files.broken, *broken_reports), of_run, files.misplaced, floor, add_streams(run, engine),
        _load(run), PlatformState.read(run), summarise(files.summary, engine, of_run), others,
    )  # fmt: skip
    _add_subjects(evidence)
    return evidence


def _load_report(run: Path) -> LoadReport | None:
    """Return the load report of the run's generator; None without a generator."""
    report = LoadReport.read(run) if (run / LOAD).is_file() else None
    return report if report is not None and report.has_generator else None


def _define_candidates(engine: QueryEngine, plan: Plan, manifest: Manifest, window: Mapping[str, int]) -> None:
    """Store the relation `candidate_rows`. Raises InputError where the observed rows, read here first, are damaged."""
    engine.define("observed_flattened", "rows_flattened", events="observed_events")
    engine.define("observed_hashed", "rows_hashed", rows_flattened="observed_flattened")
    engine.define("observed_annotated", "rows_annotated", rows_hashed="observed_hashed")
    # Where all instruments' events carry the same name, the name does not identify this run's rows.
    is_constant = profile_of(manifest.generation).constants.get("instrument_name")
    instrument = "" if is_constant else plan.settings.parsed_instrument().name
    try:
        engine.keep("candidate_rows", "candidate_rows", {"instrument": instrument, **window})
    except duckdb.Error as error:
        raise InputError(f"the observed rows cannot be read: {str(error).splitlines()[0]}") from error


def _add_fates(engine: QueryEngine, plan: Plan, manifest: Manifest, participants: Participants) -> None:
    """Store the fate of each sent event, and the events of each visit."""
    engine.keep("event_fates", "event_fates", {"deadline_ms": manifest.deadline_s * 1000})
    engine.add("participants", _participant_rows(plan, participants))
    add_sources(engine)
    engine.keep("visits", "visits")


def _add_subjects(evidence: Evidence) -> None:
    """Add the experiment's subjects, sent and landed, and those with a chosen or an overridden group."""
    engine, plan = evidence.engine, evidence.plan
    for name, table in (("subjects_sent", "sent_content"), ("subjects_landed", "observed")):
        subjects = engine.table("subjects", observed=table)
        engine.add(
            name,
            classify_subjects(
                subjects, plan.settings.generation, plan.experiment.name, plan.experiment.groups, plan.rate
            ),
        )
    engine.add("overridden_subjects", pa.table({"subject": pa.array(sorted(evidence.overridden), pa.string())}))
    chosen = sorted(evidence.participants.chosen_subjects)
    engine.add("chosen_subjects", pa.table({"subject": pa.array(chosen, pa.string())}))


def _check_visits(ledger: SentEvents, count: int) -> None:
    outside = np.flatnonzero((ledger.visit < 0) | (ledger.visit >= count))
    if len(outside):
        raise unknown_event(int(ledger.visit[outside[0]]), int(ledger.position[outside[0]]))


def _add_arrivals(engine: QueryEngine, warehouse: Warehouse | None, path: Path | None) -> None:
    if warehouse is not None:
        warehouse.add_arrivals()
    elif path is not None and path.exists():
        engine.add_parquet("arrivals", path)
    else:
        engine.add("arrivals", NO_ARRIVALS)


def _run_parameters(plan: Plan, zero_ms: int) -> pa.Table:
    """Return one row: the names that identify the experiment in events, and the start time of the plan."""
    experiment = plan.experiment
    return pa.table(
        {
            "generation": [str(plan.settings.generation)],
            "experiment": [experiment.name],
            "feature": [experiment.features[0].name],
            "zero_ms": [zero_ms],
        }
    )


def _send_records(plan: Plan, ledger: SentEvents, participants: Participants) -> pa.Table:
    """Return the response to each sent event, with the group of its subject and the worker that sent it."""
    return pa.table(
        {
            "event_number": event_numbers(ledger),
            "status": ledger.status,
            "outcome": dictionary_column(ledger.outcome, [str(outcome) for outcome in OUTCOMES]),
            "reason": _rejection_reasons(ledger),
            "group_name": dictionary_column(participants.group[ledger.visit], plan.experiment.groups),
            "worker": dictionary_column(ledger.worker, ledger.workers),
        }
    )


def _participant_rows(plan: Plan, participants: Participants) -> pa.Table:
    """Return one row per visit: no group means outside the sample, no persona means an account of the wiki."""
    return pa.table(
        {
            "visit": np.arange(len(participants.group)),
            "fidelity": dictionary_column(participants.fidelity, [str(fidelity) for fidelity in FIDELITIES]),
            "persona": dictionary_column(participants.persona, [persona.name for persona in plan.personas]),
            "group_name": dictionary_column(participants.group, plan.experiment.groups),
            "by_chance": ~participants.chosen,
        }
    )


def _rejection_reasons(ledger: SentEvents) -> pa.DictionaryArray:
    """Return the reason why each event was rejected, empty for most."""
    names = sorted(set(ledger.reasons.values()))
    index = np.full(len(ledger.visit), -1, np.int16)
    reason_index = {reason: number for number, reason in enumerate(names)}
    for worker in {worker for worker, _ in ledger.reasons}:
        own = np.flatnonzero(ledger.worker == worker)
        by_request = np.full(int(ledger.request[own].max(initial=0)) + 1, -1, np.int16)
        for (other, request), reason in ledger.reasons.items():
            if other == worker and request < len(by_request):
                by_request[request] = reason_index[reason]
        index[own] = by_request[ledger.request[own]]
    return dictionary_column(index, names)
