"""A run under Locust: set up when a test starts, played by Locust's users, closed when it stops."""

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
from traffic.locust_run.heartbeats import tolerate_silence
from traffic.locust_run.leases import Lease, Leaser
from traffic.locust_run.load_kind import LoadKind
from traffic.locust_run.master_worker import MasterChannel, WorkerChannel
from traffic.locust_run.options import check_ceilings, check_target
from traffic.locust_run.run_verdict import next_step
from traffic.locust_run.shutdown import Signals
from traffic.locust_run.web_page import WebPage
from traffic.locust_run.worker_messages import ledger_rows
from traffic.otel import listen

_log = logging.getLogger("dogfood")

#: From "the test starts" to the schedule's zero: time for workers to make their plan and their users.
HEAD_START_MS = 1500

#: The process that read the locustfile: Locust forks its workers afterwards.
_IMPORTER = os.getpid()

_WATCH_EVERY_S = 1.0

#: How long workers may take from being told to stop until they have told everything: longer than a sender takes.
_WORKERS_END_WITHIN_S = 30.0

#: Locust's time limit counts from a moment that is nearly, not quite, that of the run.
_TIME_LIMIT_MARGIN_S = 1.0

_AT_WORK = (STATE_SPAWNING, STATE_RUNNING)


class RunController(LoadKind):
    """Binds one Locust process to the run it plays.

    On the master, or in the only process, it makes the run's folder and manifest; where users run, it opens what the
    kind of traffic needs. What there is to play is counted from 0 and lent out in parts.

    Args:
        environment: Locust's.
    """

    def __init__(self, environment: Environment) -> None:
        if environment.runner is None or environment.parsed_options is None:
            raise DogfoodError("the locustfiles are run by `locust -f`")
        self._environment = environment
        self._runner: Runner = environment.runner
        self._options: Namespace = environment.parsed_options
        self._folder = Path()
        self._lender = Leaser(0)
        self._manifest: Manifest | None = None
        self._opened = False
        #: This process's parts in the target's budget, while it leads and while it sends.
        self._budgets: list[TargetBudget] = []
        self._busy = 0
        self._done = False
        # Several greenlets may end a run in the same moment; the second waits until the first is through.
        self._ending = RLock()
        self._asked = False
        self._failure: DogfoodError | None = None
        self._reached_ceiling = False
        self._schedule_lost = False
        self._met_workers = False
        self._played = False
        self._began_s = 0.0
        self._leads = not isinstance(environment.runner, WorkerRunner)
        self._master = (
            MasterChannel(environment, self._all_done, self._take_rows, self._take_final_report)
            if self._leads
            else None
        )
        self._worker = None
        if isinstance(environment.runner, WorkerRunner):
            self._worker = WorkerChannel(environment.runner, self._told_to_end)
        environment.stop_timeout = max(environment.stop_timeout, 5.0)
        # One line for each question that is asked of a target would be all that a terminal shows.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        tolerate_silence(environment)
        environment.events.test_start.add_listener(self._start)  # type: ignore[no-untyped-call]
        environment.events.test_stopping.add_listener(self._stopping)  # type: ignore[no-untyped-call]
        environment.events.test_stop.add_listener(self._stop)  # type: ignore[no-untyped-call]
        environment.events.quitting.add_listener(self._quitting)  # type: ignore[no-untyped-call]
        # After the listener above, so that it is called before it.
        Signals(environment, self._ask_to_end)
        if isinstance(environment.runner, MasterRunner):
            gevent.spawn(self._watch)
        if os.getpid() != _IMPORTER:
            # A worker that Locust has forked (`--processes`).
            set_parent_death_signal(_IMPORTER, signal.SIGTERM)
        self._page = WebPage(environment, self) if environment.web_ui is not None else None
        if self._leads:
            listen(environment, lambda: self._folder if self._folder.name else None)

    def _final_report(self) -> dict[str, Any]:
        """Return what a worker tells its master when it is done, or was stopped."""
        said: dict[str, Any] = {"asked": self._asked, "ceiling": self._reached_ceiling}
        if self._failure is not None:
            said |= {"error": str(self._failure), "exit_code": self._failure.exit_code}
        return said

    def _take_final_report(self, client_id: str, said: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Take in what a worker told when it was done, or was stopped. Raises MalformedMessageError."""
        self._asked |= bool(said.get("asked"))
        self._reached_ceiling |= bool(said.get("ceiling"))
        if "error" in said and self._failure is None:
            self._failure = KitFaultError(said["error"])
            self._failure.exit_code = 2 if said.get("exit_code") == DogfoodError.exit_code else KitFaultError.exit_code
            self._environment.process_exit_code = self._failure.exit_code

    @property
    def intake(self) -> str:
        """Where this run's events are posted to."""
        if self._manifest is None:
            raise DogfoodError("no run has been started yet")
        intake = self._manifest.target["intake"]
        return with_query(intake, hasty="true") if self._manifest.hasty else intake

    @property
    def label(self) -> str:
        """What Locust's statistics call a request of this run."""
        batch = self._manifest.batch_size if self._manifest else 1
        hasty = self._manifest is not None and self._manifest.hasty
        what = "beacon" if batch == 1 else f"batch of up to {batch} events"
        return f"{what}, hasty (202: received, not delivered)" if hasty else what

    def catch_up(self) -> None:
        """Take part in a test that was started while this worker was still getting ready; to be called when it is."""
        runner = self._runner
        if isinstance(runner, WorkerRunner) and self._manifest is None and runner.worker_state in _AT_WORK:
            self._start()

    def play(self, step: Callable[[], bool]) -> bool:
        """Do the next *step*, which returns whether there was anything left; return the same."""
        self._busy += 1
        try:
            more = step()
        finally:
            self._busy -= 1
        if not more and not self._busy and not self._done:
            self._done = True
            self._nothing_left()
        return more

    def _start(self, **_: object) -> None:
        self._asked = self._reached_ceiling = self._schedule_lost = False
        self._failure = None
        try:
            if self._leads:
                self._lead(self._options)
            # Locust replaces the options' values on workers by the master's, which has none when it gave up.
            if not isinstance(self._runner, MasterRunner) and vars(self._options).get("run_manifest"):
                self._join(Path(vars(self._options)["run"]))
        except DogfoodError as error:
            self._give_up(error)
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            self._give_up(KitFaultError(f"the run cannot be set up: {error.strerror or error}{where}"))
        except Exception as error:
            # Locust would log it and go on: a test that never ends.
            _log.exception("the run cannot be set up")
            self._give_up(KitFaultError(f"the run cannot be set up: {type(error).__name__}: {error}"))

    def _lead(self, options: Namespace) -> None:
        """Set the run up, or take up the one that was set up; tell the workers where it is."""
        check_numbers(options)
        now_ms = int(time.time() * 1000)
        self._folder = Path(options.run) if options.run else self._make_run(options, now_ms + HEAD_START_MS)
        manifest = Manifest.read(self._folder)
        target = check_target(Target.read(manifest.target["source"]), manifest.target, options.confirm)
        # A run that is more than the target allows is refused.
        rate = check_ceilings(target, PlanSettings.from_json(manifest.plan))
        options.egress = pinned(self._folder, target).to_json()
        options.ceilings = asdict(target.ceilings)
        self._budgets.append(TargetBudget.open(target, str(self._folder.resolve()), rate=rate))
        self._played = True
        # A run of several fidelities begins with the first of them.
        if manifest.started_ms is None or not options.run:
            manifest = manifest.started(now_ms + HEAD_START_MS)
            manifest.write(self._folder)
        self._manifest = manifest
        self._done = False
        self._began_s = time.monotonic()
        self._lender = self._leaser(self._folder, manifest)
        if self._master is not None:
            self._master.open(self._lender)
        options.machines = self._master.machines if self._master is not None else 1
        options.run = str(self._folder.resolve())
        # For workers that do not see the folder.
        options.run_manifest = manifest.to_json().decode()
        if self._page is not None:
            self._page.begin(self._folder)
        _log.info("run %s goes to %s", self._folder, manifest.target["intake"])

    @property
    def governor(self) -> RateLimiter:
        """What keeps this process, with all others of this machine, below the target's ceilings."""
        return self._budgets[-1].rate_limiter(self._share)

    @property
    def _share(self) -> float:
        """The part of the ceilings that this machine may have: all machines with workers have the same."""
        return 1 / max(1, int(vars(self._options).get("machines", 1)))

    def _join(self, folder: Path) -> None:
        given = vars(self._options)
        egress = Egress.from_json(given["egress"])
        confine(egress)
        self._folder = folder
        self._manifest = Manifest.parse(given["run_manifest"].encode(), folder)
        ceilings = Ceilings(**given["ceilings"])
        self._budgets.append(
            TargetBudget.of_intake(egress.name, self._manifest.target["intake"], ceilings, str(folder))
        )
        self._done = False
        worker = f"{self.worker_name}-{getattr(self._runner, 'worker_index', 0)}-{os.getpid()}"
        lender = self._lender
        lease: Lease = self._worker or (lambda: lender.lend(worker))
        self._open(folder, self._manifest, worker, lease)
        self._opened = True

    def _nothing_left(self) -> None:
        if self._worker is not None:
            self._done = True
            self._worker.done(self._final_report())
        else:
            self._all_done()

    def _take_rows(self, client_id: str, message: Mapping[str, Any]) -> None:
        """Append ledger rows of a worker that does not see the run's folder. Raises MalformedMessageError."""
        index = self._master.index_of(client_id) if self._master is not None else -1
        name, rows = ledger_rows(message, self.worker_name, index)
        if self._manifest is None:
            return
        try:
            append_rows(self._folder / LEDGER, name, rows)
        except OSError as error:
            self._give_up(KitFaultError(f"the ledger of {name} cannot be written: {error.strerror}"))

    def _all_done(self) -> None:
        """All of the run was played: end the test, and the process when nobody watches it."""
        self._done = True
        gevent.spawn(self._end_test)

    def _end_test(self) -> None:
        """End the test as Locust does, and the process with it when nobody watches it."""
        if self._options.headless:
            self._runner.quit()
        else:
            self._runner.stop()

    def _watch(self) -> None:
        """Notice when the last worker that was not done has died, or when no worker is left at all."""
        while True:
            gevent.sleep(_WATCH_EVERY_S)
            if self._master is None or self._done:
                continue
            self._master.look_after_children()
            is_alone = not self._master.there
            self._met_workers |= not is_alone
            if self._manifest is not None and is_alone:
                # Locust would only log it, and wait for ever.
                self._end()
                self._end_test()
            elif self._manifest is not None:
                self._master.check()
            elif is_alone and self._met_workers and self._options.headless and not (self._played or self._failure):
                self._give_up(KitFaultError("all workers are gone: look at what they said before"))

    def _ask_to_end(self) -> None:
        """Take down that somebody wants the test to end."""
        self._asked = True

    def _told_to_end(self) -> None:
        """End the part of a worker whose master ends the run."""
        with self._ending:
            self._wind_down()
            self._end()

    def _stopping(self, **_: object) -> None:
        """Stop sending when Locust begins to stop its users: traffic must not go on while it waits."""
        if isinstance(self._runner, MasterRunner):
            self._end()
            return
        with self._ending:
            if self._opened:
                self._wind_down()

    def _stop(self, **_: object) -> None:
        self._end()

    def _quitting(self, **_: object) -> None:
        """End the run before Locust decides on its exit code."""
        if isinstance(self._runner, MasterRunner):
            self._end()
        elif self._runner.state != STATE_STOPPED:
            self._runner.stop()
        # Another greenlet that ends it has to be through.
        with self._ending:
            pass

    def _end(self) -> None:
        """End the run of this process: close it, and on the master, or in the only process, write down how it went."""
        with self._ending:
            if self._manifest is None:
                return
            reason = self._reason()
            if self._master is not None:
                self._master.end(_WORKERS_END_WITHIN_S)
                # What workers said last may be why it ended.
                reason = self._reason(reason)
            if self._opened:
                self._opened = False
                self._close()
            while self._budgets:
                self._budgets.pop().close()
            if self._leads:
                self._write_down(self._manifest, reason)
            elif self._worker is not None and not self._done:
                self._worker.stopped(self._final_report())
            self._manifest = None

    def _reason(self, before: End | None = None) -> End:
        """Return why the run ends, as far as it is known; *before* is what it was before workers were asked."""
        if self._failure is not None:
            return End.FAILED
        if self._reached_ceiling:
            return End.CEILING
        if self._done:
            return End.FINISHED
        if self._schedule_lost:
            return End.LATE
        if self._asked:
            return End.STOPPED
        if before is not None:
            return before
        if isinstance(self._runner, MasterRunner) and self._master is not None and not self._master.there:
            return End.WORKER_LOST
        limit_s = float(self._options.run_time or 0)
        if limit_s and time.monotonic() - self._began_s >= limit_s - _TIME_LIMIT_MARGIN_S:
            return End.TIME_LIMIT
        return End.STOPPED

    def _write_down(self, manifest: Manifest, reason: End) -> None:
        """Complete the run's record. What cannot be written ends the process with the kit's exit code."""
        early = manifest.stopped_early or reason.stopped_early
        # A run of several fidelities ended well when all of them did.
        ended = reason if manifest.ended in ("", End.FINISHED) else manifest.ended
        finished = manifest.finished(int(time.time() * 1000), stopped_early=early, ended=ended)
        try:
            finished.write(self._folder)
            self._record(self._folder, finished)
        except OSError as error:
            self._fail(KitFaultError(f"the end of the run cannot be written down: {error.strerror} ({error.filename})"))
        if reason.is_fault and self._environment.process_exit_code is None:
            print(f"INVALID: {reason}", file=sys.stderr, flush=True)
            self._environment.process_exit_code = KitFaultError.exit_code
        self._options.run = self._options.run_manifest = ""
        _log.info("run %s is over (%s): %s", self._folder, reason, next_step(self._folder, finished))
        if self._page is not None and not self._asked:
            self._page.end()

    def _fail(self, error: DogfoodError) -> None:
        """Say in one line what went wrong, and let the process end with the error's exit code."""
        self._failure = self._failure or error
        print(f"error: {error}", file=sys.stderr, flush=True)
        self._environment.process_exit_code = error.exit_code

    def _give_up(self, error: DogfoodError) -> None:
        """End the test with one line, and the process with the error's exit code unless it has a web page."""
        self._fail(error)
        gevent.spawn(self._end_test if self._leads else self._runner.quit)
