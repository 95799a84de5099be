"""One step: Locust holds a rate for a while; what it wrote down, and what landed, is read afterwards."""

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

#: Seeds of one check are this far apart at most, so that no two of its steps make the same events.
MOST_STEPS = 1_000

#: What lands of a step that only feels its way is not looked at.
_PROBES = (Purpose.GROW, Purpose.BISECT)

#: Judges the run in a folder against what landed of it.
Reconcile = Callable[[Path], Analysis]


class Progress(NamedTuple):
    """How far a step is: its number, what it is for, and how many of its seconds have passed."""

    number: int
    move: NextStep
    passed_s: float
    whole_s: float


class CeilingError(DogfoodError):
    """Another step would be more than the target allows altogether."""


@dataclass
class Measurement:
    """Takes steps, one after the other, each a run in a folder of its own.

    Attributes:
        generator: makes the load.
        folder: for the runs.
        target: whose ceilings hold, for all steps together.
        settle_s: seconds at the beginning of each step that do not count.
        pids: processes of the server, when it is on this machine.
        reconcile: judges confirming steps; None where nobody can see what landed.
        tell: called with the progress.
        taken: how many steps there have been.
        offered: how many events they have offered.
    """

    generator: LocustGenerator
    folder: Path
    target: Target
    settle_s: int
    pids: tuple[int, ...] = ()
    reconcile: Reconcile | None = None
    tell: Callable[[Progress], None] = lambda _: None
    taken: int = 0
    offered: int = 0

    def __call__(self, move: NextStep) -> Step:
        """Take a step and return what was seen in its held window.

        Raises:
            CeilingError: the target does not allow so many events in one check.
            DogfoodError, KitFaultError: it could not be taken.
            KeyboardInterrupt: it was ended by hand.
        """
        with self.watch() as watch:
            run = self.play(move)
        load = LoadReport.read(run)
        begun_s = (Manifest.read(run).started_ms or 0) / 1000 + self.settle_s
        looked = self.reconcile(run) if self.reconcile and move.purpose not in _PROBES else None
        step = step_of(
            load, move, self.settle_s,
            server_cpu=watch.cores(begun_s, begun_s + move.seconds),
            lost=None if looked is None else looked.reconciliation["lost"],
            verdict=None if looked is None else str(looked.verdict),
            run=str(run.relative_to(self.folder.parent)),
        )  # fmt: skip
        return _with_doubt(step, looked)

    def watch(self) -> ServerWatch:
        """Return what watches the server's processes while a step is taken."""
        return ServerWatch(self.pids)

    def play(self, move: NextStep) -> Path:
        """Send what *move* says and return the run's folder. Raises as a call does."""
        self.taken += 1
        whole = self.settle_s + move.seconds
        self._within_ceilings(move, whole)
        # Locust takes whole seconds.
        seconds = math.ceil(whole)
        begun = time.monotonic()
        where = self.folder / f"{self.taken:02}-{move.purpose}-{move.rate:g}"
        number = self.taken

        def look() -> None:
            self.tell(Progress(number, move, min(time.monotonic() - begun, whole), whole))

        seed = self.generator.seed * MOST_STEPS + self.taken
        return self.generator.play(move.rate, seconds, seed, where, look)

    def _within_ceilings(self, move: NextStep, whole_s: float) -> None:
        ceilings = self.target.ceilings
        ceilings.check(self.target.name, rate=move.rate, seconds=whole_s)
        self.offered += math.ceil(move.rate * whole_s)
        if self.offered > ceilings.events:
            raise CeilingError(
                f"The target {self.target.name!r} allows {ceilings.events:,g} events, and the next step would have "
                "been beyond that."
            )


def _with_doubt(step: Step, looked: Analysis | None) -> Step:
    """Return *step*, invalid when the analysis says that its generator was at fault."""
    if looked is None or looked.verdict is not Verdict.INVALID or step.invalid:
        return step
    return replace(step, invalid=(looked.sentence,))
