"""The life of a run under Locust: set up when a test starts, closed when it stops."""

import logging
import os
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gevent
from gevent.lock import RLock
from locust.env import Environment
from locust.runners import STATE_RUNNING, STATE_SPAWNING, STATE_STOPPED, MasterRunner, Runner, WorkerRunner

from common.egress import Egress
from common.errors import DogfoodError, KitFaultError
from common.parent_death import set_parent_death_signal
from common.urls import with_query
from personas.plan.settings import PlanSettings
from run_record.end_reason import End
from run_record.ledger.files import append_rows
from run_record.manifest import Manifest
from run_record.rate_limit import RateLimiter
from run_record.resolved_addresses import pinned
from run_record.run_folder import LEDGER
from run_record.target import Ceilings, Target
from run_record.target_budget import TargetBudget
from traffic.egress_guard import confine
from traffic.locust_run.bounds import check_numbers
from traffic.locust_run.heartbeats import extend_heartbeat_timeout
from traffic.locust_run.leases import Lease, Leaser
from traffic.locust_run.load_kind import LoadKind
from traffic.locust_run.master_worker import MasterChannel, WorkerChannel
from traffic.locust_run.options import check_ceilings, check_target
from traffic.locust_run.run_verdict import next_step
from traffic.locust_run.shutdown import Signals
from traffic.locust_run.web_page import WebPage
from traffic.locust_run.worker_messages import ledger_rows
from traffic.otel import export_metrics

_log = logging.getLogger("dogfood")

#: Time between the test's start and the schedule's zero, in which workers build their plan and users.
HEAD_START_MS = 1500

#: The process that imported the locustfile; Locust forks its workers afterwards.
_IMPORTER = os.getpid()

_WATCH_INTERVAL_S = 1.0

#: Maximum time for workers to stop and send their final reports: longer than a sender takes.
_WORKERS_END_TIMEOUT_S = 30.0

#: Locust's time limit starts slightly before or after the run.
_TIME_LIMIT_MARGIN_S = 1.0

_ACTIVE_STATES = (STATE_SPAWNING, STATE_RUNNING)


