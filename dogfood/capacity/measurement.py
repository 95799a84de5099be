"""One step of a capacity check: Locust holds a rate, then its load report and the rows are read."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from analysis.analyse import Analysis
from analysis.capacity.step_reader import step_of
from analysis.capacity.steps import NextStep, Purpose, Step
from analysis.verdict import Verdict
from common.errors import DogfoodError
from dogfood.capacity.generator import LocustGenerator
from dogfood.capacity.server_usage import ServerWatch
from run_record.load_report.report import LoadReport
from run_record.manifest import Manifest
from run_record.target import Target

#: Maximum steps per check; keeps the seeds of two checks apart, so that no two steps send the same events.
MAX_STEPS = 1_000

#: Purposes of steps whose rows are not read.
_SEARCHING = (Purpose.GROW, Purpose.BISECT)

#: Judges the run in a folder against its rows.
Reconcile = Callable[[Path], Analysis]


class Progress(NamedTuple):
    """Progress of a step: its number, its plan, the seconds passed and their total."""

    number: int
    step: NextStep
    passed_s: float
    whole_s: float


class CeilingError(DogfoodError):
    """The next step would exceed the total that the target allows."""


@dataclass
class Measurement:
    """Takes steps one after the other, each a separate run.

    Attributes:
        generator: load generator.
        folder: folder of the runs.
        target: target whose ceilings hold for all steps together.
        warm_up_s: seconds at the beginning of each step that are not measured.
        pids: processes of the server, when it runs on this machine.
        reconcile: judges confirming steps; None where the rows cannot be read.
        on_progress: called with the progress.
        taken: number of steps so far.
        offered: number of events that they have offered.
    """

    generator: LocustGenerator
    folder: Path
    target: Target
    warm_up_s: int
    pids: tuple[int, ...] = ()
    reconcile: Reconcile | None = None
    on_progress: Callable[[Progress], None] = lambda _: None
    taken: int = 0
    offered: int = 0

    def __call__(self, next_step: NextStep) -> Step:
        """Take a step and return the measurements of its held window.

        Raises:
            CeilingError: the check would exceed the events that the target allows.
            DogfoodError, KitFaultError: the step failed.
            KeyboardInterrupt: the user interrupted it.
        """
        with self.watch() as watch:
            run = self.play(next_step)
        load = LoadReport.read(run)
        start_s = (Manifest.read(run).started_ms or 0) / 1000 + self.warm_up_s
        analysis = self.reconcile(run) if self.reconcile and next_step.purpose not in _SEARCHING else None
        step = step_of(
            load, next_step, self.warm_up_s,
            server_cpu=watch.cores(start_s, start_s + next_step.seconds),
            lost=None if analysis is None else analysis.reconciliation["lost"],
            verdict=None if analysis is None else str(analysis.verdict),
            run=str(run.relative_to(self.folder.parent)),
        )  # fmt: skip
        return _invalid_if_judged_so(step, analysis)

    def watch(self) -> ServerWatch:
        """Return a watch of the server's processes, for the time of a step."""
        return ServerWatch(self.pids)

    def play(self, next_step: NextStep) -> Path:
        """Send the load of *next_step* and return the run's folder. Raises as a call does."""
        self.taken += 1
        whole = self.warm_up_s + next_step.seconds
        self._within_ceilings(next_step, whole)
        # Locust takes whole seconds.
        seconds = math.ceil(whole)
        start = time.monotonic()
        folder = self.folder / f"{self.taken:02}-{next_step.purpose}-{next_step.rate:g}"
        number = self.taken

        def report_progress() -> None:
            self.on_progress(Progress(number, next_step, min(time.monotonic() - start, whole), whole))

        seed = self.generator.seed * MAX_STEPS + self.taken
        return self.generator.play(next_step.rate, seconds, seed, folder, report_progress)

    def _within_ceilings(self, next_step: NextStep, whole_s: float) -> None:
        ceilings = self.target.ceilings
        ceilings.check(self.target.name, rate=next_step.rate, seconds=whole_s)
        self.offered += math.ceil(next_step.rate * whole_s)
        if self.offered > ceilings.events:
            raise CeilingError(
                f"The target {self.target.name!r} allows {ceilings.events:,g} events; the next step would have "
                "exceeded them."
            )


def _invalid_if_judged_so(step: Step, analysis: Analysis | None) -> Step:
    """Return *step*, marked invalid when its run was judged INVALID."""
    if analysis is None or analysis.verdict is not Verdict.INVALID or step.invalid:
        return step
    return replace(step, invalid=(analysis.sentence,))
