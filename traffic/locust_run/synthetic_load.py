"""Synthetic traffic under Locust: each worker has a sender beside it, which plays what the worker is lent."""

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


#: Users that the page proposes, as many as subjects up to this, and how many of them begin a second.
_USERS_ON_PAGE, _RAMP_ON_PAGE = 20_000, 1_000.0

_FOLLOW_EVERY_S = 0.1

#: A run that is INVALID for certain is ended when the rest of it would take longer than this.
_WORTH_ENDING_S = 30.0


class SyntheticLoad(RunController):
    """Lends a plan's visits to the senders of all workers, and keeps the book of what they report."""

    def __init__(self, environment: Environment) -> None:
        self._plays = not isinstance(environment.runner, MasterRunner)
        # Started ahead of time: a run's schedule begins soon after the run. That takes a moment, in which a worker may
        # be told to start; so it comes before anything listens.
        self._sender = SenderProcess() if self._plays else None
        self._name = ""
        self._over = Event()
        self._book = LoadAggregator()
        self._names: dict[str, str] = {}
        self._unsent: list[Mapping[str, Any]] = []
        self._watch_of_machine: MachineSampler | None = None
        super().__init__(environment)
        if isinstance(environment.runner, WorkerRunner):
            environment.events.report_to_master.add_listener(self._to_master)  # type: ignore[no-untyped-call]
        if isinstance(environment.runner, MasterRunner):
            environment.events.worker_report.add_listener(self._from_worker)  # type: ignore[no-untyped-call]
        automatic = self._options.headless or self._options.autostart
        if automatic and self._options.event_rate:
            # How long single events are paced is part of the plan; Locust's own alarm would cut off its end.
            self._options.event_seconds = float(self._options.run_time or 0)
            self._options.run_time = None
        # Whether visits at the same time are limited to the users. Locust's default, one user, is not meant as that.
        self._limits = self._options.num_users is not None or not automatic
        if not automatic and self._options.num_users is None:
            self._options.num_users = min(self._options.visitors, _USERS_ON_PAGE)
            self._options.spawn_rate = self._options.spawn_rate or _RAMP_ON_PAGE
        environment.events.quit.add_listener(self._quit)  # type: ignore[no-untyped-call]

    def wait(self) -> None:
        """Wait until there is nothing left to do for this process."""
        self._over.wait()

    def check(self, options: Namespace) -> None:
        """Refuse *options* that no run can be made of. Raises DogfoodError."""
        self._prepare(options, int(time.time() * 1000))

    def _prepare(self, options: Namespace, now_ms: int) -> tuple[Manifest, Egress]:
        """Return what a new run is to be, and where it may send to. Raises DogfoodError."""
        asked = TrafficOptions.of(options)
        target = find_target(asked)
        egress = target.egress()
        plan = Plan(new_settings(asked, target, egress, now_ms=now_ms))
        manifest = new_manifest("", asked, target, plan.settings)
        # Everything that can be refused is, before anything is sent or a folder made.
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
        options.limits_visits = self._limits
        # A test that is started on the page has the users that were asked for there.
        self._limits |= not options.headless
        if self._page is not None and options.event_rate and not options.run:
            # The page's alarm would cut off the end of the plan.
            self._page.cancel_alarm()
            options.event_seconds, options.run_time = float(options.run_time or 0), None
        super()._lead(options)

    def _leaser(self, folder: Path, manifest: Manifest) -> Leaser:  # noqa: ARG002 (the other crew needs the folder)
        settings = PlanSettings.from_json(manifest.plan)
        self._book, self._names = LoadAggregator(), {}
        self._event_rate = settings.events_per_second
        self._events = settings.events or manifest.planned_events
        if self._watch_of_machine is not None:
            self._watch_of_machine.stop()
        self._watch_of_machine = MachineSampler("locust")
        return Leaser(
            manifest.visitors, BLOCK, interleave_size(settings.events_per_second * settings.pacer().shape.peak)
        )

    def _open(self, folder: Path, manifest: Manifest, worker: str, lease: Lease) -> None:
        if self._sender is None:
            self._sender = SenderProcess()
        self._name, self._lease = worker, lease
        self._over.clear()
        self._unsent = []
        shared = (folder / FILE_NAME).is_file()
        users = self._users()
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
                "connections": self._options.connections,
                "places": users if vars(self._options).get("limits_visits") else None,
                "started_ms": manifest.started_ms,
                "ledger": str((folder / LEDGER).resolve()) if shared else "",
                "worker": worker,
            },
            self._hear,
        )
        gevent.spawn(self._follow_users, self._sender, users)

    def _users(self) -> int:
        """Return how many users this process has; one at least, so that what was lent to it is played."""
        return max(1, int(self._runner.user_count))

    def _follow_users(self, sender: SenderProcess, users: int) -> None:
        """Tell *sender*, which knows of *users*, how many there are while it plays."""
        while sender is self._sender and not self._over.is_set():
            gevent.sleep(_FOLLOW_EVERY_S)
            if users != (users := self._users()):
                sender.limit(users)

    def _hear(self, message: Mapping[str, Any]) -> None:
        """Take in what the sender says."""
        if "ask" in message:
            # The master may take a while to answer, and reports must not wait behind that.
            gevent.spawn(self._lend, self._sender)
        elif "report" in message:
            self._take_report(message["report"])
        elif "rows" in message and self._worker is not None:
            self._worker.rows(self._name, message["rows"])
        elif "over" in message:
            self._over.set()
            if message["over"] == FINISHED:
                self._nothing_left()
        elif "error" in message:
            self._over.set()
            told = message["error"]
            error = KitFaultError(f"the sender of {self._name} {told}" if message.get("unasked") else told)
            error.exit_code = message["exit_code"]
            self._give_up(error)

    def _lend(self, sender: SenderProcess | None) -> None:
        """Give *sender* what to play next. It may have ended by the time the master answers."""
        lease = self._lease()
        if sender is not None:
            sender.lend(None if lease is None else lease[0])

    def _take_report(self, report: Mapping[str, Any]) -> None:
        tally = LoadCounts.from_json(report["tally"])
        feed(self._environment.stats, self.label, tally, report["failures"])
        row = {"name": self._name, "host": socket.gethostname(), "report": report}
        if self._worker is None:
            self._keep("", row)
        else:
            self._unsent.append(row)

    def _to_master(self, client_id: str, data: dict[str, Any], **_: object) -> None:  # noqa: ARG002 (Locust's)
        data[REPORTS], self._unsent = self._unsent, []

    def _from_worker(self, client_id: str, data: Mapping[str, Any], **_: object) -> None:
        try:
            for row in data.get(REPORTS, ()):
                self._keep(client_id, row)
        except MalformedMessageError as error:
            _log.error("refused: %s", error)

    def _keep(self, client_id: str, row: Mapping[str, Any]) -> None:
        """Take in a report. Raises MalformedMessageError."""
        self._name_of(client_id, row["name"])
        try:
            self._book.add_report(row["name"], row["host"], row["report"])
        except MalformedReportError as error:
            raise MalformedMessageError(f"a report of {row['name']!r} cannot be read: {error}") from error
        if vars(self._options).get("limits_visits"):
            # More users may be added while the test runs.
            return
        if self._schedule_lost or not self._book.is_hopeless(self._event_rate, self._events) or not self._takes_long():
            return
        self._schedule_lost = True
        print("the schedule cannot be kept any more: the run ends here", file=sys.stderr, flush=True)
        self._over.set()
        gevent.spawn(self._end_test)

    def _takes_long(self) -> bool:
        """Return whether the rest of the run would take long enough, at the pace until now, that ending it matters."""
        started_ms = (self._manifest.started_ms if self._manifest else None) or 0
        offered = max(self._book.offered, 1)
        return (time.time() - started_ms / 1000) * (self._events - offered) / offered > _WORTH_ENDING_S

    def _name_of(self, client_id: str, name: str) -> None:
        """Take down what a worker calls itself. Raises MalformedMessageError when that is another one's name."""
        if self._names.get(client_id, name) != name or name in set(self._names.values()) - {self._names.get(client_id)}:
            raise MalformedMessageError(f"a worker calls itself {name!r}, which is not its name")
        self._names[client_id] = name

    def _final_report(self) -> dict[str, Any]:
        unsent, self._unsent = self._unsent, []
        named = {"name": self._name, "host": socket.gethostname(), "reports": unsent} if self._name else {}
        return super()._final_report() | named

    def _take_final_report(self, client_id: str, said: Mapping[str, Any]) -> None:
        super()._take_final_report(client_id, said)
        if "name" not in said:
            return
        self._name_of(client_id, said["name"])
        self._book.register_worker(said["name"], said["host"])
        for row in said["reports"]:
            self._keep(client_id, row)

    def _wind_down(self) -> None:
        if self._worker is not None:
            self._worker.give_up()
        if self._sender is not None:
            self._sender.end()
        self._over.set()

    def _close(self) -> None:
        self._wind_down()
        self._sender = None

    def _record(self, folder: Path, manifest: Manifest) -> None:
        settings = PlanSettings.from_json(manifest.plan)
        started_ms = manifest.started_ms or 0
        self._check_with_ledger(folder, started_ms)
        load = self._book.close(
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
            self._watch_of_machine.usage() if self._watch_of_machine is not None else None,
        )
        load.write(folder)
        if load.invalid:
            print(f"INVALID: {'; '.join(load.invalid)}", file=sys.stderr, flush=True)
            if self._failure is None:
                self._environment.process_exit_code = KitFaultError.exit_code

    def _check_with_ledger(self, folder: Path, started_ms: int) -> None:
        """Correct the book where the ledger, which is written before the wire, says otherwise."""
        lost = self._lost_workers(folder)
        counts = {path.stem: count_sent(path) for path in (folder / LEDGER).glob(f"{self.worker_name}-*.ndjson")}
        differ = [name for name, events in counts.items() if name not in lost and self._book.sent(name) != events]
        if not lost and not differ:
            return
        ledger = read_ledger(folder / LEDGER)
        for name in lost:
            self._book.mark_lost(name, ledger, started_ms)
        for name in differ:
            _log.warning("the last reports of %s are missing: counted from its ledger", name)
            self._book.correct(name, ledger, started_ms)

    def _lost_workers(self, folder: Path) -> list[str]:
        """Return the names of the workers that ended without a word: whose ledger is there, but who are not."""
        if self._master is None or not isinstance(self._runner, MasterRunner):
            return []
        spoke = {self._names[client] for client in self._master.ended if client in self._names}
        wrote = {path.stem for path in (folder / LEDGER).glob(f"{self.worker_name}-*.ndjson")}
        return sorted((wrote | set(self._names.values())) - spoke)

    def _give_up(self, error: DogfoodError) -> None:
        self._over.set()
        super()._give_up(error)

    def _quit(self, **_: object) -> None:
        if self._sender is not None:
            self._sender.end()