class RunController(LoadKind):
    """Binds one Locust process to its run.

    The master, or the only process, creates the run's folder and manifest. Processes with users open the resources of
    their kind of load. Visits, or accounts, are numbered from 0 and leased in ranges.

    Args:
        environment: Locust's environment.
    """

    def __init__(self, environment: Environment) -> None:
        if environment.runner is None or environment.parsed_options is None:
            raise DogfoodError("a locustfile needs Locust: run it with `locust -f`")
        self._environment = environment
        self._runner: Runner = environment.runner
        self._options: Namespace = environment.parsed_options
        self._folder = Path()
        self._leaser = Leaser(0)
        self._manifest: Manifest | None = None
        self._opened = False
        #: This process's shares of the target's budget: one as leader, one as sender.
        self._budgets: list[TargetBudget] = []
        self._busy = 0
        self._done = False
        # Several greenlets may end a run; the second waits for the first.
        self._ending = RLock()
        self._stop_requested = False
        self._failure: DogfoodError | None = None
        self._ceiling_reached = False
        self._schedule_lost = False
        self._had_workers = False
        self._was_started = False
        self._began_s = 0.0
        self._is_leader = not isinstance(environment.runner, WorkerRunner)
        self._master: MasterChannel | None = None
        self._worker: WorkerChannel | None = None
        if isinstance(environment.runner, WorkerRunner):
            self._worker = WorkerChannel(environment.runner, self._on_master_end)
        else:
            self._master = MasterChannel(environment, self._on_all_done, self._store_rows, self._merge_final_report)
        environment.stop_timeout = max(environment.stop_timeout, 5.0)
        # httpx logs a line per request, which would flood the terminal.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        extend_heartbeat_timeout(environment)
        environment.events.test_start.add_listener(self._start)  # type: ignore[no-untyped-call]
        environment.events.test_stopping.add_listener(self._stopping)  # type: ignore[no-untyped-call]
        environment.events.test_stop.add_listener(self._stop)  # type: ignore[no-untyped-call]
        environment.events.quitting.add_listener(self._quitting)  # type: ignore[no-untyped-call]
        # Registered after the listener above, so that it is called first.
        Signals(environment, self._request_stop)
        if isinstance(environment.runner, MasterRunner):
            gevent.spawn(self._watch_workers)
        if os.getpid() != _IMPORTER:
            # A worker forked by Locust (`--processes`).
            set_parent_death_signal(_IMPORTER, signal.SIGTERM)
        self._page = WebPage(environment, self) if environment.web_ui is not None else None
        if self._is_leader:
            export_metrics(environment, lambda: self._folder if self._folder.name else None)

    def _final_report(self) -> dict[str, Any]:
        """Return this worker's last report, for when it is done or was stopped."""
        report: dict[str, Any] = {"stop_requested": self._stop_requested, "ceiling": self._ceiling_reached}
        if self._failure is not None:
            report |= {"error": str(self._failure), "exit_code": self._failure.exit_code}
        return report

    def _merge_final_report(self, client_id: str, report: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Merge a worker's last report. Raises MalformedMessageError."""
        self._stop_requested |= bool(report.get("stop_requested"))
        self._ceiling_reached |= bool(report.get("ceiling"))
        if "error" in report and self._failure is None:
            self._failure = KitFaultError(report["error"])
            is_wrong_use = report.get("exit_code") == DogfoodError.exit_code
            self._failure.exit_code = DogfoodError.exit_code if is_wrong_use else KitFaultError.exit_code
            self._environment.process_exit_code = self._failure.exit_code

    @property
    def intake(self) -> str:
        """URL to which this run's events are posted."""
        if self._manifest is None:
            raise DogfoodError("no run has been started yet")
        intake = self._manifest.target["intake"]
        return with_query(intake, hasty="true") if self._manifest.hasty else intake

    @property
    def label(self) -> str:
        """Name of this run's requests in Locust's statistics."""
        batch = self._manifest.batch_size if self._manifest else 1
        hasty = self._manifest is not None and self._manifest.hasty
        unit = "beacon" if batch == 1 else f"batch of up to {batch} events"
        return f"{unit}, hasty (202: received, not delivered)" if hasty else unit

    def join_running_test(self) -> None:
        """Join a test that started before this worker was ready. Call it when the worker is ready."""
        runner = self._runner
        if isinstance(runner, WorkerRunner) and self._manifest is None and runner.worker_state in _ACTIVE_STATES:
            self._start()

    def play(self, step: Callable[[], bool]) -> bool:
        """Run *step*, which returns False when nothing is left; return its result."""
        self._busy += 1
        try:
            more = step()
        finally:
            self._busy -= 1
        if not more and not self._busy and not self._done:
            self._done = True
            self._on_all_played()
        return more

    def _start(self, **_: object) -> None:
        self._stop_requested = self._ceiling_reached = self._schedule_lost = False
        self._failure = None
        try:
            if self._is_leader:
                self._lead(self._options)
            # Workers get the master's options. They name no run when the master failed.
            if not isinstance(self._runner, MasterRunner) and vars(self._options).get("run_manifest"):
                self._join(Path(vars(self._options)["run"]))
        except DogfoodError as error:
            self._abort(error)
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            self._abort(KitFaultError(f"the run cannot be set up: {error.strerror or error}{where}"))
        except Exception as error:
            # Locust would log the exception and never end the test.
            _log.exception("the run cannot be set up")
            self._abort(KitFaultError(f"the run cannot be set up: {type(error).__name__}: {error}"))

    def _lead(self, options: Namespace) -> None:
        """Set up the run, or open one that was set up; pass it to the workers in the options."""
        check_numbers(options)
        now_ms = int(time.time() * 1000)
        self._folder = Path(options.run) if options.run else self._make_run(options, now_ms + HEAD_START_MS)
        manifest = Manifest.read(self._folder)
        target = check_target(Target.read(manifest.target["source"]), manifest.target, options.confirm)
        rate = check_ceilings(target, PlanSettings.from_json(manifest.plan))
        options.egress = pinned(self._folder, target).to_json()
        options.ceilings = asdict(target.ceilings)
        self._budgets.append(TargetBudget.open(target, str(self._folder.resolve()), rate=rate))
        self._was_started = True
        # A run of several fidelities starts with the first one.
        if manifest.started_ms is None or not options.run:
            manifest = manifest.started(now_ms + HEAD_START_MS)
            manifest.write(self._folder)
        self._manifest = manifest
        self._done = False
        self._began_s = time.monotonic()
        self._leaser = self._make_leaser(self._folder, manifest)
        if self._master is not None:
            self._master.open(self._leaser)
        options.machines = self._master.machines if self._master is not None else 1
        options.run = str(self._folder.resolve())
        # For workers without access to the folder.
        options.run_manifest = manifest.to_json().decode()
        if self._page is not None:
            self._page.begin(self._folder)
        _log.info("run %s goes to %s", self._folder, manifest.target["intake"])

    @property
    def rate_limiter(self) -> RateLimiter:
        """The rate limiter that all of this machine's processes share."""
        return self._budgets[-1].rate_limiter(self._share)

    @property
    def _share(self) -> float:
        """This machine's share of the ceilings; each machine with workers has the same."""
        return 1 / max(1, int(vars(self._options).get("machines", 1)))

    def _join(self, folder: Path) -> None:
        options = vars(self._options)
        egress = Egress.from_json(options["egress"])
        confine(egress)
        self._folder = folder
        self._manifest = Manifest.parse(options["run_manifest"].encode(), folder)
        ceilings = Ceilings(**options["ceilings"])
        self._budgets.append(
            TargetBudget.of_intake(egress.name, self._manifest.target["intake"], ceilings, str(folder))
        )
        self._done = False
        worker = f"{self.worker_name}-{getattr(self._runner, 'worker_index', 0)}-{os.getpid()}"
        leaser = self._leaser
        lease: Lease = self._worker or (lambda: leaser.lend(worker))
        self._open(folder, self._manifest, worker, lease)
        self._opened = True

    def _on_all_played(self) -> None:
        if self._worker is not None:
            self._done = True
            self._worker.report_done(self._final_report())
        else:
            self._on_all_done()

    def _store_rows(self, client_id: str, message: Mapping[str, Any]) -> None:
        """Append ledger rows of a worker without access to the run's folder. Raises MalformedMessageError."""
        index = self._master.index_of(client_id) if self._master is not None else -1
        name, rows = ledger_rows(message, self.worker_name, index)
        if self._manifest is None:
            return
        try:
            append_rows(self._folder / LEDGER, name, rows)
        except OSError as error:
            self._abort(KitFaultError(f"the ledger of {name} cannot be written: {error.strerror}"))

    def _on_all_done(self) -> None:
        """End the test, as all of the run was sent."""
        self._done = True
        gevent.spawn(self._end_test)

    def _end_test(self) -> None:
        """End the test; without a web page, end the process too."""
        if self._options.headless:
            self._runner.quit()
        else:
            self._runner.stop()

    def _watch_workers(self) -> None:
        """Watch for the death of the last unfinished worker, and of all workers."""
        while True:
            gevent.sleep(_WATCH_INTERVAL_S)
            if self._master is None or self._done:
                continue
            self._master.check_children()
            is_alone = not self._master.connected
            self._had_workers |= not is_alone
            if self._manifest is not None and is_alone:
                # Locust would log it and wait for ever.
                self._end()
                self._end_test()
            elif self._manifest is not None:
                self._master.check()
            elif is_alone and self._had_workers and self._options.headless and not (self._was_started or self._failure):
                self._abort(KitFaultError("all workers have ended: see their output above"))

    def _request_stop(self) -> None:
        """Record that a signal asks for the end of the test."""
        self._stop_requested = True

    def _on_master_end(self) -> None:
        """End this worker's part when the master ends the run."""
        with self._ending:
            self._wind_down()
            self._end()

    def _stopping(self, **_: object) -> None:
        """Stop sending as soon as Locust begins to stop its users."""
        if isinstance(self._runner, MasterRunner):
            self._end()
            return
        with self._ending:
            if self._opened:
                self._wind_down()

    def _stop(self, **_: object) -> None:
        self._end()

    def _quitting(self, **_: object) -> None:
        """End the run before Locust determines its exit code."""
        if isinstance(self._runner, MasterRunner):
            self._end()
        elif self._runner.state != STATE_STOPPED:
            self._runner.stop()
        # Wait for another greenlet that ends the run.
        with self._ending:
            pass

    def _end(self) -> None:
        """End this process's run; the leader also writes the result."""
        with self._ending:
            if self._manifest is None:
                return
            reason = self._reason()
            if self._master is not None:
                self._master.end(_WORKERS_END_TIMEOUT_S)
                # The workers' last reports may hold the reason.
                reason = self._reason(reason)
            if self._opened:
                self._opened = False
                self._close()
            while self._budgets:
                self._budgets.pop().close()
            if self._is_leader:
                self._write_result(self._manifest, reason)
            elif self._worker is not None and not self._done:
                self._worker.report_stopped(self._final_report())
            self._manifest = None

    def _reason(self, previous: End | None = None) -> End:
        """Return why the run ends; *previous* is the reason before the workers' last reports."""
        if self._failure is not None:
            return End.FAILED
        if self._ceiling_reached:
            return End.CEILING
        if self._done:
            return End.FINISHED
        if self._schedule_lost:
            return End.LATE
        if self._stop_requested:
            return End.STOPPED
        if previous is not None:
            return previous
        if isinstance(self._runner, MasterRunner) and self._master is not None and not self._master.connected:
            return End.WORKER_LOST
        limit_s = float(self._options.run_time or 0)
        if limit_s and time.monotonic() - self._began_s >= limit_s - _TIME_LIMIT_MARGIN_S:
            return End.TIME_LIMIT
        return End.STOPPED

    def _write_result(self, manifest: Manifest, reason: End) -> None:
        """Complete the run's record; a write error sets the exit code of a kit fault."""
        stopped_early = manifest.stopped_early or reason.stopped_early
        # A run of several fidelities is finished when every fidelity is.
        ended = reason if manifest.ended in ("", End.FINISHED) else manifest.ended
        finished = manifest.finished(int(time.time() * 1000), stopped_early=stopped_early, ended=ended)
        try:
            finished.write(self._folder)
            self._record(self._folder, finished)
        except OSError as error:
            self._fail(KitFaultError(f"the end of the run cannot be written: {error.strerror} ({error.filename})"))
        if reason.is_fault and self._environment.process_exit_code is None:
            print(f"INVALID: {reason}", file=sys.stderr, flush=True)
            self._environment.process_exit_code = KitFaultError.exit_code
        self._options.run = self._options.run_manifest = ""
        _log.info("run %s is over (%s): %s", self._folder, reason, next_step(self._folder, finished))
        if self._page is not None and not self._stop_requested:
            self._page.end()

    def _fail(self, error: DogfoodError) -> None:
        """Print *error* and set its exit code."""
        self._failure = self._failure or error
        print(f"error: {error}", file=sys.stderr, flush=True)
        self._environment.process_exit_code = error.exit_code

    def _abort(self, error: DogfoodError) -> None:
        """Print *error*, set its exit code, and end the test."""
        self._fail(error)
        gevent.spawn(self._end_test if self._is_leader else self._runner.quit)
