"""Synthetic traffic under Locust: each worker has a sender beside it, which plays what the worker is lent."""

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

from metrics_platform.errors import DogfoodError, KitFaultError
from metrics_platform.intake import check_reachable
from personas.draws import BLOCK
from personas.pacing.turns import turn_size
from personas.plan import Plan
from personas.settings import PlanSettings
from run_record.folder import LEDGER, new_run
from run_record.ledger import read_ledger
from run_record.load_book import LoadBook, LoadPlan
from run_record.machine_watch import MachineWatch
from run_record.manifest import FILE_NAME, Manifest
from traffic.crew import Crew
from traffic.leases import Lease, Leaser
from traffic.options import TrafficOptions, check_ceilings, find_target, new_manifest, new_settings
from traffic.post import beacon_headers
from traffic.sender.process import SenderProcess
from traffic.statistics import feed

#: Reports on their way from a worker to the master.
_REPORTS = "dogfood_reports"


#: A run that is INVALID for certain is ended when the rest of it would take longer than this.
_WORTH_ENDING_S = 30.0


class BeaconCrew(Crew):
    """Lends a plan's visits to the senders of all workers, and keeps the book of what they report."""

    def __init__(self, environment: Environment) -> None:
        self._plays = not isinstance(environment.runner, MasterRunner)
        # Started ahead of time: a run's schedule begins soon after the run. That takes a moment, in which a worker may
        # be told to start; so it comes before anything listens.
        self._sender = SenderProcess() if self._plays else None
        self._name = ""
        self._over = Event()
        self._book = LoadBook()
        self._names: dict[str, str] = {}
        self._unsent: list[Mapping[str, Any]] = []
        self._watch_of_machine: MachineWatch | None = None
        super().__init__(environment)
        if isinstance(environment.runner, WorkerRunner):
            environment.events.report_to_master.add_listener(self._to_master)  # type: ignore[no-untyped-call]
        if isinstance(environment.runner, MasterRunner):
            environment.events.worker_report.add_listener(self._from_worker)  # type: ignore[no-untyped-call]
        if self._options.headless and self._options.event_rate:
            # How long single events are paced is part of the plan; Locust's own alarm would cut off its end.
            self._options.event_seconds = float(self._options.run_time or 0)
            self._options.run_time = None
        environment.events.quit.add_listener(self._quit)  # type: ignore[no-untyped-call]

    def wait(self) -> None:
        """Wait until there is nothing left to do for this process."""
        self._over.wait()

    def _make_run(self, options: Namespace, now_ms: int) -> Path:
        asked = TrafficOptions.of(options)
        target = find_target(asked)
        plan = Plan(new_settings(asked, target, now_ms=now_ms))
        manifest = new_manifest("", asked, target, plan.settings)
        # Everything that can be refused is, before anything is sent or a folder made.
        check_ceilings(target, plan.settings)
        target.addresses()
        check_reachable(target.intake)
        folder = new_run(Path(options.runs))
        replace(manifest, run_id=folder.name).write(folder)
        return folder

    def _leaser(self, folder: Path, manifest: Manifest) -> Leaser:  # noqa: ARG002 (the other crew needs the folder)
        settings = PlanSettings.from_json(manifest.plan)
        self._book, self._names = LoadBook(), {}
        self._event_rate = settings.events_per_second
        self._events = settings.events or manifest.planned_events
        self._is_hopeless = False
        if self._watch_of_machine is not None:
            self._watch_of_machine.stop()
        self._watch_of_machine = MachineWatch("locust")
        return Leaser(manifest.visitors, BLOCK, turn_size(settings.events_per_second * settings.pacer().shape.peak))

    def _open(self, folder: Path, manifest: Manifest, worker: str, lease: Lease) -> None:
        if self._sender is None:
            self._sender = SenderProcess()
        self._name, self._lease = worker, lease
        self._over.clear()
        self._unsent = []
        shared = (folder / FILE_NAME).is_file()
        self._sender.begin(
            {
                "plan": manifest.plan,
                "intake": self.intake,
                "headers": beacon_headers(manifest.target.get("tag", "")),
                "addresses": vars(self._options)["addresses"],
                "ceilings": vars(self._options)["ceilings"],
                "share": self._share,
                "batch": manifest.batch_size,
                "connections": self._options.connections,
                "started_ms": manifest.started_ms,
                "ledger": str((folder / LEDGER).resolve()) if shared else "",
                "worker": worker,
            },
            self._hear,
        )

    def _hear(self, message: Mapping[str, Any]) -> None:
        """Take in what the sender says."""
        if "ask" in message and self._sender is not None:
            lease = self._lease()
            self._sender.lend(None if lease is None else lease[0])
        elif "report" in message:
            self._take_report(message["report"])
        elif "rows" in message and self._worker is not None:
            self._worker.rows(self._name, message["rows"])
        elif "over" in message:
            self._over.set()
            self._nothing_left()
        elif "error" in message:
            self._over.set()
            error = KitFaultError(message["error"])
            error.exit_code = message["exit_code"]
            self._give_up(error)

    def _take_report(self, report: Mapping[str, Any]) -> None:
        feed(self._environment.stats, self.label, report)
        row = {"name": self._name, "host": socket.gethostname(), "report": report}
        if self._worker is None:
            self._keep("", row)
        else:
            self._unsent.append(row)

    def _to_master(self, client_id: str, data: dict[str, Any], **_: object) -> None:  # noqa: ARG002 (Locust's)
        data[_REPORTS], self._unsent = self._unsent, []

    def _from_worker(self, client_id: str, data: Mapping[str, Any], **_: object) -> None:
        for row in data.get(_REPORTS, ()):
            self._keep(client_id, row)

    def _keep(self, client_id: str, row: Mapping[str, Any]) -> None:
        self._names[client_id] = row["name"]
        self._book.take(row["name"], row["host"], row["report"])
        if not self._is_hopeless and self._book.is_hopeless(self._event_rate, self._events) and self._takes_long():
            self._is_hopeless = True
            print("the schedule cannot be kept any more: the run ends here", file=sys.stderr, flush=True)
            self._over.set()
            gevent.spawn(self._runner.quit if self._options.headless else self._runner.stop)

    def _takes_long(self) -> bool:
        """Return whether the rest of the run would take long enough, at the pace until now, that ending it matters."""
        started_ms = (self._manifest.started_ms if self._manifest else None) or 0
        offered = max(self._book.offered, 1)
        return (time.time() - started_ms / 1000) * (self._events - offered) / offered > _WORTH_ENDING_S

    def _last_words(self) -> dict[str, Any]:
        unsent, self._unsent = self._unsent, []
        return {"name": self._name, "host": socket.gethostname(), "reports": unsent}

    def _take_last_words(self, client_id: str, said: Mapping[str, Any]) -> None:
        self._names[client_id] = said["name"]
        self._book.meet(said["name"], said["host"])
        for row in said["reports"]:
            self._keep(client_id, row)

    def _close(self) -> None:
        if self._sender is not None:
            self._sender.end()
            self._sender = None
        self._over.set()
        if self._worker is not None and not self._done:
            # Stopped before it was done: what it has not told yet, it tells now.
            self._worker.stopped(self._last_words())

    def _record(self, folder: Path, manifest: Manifest) -> None:
        settings = PlanSettings.from_json(manifest.plan)
        started_ms = manifest.started_ms or 0
        lost = self._lost_workers(folder)
        if lost:
            ledger = read_ledger(folder / LEDGER)
            for name in lost:
                self._book.lose(name, ledger, started_ms)
        load = self._book.close(
            LoadPlan(
                event_rate=settings.events_per_second,
                arrival_rate=0.0 if settings.paces_events else settings.arrivals_per_second,
                pace=str(settings.pace),
                shape=settings.shape,
                events=settings.events,
                stopped_early=manifest.stopped_early,
                seconds=round(max(0, (manifest.finished_ms or 0) - started_ms) / 1000, 3),
            ),
            self._watch_of_machine.seen() if self._watch_of_machine is not None else None,
        )
        load.write(folder)
        if load.invalid:
            print(f"INVALID: {'; '.join(load.invalid)}", file=sys.stderr, flush=True)
            self._environment.process_exit_code = KitFaultError.exit_code

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
