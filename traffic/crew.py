"""A run under Locust: set up when a test starts, played by Locust's users, closed when it stops."""

import logging
import os
import sys
import time
from abc import ABC, abstractmethod
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Generic, TypeVar

import gevent
from locust.env import Environment
from locust.runners import STATE_RUNNING, STATE_SPAWNING, MasterRunner, Runner, WorkerRunner

from metrics_platform.addresses import with_query
from metrics_platform.errors import DogfoodError
from personas.settings import PlanSettings
from run_record.folder import LEDGER
from run_record.manifest import Manifest
from run_record.target import Ceilings, Target
from traffic.bounds import check_numbers
from traffic.desks import MasterDesk, WorkerDesk
from traffic.governor import Governor
from traffic.guard import allow_only
from traffic.leases import Lease, Leaser
from traffic.options import check_ceilings, check_target
from traffic.telemetry import listen

_log = logging.getLogger("dogfood")

#: From "the test starts" to the schedule's zero: time for workers to make their plan and their users.
HEAD_START_MS = 1500

_WATCH_EVERY_S = 1.0

_SOON_S = 0.05

_AT_WORK = (STATE_SPAWNING, STATE_RUNNING)


class Crew(ABC):
    """Binds one Locust process to the run it plays.

    On the master, or in the only process, it makes the run's folder and manifest; where users run, it opens what the
    kind of traffic needs. What there is to play is counted from 0 and lent out in parts.

    Args:
        environment: Locust's.
    """

    #: What the ledgers of this kind of traffic are called.
    worker_name = "worker"

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
        self._busy = 0
        self._done = False
        self._leads = not isinstance(environment.runner, WorkerRunner)
        self._master = (
            MasterDesk(environment, self._all_done, self._take_rows, self._take_last_words) if self._leads else None
        )
        self._worker = WorkerDesk(environment.runner) if isinstance(environment.runner, WorkerRunner) else None
        environment.stop_timeout = max(environment.stop_timeout, 5.0)
        environment.events.test_start.add_listener(self._start)  # type: ignore[no-untyped-call]
        environment.events.test_stop.add_listener(self._stop)  # type: ignore[no-untyped-call]
        if isinstance(environment.runner, MasterRunner):
            gevent.spawn(self._watch)
        if self._leads:
            listen(environment, lambda: self._folder if self._folder.name else None)

    @abstractmethod
    def _make_run(self, options: Namespace, now_ms: int) -> Path:
        """Make the folder of a run that nobody has set up, with its manifest. Raises DogfoodError."""

    @abstractmethod
    def _leaser(self, folder: Path, manifest: Manifest) -> Leaser:
        """Return what lends the things there are to play."""

    @abstractmethod
    def _open(self, folder: Path, manifest: Manifest, worker: str, lease: Lease) -> None:
        """Make ready to play the run in *folder* as *worker*; *lease* lends what to play. Raises DogfoodError."""

    @abstractmethod
    def _close(self) -> None:
        """Let go of what `_open` made."""

    def _record(self, folder: Path, manifest: Manifest) -> None:  # noqa: B027 (not every kind has something to say)
        """Write down what there is to say of the whole run, when it is over."""

    def _last_words(self) -> dict[str, Any]:
        """Return what a worker tells its master when it is done."""
        return {}

    def _take_last_words(self, client_id: str, said: Mapping[str, Any]) -> None:  # noqa: B027
        """Take in what a worker told when it was done."""

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
        try:
            if self._leads:
                self._lead(self._options)
            if not isinstance(self._runner, MasterRunner):
                # Locust replaces the options' values on workers by the master's.
                self._join(Path(vars(self._options)["run"]))
        except DogfoodError as error:
            self._give_up(error)

    def _lead(self, options: Namespace) -> None:
        """Set the run up, or take up the one that was set up; tell the workers where it is."""
        check_numbers(options)
        now_ms = int(time.time() * 1000)
        self._folder = Path(options.run) if options.run else self._make_run(options, now_ms + HEAD_START_MS)
        manifest = Manifest.read(self._folder)
        target = check_target(Target.read(manifest.target["source"]), manifest.target, options.confirm)
        self._check(target, manifest)
        options.addresses = sorted(target.addresses())
        options.ceilings = asdict(target.ceilings)
        # A run of several fidelities begins with the first of them.
        if manifest.started_ms is None or not options.run:
            manifest = manifest.started(now_ms + HEAD_START_MS)
            manifest.write(self._folder)
        self._manifest = manifest
        self._done = False
        self._lender = self._leaser(self._folder, manifest)
        if self._master is not None:
            self._master.open(self._lender)
        options.workers_share = self._runner.worker_count if isinstance(self._runner, MasterRunner) else 1
        options.run = str(self._folder.resolve())
        # For workers that do not see the folder.
        options.run_manifest = manifest.to_json().decode()
        _log.info("run %s goes to %s", self._folder, manifest.target["intake"])

    def _check(self, target: Target, manifest: Manifest) -> None:
        """Refuse a run that is more than *target* allows. Raises TargetError."""
        check_ceilings(target, PlanSettings.from_json(manifest.plan))

    @property
    def governor(self) -> Governor:
        """What keeps this process below its part of the target's ceilings."""
        said = vars(self._options)
        started_s = ((self._manifest.started_ms if self._manifest else None) or 0) / 1000
        return Governor(Ceilings(**said["ceilings"]), share=self._share, start_s=started_s)

    @property
    def _share(self) -> float:
        """The part of the ceilings that this process may have: all workers there can be have the same."""
        return 1 / max(1, int(vars(self._options).get("workers_share", 1)))

    def _join(self, folder: Path) -> None:
        allow_only(vars(self._options)["addresses"])
        self._folder = folder
        self._manifest = Manifest.parse(vars(self._options)["run_manifest"].encode(), folder)
        self._done = False
        worker = f"{self.worker_name}-{getattr(self._runner, 'worker_index', 0)}-{os.getpid()}"
        lender = self._lender
        lease: Lease = self._worker or (lambda: lender.lend(worker))
        self._open(folder, self._manifest, worker, lease)
        self._opened = True

    def _nothing_left(self) -> None:
        if self._worker is not None:
            self._done = True
            self._worker.done(self._last_words())
        else:
            self._all_done()

    def _take_rows(self, client_id: str, message: Mapping[str, Any]) -> None:  # noqa: ARG002 (the message names it)
        """Append ledger rows of a worker that does not see the run's folder."""
        with (self._folder / LEDGER / f"{message['worker']}.ndjson").open("ab") as file:
            file.write(message["rows"].encode())

    def _all_done(self) -> None:
        """All of the run was played: end the test, and the process when nobody watches it."""
        self._done = True
        gevent.spawn(self._runner.quit if self._options.headless else self._runner.stop)

    def _watch(self) -> None:
        """Notice when the last worker that was not done has died."""
        while True:
            gevent.sleep(_WATCH_EVERY_S)
            if self._master is not None and not self._done and self._manifest is not None:
                self._master.check()

    def _stop(self, **_: object) -> None:
        if self._opened:
            self._close()
            self._opened = False
        if self._leads and self._manifest is not None:
            stopped_early = self._manifest.stopped_early or not self._done
            finished = self._manifest.finished(int(time.time() * 1000), stopped_early=stopped_early)
            finished.write(self._folder)
            self._record(self._folder, finished)
            self._options.run = ""
            _log.info("run %s is over: `dogfood analyse %s`", self._folder, self._folder.name)
        self._manifest = None

    def _give_up(self, error: DogfoodError) -> None:
        """End the process with one line and the error's exit code; nothing was sent."""
        print(f"error: {error}", file=sys.stderr, flush=True)
        self._environment.process_exit_code = error.exit_code
        gevent.spawn(self._runner.quit)


C = TypeVar("C", bound=Crew)


class Crews(Generic[C]):
    """The crews of this process, by Locust's environment.

    Args:
        make: makes one.
    """

    def __init__(self, make: Callable[[Environment], C]) -> None:
        self._make = make
        self._crews: dict[Environment, C] = {}

    def man(self, environment: Environment) -> None:
        """Give *environment* the crew that its users work for; called once a process, when Locust is ready."""
        crew = self._make(environment)
        crew.catch_up()
        self._crews[environment] = crew

    def of(self, environment: Environment) -> C:
        """Return the crew of *environment*; a user on a worker that joins a test under way may have to wait for it."""
        while environment not in self._crews:
            gevent.sleep(_SOON_S)
        return self._crews[environment]
