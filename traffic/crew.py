"""A run under Locust: set up when a test starts, played by Locust's users, closed when it stops."""

import logging
import os
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import gevent
from locust.env import Environment
from locust.runners import MasterRunner, Runner, WorkerRunner

from metrics_platform.errors import DogfoodError
from metrics_platform.intake import EventAnswer, check_reachable
from personas.plan import Plan
from personas.settings import PlanSettings
from run_record.folder import LEDGER, new_run
from run_record.ledger import LedgerWriter
from run_record.manifest import Manifest
from run_record.target import Target
from traffic.desks import MasterDesk, WorkerDesk
from traffic.leases import Leaser
from traffic.options import TrafficOptions, new_manifest, new_settings
from traffic.player import Player, Post
from traffic.schedule import Schedule

_log = logging.getLogger("dogfood")

#: From "the test starts" to the schedule's zero: time for workers to make their plan and their users.
_HEAD_START_MS = 1500

_WATCH_EVERY_S = 1.0


class Crew:
    """Binds one Locust process to the run it plays.

    On the master, or in the only process, it makes the run's folder and manifest; where users run, it makes the
    plan, the ledger and the player that all users share.

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
        self._manifest: Manifest | None = None
        self._ledger: LedgerWriter | None = None
        self._player: Player | None = None
        self._busy = 0
        self._done = False
        self._leads = not isinstance(environment.runner, WorkerRunner)
        self._master = MasterDesk(environment, self._all_done) if self._leads else None
        self._worker = WorkerDesk(environment.runner) if isinstance(environment.runner, WorkerRunner) else None
        environment.stop_timeout = max(environment.stop_timeout, 5.0)
        environment.events.test_start.add_listener(self._start)  # type: ignore[no-untyped-call]
        environment.events.test_stop.add_listener(self._stop)  # type: ignore[no-untyped-call]
        if isinstance(environment.runner, MasterRunner):
            gevent.spawn(self._watch)

    @property
    def intake(self) -> str:
        """Where this run's events are posted to."""
        if self._manifest is None:
            raise DogfoodError("no run has been started yet")
        return self._manifest.target["intake"] + ("?hasty=true" if self._manifest.hasty else "")

    @property
    def label(self) -> str:
        """What Locust's statistics call a request of this run."""
        batch = self._manifest.batch_size if self._manifest else 1
        hasty = self._manifest is not None and self._manifest.hasty
        what = "beacon" if batch == 1 else f"batch of up to {batch} events"
        return f"{what}, hasty (202: received, not delivered)" if hasty else what

    def play_next(self, post: Post) -> Sequence[EventAnswer] | None:
        """Send what is due next; None when this process has nothing left to send."""
        if self._player is None:
            return None
        self._busy += 1
        try:
            answers = self._player.play_next(post)
        finally:
            self._busy -= 1
        if answers is None and not self._busy and not self._done:
            self._done = True
            self._nothing_left()
        return answers

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
        now_ms = int(time.time() * 1000)
        if options.run:
            self._folder = Path(options.run)
            manifest = Manifest.read(self._folder)
            Target.read(manifest.target["source"]).at(intake=manifest.target["intake"], mpic=manifest.target["mpic"])
        else:
            asked = TrafficOptions.of(options)
            target = Target.read(asked.target).at(intake=asked.intake or None, mpic=asked.mpic or None)
            settings = Plan(new_settings(asked, target, now_ms=now_ms + _HEAD_START_MS)).settings
            manifest = new_manifest("", asked, target, settings)
            check_reachable(target.intake)
            self._folder = new_run(Path(options.runs))
            manifest = replace(manifest, run_id=self._folder.name)
        self._manifest = manifest.started(now_ms + _HEAD_START_MS)
        self._manifest.write(self._folder)
        self._done = False
        if self._master is not None:
            self._master.open(manifest.visitors)
        options.run = str(self._folder.resolve())
        _log.info("run %s: %d visitors to %s", self._folder, manifest.visitors, manifest.target["intake"])

    def _join(self, folder: Path) -> None:
        """Make the plan, the ledger and the player of the run in *folder*."""
        self._folder = folder
        self._manifest = Manifest.read(folder)
        self._done = False
        plan = Plan(PlanSettings.from_json(self._manifest.plan))
        index = getattr(self._runner, "worker_index", 0)
        self._ledger = LedgerWriter(folder / LEDGER, f"worker-{index}-{os.getpid()}")
        self._player = Player(
            Schedule(plan, self._worker or Leaser(self._manifest.visitors)),
            self._ledger,
            started_ms=self._manifest.started_ms or int(time.time() * 1000),
            batch_size=self._manifest.batch_size,
            sleep=gevent.sleep,
        )

    def _nothing_left(self) -> None:
        if self._worker is not None:
            self._worker.done()
        else:
            self._all_done()

    def _all_done(self) -> None:
        """All visits of the run were played: end the test, and the process when nobody watches it."""
        self._done = True
        gevent.spawn(self._runner.quit if self._options.headless else self._runner.stop)

    def _watch(self) -> None:
        """Notice when the last worker that was not done has died."""
        while True:
            gevent.sleep(_WATCH_EVERY_S)
            if self._master is not None and not self._done and self._manifest is not None:
                self._master.check()

    def _stop(self, **_: object) -> None:
        if self._leads and self._manifest is not None:
            finished = self._manifest.finished(int(time.time() * 1000), stopped_early=not self._done)
            finished.write(self._folder)
            self._options.run = ""
            _log.info("run %s is over: `dogfood analyse %s`", self._folder, self._folder.name)
        if self._ledger is not None:
            self._ledger.close()
        self._manifest = self._ledger = self._player = None

    def _give_up(self, error: DogfoodError) -> None:
        """End the process with one line and the error's exit code; nothing was sent."""
        print(f"error: {error}", file=sys.stderr, flush=True)
        self._environment.process_exit_code = error.exit_code
        gevent.spawn(self._runner.quit)
