"""Synthetic load under Locust: each worker has a sender process, which sends the events of the worker's leases."""

import logging
import socket
import sys
import time
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from common.egress import Egress
from common.errors import DogfoodError, KitFaultError
from contracts.intake import check_reachable
from personas.pacing.interleave import interleave_size
from personas.plan.plan import Plan
from personas.plan.settings import PlanSettings
from personas.rng import BLOCK
from run_record.ledger.files import read_ledger
from run_record.ledger.rows import count_sent
from run_record.load_report.aggregator import LoadAggregator, LoadPlan, MalformedReportError
from run_record.load_report.counters import LoadCounts
from run_record.load_report.machine_sampler import MachineSampler
from run_record.manifest import FILE_NAME, Manifest
from run_record.resolved_addresses import write_pins
from run_record.run_folder import LEDGER, new_run
from traffic.locust_run.controller import RunController
from traffic.locust_run.leases import Lease, Leaser
from traffic.locust_run.locust_stats import feed
from traffic.locust_run.options import TrafficOptions, check_ceilings, find_target, new_manifest, new_settings
from traffic.locust_run.worker_messages import REPORTS, MalformedMessageError
from traffic.sender import FINISHED
from traffic.sender.process import SenderProcess
from traffic.transport import beacon_headers

_log = logging.getLogger("dogfood")


#: Defaults of the web page's form: users, at most the number of visitors, and spawn rate in users per second.
_MAX_PAGE_USERS, _PAGE_SPAWN_RATE = 20_000, 1_000.0

_FOLLOW_INTERVAL_S = 0.1

#: A run that is certain to be INVALID ends early if it would go on for longer than this.
_MIN_REMAINDER_S = 30.0


class SyntheticLoad(RunController):
    """Leases a plan's visits to the senders of all workers, and aggregates their reports."""

    def __init__(self, environment: Environment) -> None:
        self._has_sender = not isinstance(environment.runner, MasterRunner)
        # Started first: a run's schedule begins soon after the run. Starting takes time in which a start message may
        # come, so the listeners are added afterwards.
        self._sender = SenderProcess() if self._has_sender else None
        self._name = ""
        self._ended = Event()
        self._aggregator = LoadAggregator()
        self._names: dict[str, str] = {}
        self._unsent: list[Mapping[str, Any]] = []
        self._machine_watch: MachineSampler | None = None
        super().__init__(environment)
        if isinstance(environment.runner, WorkerRunner):
            environment.events.report_to_master.add_listener(self._attach_reports)  # type: ignore[no-untyped-call]
        if isinstance(environment.runner, MasterRunner):
            environment.events.worker_report.add_listener(self._on_worker_report)  # type: ignore[no-untyped-call]
        automatic = self._options.headless or self._options.autostart
        if automatic and self._options.event_rate:
            # The plan has the duration of paced events; Locust's time limit would cut off its end.
            self._options.event_seconds = float(self._options.run_time or 0)
            self._options.run_time = None
        # Whether the users limit concurrent visits. Locust's default of one user does not.
        self._limits_visits = self._options.num_users is not None or not automatic
        if not automatic and self._options.num_users is None:
            self._options.num_users = min(self._options.visitors, _MAX_PAGE_USERS)
            self._options.spawn_rate = self._options.spawn_rate or _PAGE_SPAWN_RATE
        environment.events.quit.add_listener(self._quit)  # type: ignore[no-untyped-call]

    def wait(self) -> None:
        """Wait until this process has nothing left to send."""
        self._ended.wait()

    def check(self, options: Namespace) -> None:
        """Check that *options* allow a run. Raises DogfoodError."""
        self._prepare(options, int(time.time() * 1000))

    def _prepare(self, options: Namespace, now_ms: int) -> tuple[Manifest, Egress]:
        """Return a new run's manifest and egress policy. Raises DogfoodError."""
        traffic = TrafficOptions.of(options)
        target = find_target(traffic)
        egress = target.egress()
        plan = Plan(new_settings(traffic, target, egress, now_ms=now_ms))
        manifest = new_manifest("", traffic, target, plan.settings)
        # All checks come before the folder is created and anything is sent.
        check_ceilings(target, plan.settings)
        check_reachable(target.intake, egress)
        return manifest, egress

    def _make_run(self, options: Namespace, now_ms: int) -> Path:
        manifest, egress = self._prepare(options, now_ms)
        folder = new_run(Path(options.runs))
        write_pins(folder, egress)
        replace(manifest, run_id=folder.name).write(folder)
        return folder

    def _lead(self, options: Namespace) -> None:
        options.limits_visits = self._limits_visits
        # A test that is started on the web page has the users of its form.
        self._limits_visits |= not options.headless
        if self._page is not None and options.event_rate and not options.run:
            # The page's run time would cut off the end of the plan.
            self._page.cancel_alarm()
            options.event_seconds, options.run_time = float(options.run_time or 0), None
        super()._lead(options)

    def _make_leaser(self, folder: Path, manifest: Manifest) -> Leaser:  # noqa: ARG002 (wiki sessions need the folder)
        settings = PlanSettings.from_json(manifest.plan)
        self._aggregator, self._names = LoadAggregator(), {}
        self._event_rate = settings.events_per_second
        self._events = settings.events or manifest.planned_events
        if self._machine_watch is not None:
            self._machine_watch.stop()
        self._machine_watch = MachineSampler("locust")
        return Leaser(
            manifest.visitors, BLOCK, interleave_size(settings.events_per_second * settings.pacer().shape.peak)
        )

    def _open(self, folder: Path, manifest: Manifest, worker: str, lease: Lease) -> None:
        if self._sender is None:
            self._sender = SenderProcess()
        self._name, self._lease = worker, lease
        self._ended.clear()
        self._unsent = []
        shared = (folder / FILE_NAME).is_file()
        user_count = self._user_count()
        self._sender.begin(
            {
                "plan": manifest.plan,
                "intake": self.intake,
                "headers": beacon_headers(manifest.target.get("tag", "")),
                "egress": vars(self._options)["egress"],
                "ceilings": vars(self._options)["ceilings"],
                "run": str(folder),
                "share": self._share,
                "batch": manifest.batch_size,
                "connections": self._options.max_connections,
                "max_visits": user_count if vars(self._options).get("limits_visits") else None,
                "started_ms": manifest.started_ms,
                "ledger": str((folder / LEDGER).resolve()) if shared else "",
                "worker": worker,
            },
            self._on_sender_message,
        )
        gevent.spawn(self._follow_users, self._sender, user_count)

    def _user_count(self) -> int:
        """Return this process's number of users; at least one, so that its leases are sent."""
        return max(1, int(self._runner.user_count))

    def _follow_users(self, sender: SenderProcess, user_count: int) -> None:
        """Keep the limit of *sender*, which begins at *user_count*, at the current number of users."""
        while sender is self._sender and not self._ended.is_set():
            gevent.sleep(_FOLLOW_INTERVAL_S)
            if user_count != (user_count := self._user_count()):
                sender.limit_visits(user_count)

    def _on_sender_message(self, message: Mapping[str, Any]) -> None:
        """Handle a message of the sender."""
        if "ask" in message:
            # Reports must not wait for the master's answer.
            gevent.spawn(self._pass_lease, self._sender)
        elif "report" in message:
            self._on_report(message["report"])
        elif "rows" in message and self._worker is not None:
            self._worker.send_rows(self._name, message["rows"])
        elif "over" in message:
            self._ended.set()
            if message["over"] == FINISHED:
                self._on_all_played()
        elif "error" in message:
            self._ended.set()
            text = message["error"]
            error = KitFaultError(f"the sender of {self._name} {text}" if message.get("unexpected") else text)
            error.exit_code = message["exit_code"]
            self._abort(error)

    def _pass_lease(self, sender: SenderProcess | None) -> None:
        """Get the next lease for *sender*, which may have ended by the time the master answers."""
        lease = self._lease()
        if sender is not None:
            sender.add_lease(None if lease is None else lease[0])

    def _on_report(self, report: Mapping[str, Any]) -> None:
        counts = LoadCounts.from_json(report["tally"])
        feed(self._environment.stats, self.label, counts, report["failures"])
        row = {"name": self._name, "host": socket.gethostname(), "report": report}
        if self._worker is None:
            self._add_report("", row)
        else:
            self._unsent.append(row)

    def _attach_reports(self, client_id: str, data: dict[str, Any], **_: object) -> None:  # noqa: ARG002 (Locust's signature)
        data[REPORTS], self._unsent = self._unsent, []

    def _on_worker_report(self, client_id: str, data: Mapping[str, Any], **_: object) -> None:
        try:
            for row in data.get(REPORTS, ()):
                self._add_report(client_id, row)
        except MalformedMessageError as error:
            _log.error("refused: %s", error)

    def _add_report(self, client_id: str, row: Mapping[str, Any]) -> None:
        """Add a worker's report. Raises MalformedMessageError."""
        self._check_name(client_id, row["name"])
        try:
            self._aggregator.add_report(row["name"], row["host"], row["report"])
        except MalformedReportError as error:
            raise MalformedMessageError(f"a report of {row['name']!r} cannot be read: {error}") from error
        if vars(self._options).get("limits_visits"):
            # More users may be added while the test runs.
            return
        if (
            self._schedule_lost
            or not self._aggregator.is_hopeless(self._event_rate, self._events)
            or not self._takes_long()
        ):
            return
        self._schedule_lost = True
        print("the run can no longer keep its schedule: it ends here", file=sys.stderr, flush=True)
        self._ended.set()
        gevent.spawn(self._end_test)

    def _takes_long(self) -> bool:
        """Return whether the rest of the run, at the pace so far, takes longer than `_MIN_REMAINDER_S`."""
        started_ms = (self._manifest.started_ms if self._manifest else None) or 0
        offered = max(self._aggregator.offered, 1)
        return (time.time() - started_ms / 1000) * (self._events - offered) / offered > _MIN_REMAINDER_S

    def _check_name(self, client_id: str, name: str) -> None:
        """Register a worker's name. Raises MalformedMessageError if it is another worker's."""
        if self._names.get(client_id, name) != name or name in set(self._names.values()) - {self._names.get(client_id)}:
            raise MalformedMessageError(f"a worker uses the name {name!r}, which is not its own")
        self._names[client_id] = name

    def _final_report(self) -> dict[str, Any]:
        unsent, self._unsent = self._unsent, []
        identity = {"name": self._name, "host": socket.gethostname(), "reports": unsent} if self._name else {}
        return super()._final_report() | identity

    def _merge_final_report(self, client_id: str, report: Mapping[str, Any]) -> None:
        super()._merge_final_report(client_id, report)
        if "name" not in report:
            return
        self._check_name(client_id, report["name"])
        self._aggregator.register_worker(report["name"], report["host"])
        for row in report["reports"]:
            self._add_report(client_id, row)

    def _wind_down(self) -> None:
        if self._worker is not None:
            self._worker.cancel_lease()
        if self._sender is not None:
            self._sender.end()
        self._ended.set()

    def _close(self) -> None:
        self._wind_down()
        self._sender = None

    def _record(self, folder: Path, manifest: Manifest) -> None:
        settings = PlanSettings.from_json(manifest.plan)
        started_ms = manifest.started_ms or 0
        self._correct_from_ledger(folder, started_ms)
        load = self._aggregator.close(
            LoadPlan(
                event_rate=settings.events_per_second,
                arrival_rate=0.0 if settings.paces_events else settings.arrivals_per_second,
                pace=str(settings.pace),
                shape=settings.shape,
                events=settings.events,
                stopped_early=manifest.stopped_early,
                seconds=round(max(0, (manifest.finished_ms or 0) - started_ms) / 1000, 3),
                ended=manifest.ended,
                failure=str(self._failure or ""),
            ),
            self._machine_watch.usage() if self._machine_watch is not None else None,
        )
        load.write(folder)
        if load.invalid:
            print(f"INVALID: {'; '.join(load.invalid)}", file=sys.stderr, flush=True)
            if self._failure is None:
                self._environment.process_exit_code = KitFaultError.exit_code

    def _correct_from_ledger(self, folder: Path, started_ms: int) -> None:
        """Correct the counts that differ from the ledger, which is written before each request is sent."""
        lost = self._lost_workers(folder)
        counts = {path.stem: count_sent(path) for path in (folder / LEDGER).glob(f"{self.worker_name}-*.ndjson")}
        mismatched = [
            name for name, events in counts.items() if name not in lost and self._aggregator.sent(name) != events
        ]
        if not lost and not mismatched:
            return
        ledger = read_ledger(folder / LEDGER)
        for name in lost:
            self._aggregator.mark_lost(name, ledger, started_ms)
        for name in mismatched:
            _log.warning("the last reports of %s are missing: counted from its ledger", name)
            self._aggregator.correct(name, ledger, started_ms)

    def _lost_workers(self, folder: Path) -> list[str]:
        """Return the names of workers that ended without a final report."""
        if self._master is None or not isinstance(self._runner, MasterRunner):
            return []
        reported = {self._names[client] for client in self._master.ended if client in self._names}
        with_ledger = {path.stem for path in (folder / LEDGER).glob(f"{self.worker_name}-*.ndjson")}
        return sorted((with_ledger | set(self._names.values())) - reported)

    def _abort(self, error: DogfoodError) -> None:
        self._ended.set()
        super()._abort(error)

    def _quit(self, **_: object) -> None:
        if self._sender is not None:
            self._sender.end()
