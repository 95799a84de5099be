"""A whole capacity check: the testbed made ready, the search, and its report."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from analysis.analyse import Analysis
from analysis.capacity.conclusion import CapacityReport, conclude
from analysis.capacity.objectives import Objective
from analysis.capacity.search import SearchSettings, next_step
from analysis.capacity.steps import Judged, NextStep, Step, judge
from common.errors import DogfoodError, KitFaultError
from contracts.intake import check_reachable
from dogfood.capacity.measurement import CeilingError
from dogfood.judge import judge as judge_run
from dogfood.run import observe
from dogfood.testbed_control.services import Testbed
from dogfood.testbed_control.table import OWN_TABLE
from run_record.target import Target

#: The target whose systems are the testbed's.
LOCAL = "local"

#: How long events may take from their answer into the stream before the table is filled.
_SETTLE_S = 1.0

BY_HAND = "The check was ended by hand."


@dataclass(frozen=True, slots=True)
class Systems:
    """What is under load.

    Attributes:
        target: at the addresses that are used.
        pids: processes of the intake, when it is the testbed's.
        reconcile: judges a run against the testbed's table; None where the rows are elsewhere.
    """

    target: Target
    pids: tuple[int, ...]
    reconcile: Callable[[Path], Analysis] | None


def make_ready(testbed: Testbed, name: str, intake: str, confirm: str, observed: Sequence[Path]) -> Systems:
    """Return the systems of the target *name*; start the testbed's intake when it is meant.

    Args:
        testbed: that the target `local` means.
        name: of a target, or a path to one.
        intake: address of another intake, on a host that the target allows; may be empty.
        confirm: name of a production target, once more.
        observed: files of rows that landed, to look for events in where the table is not the testbed's.

    Raises:
        DogfoodError: the target does not allow that, or does not answer.
        KitFaultError: the testbed does not come up.
    """
    target = Target.read(name).confirmed(confirm)
    own = target.name == LOCAL and not intake
    pids: tuple[int, ...] = ()
    if own:
        testbed.up({}, ("intake",))
        state = next(state for state in testbed.status() if state.name == "intake")
        if state.port is None or state.pid is None:
            raise KitFaultError("the testbed runs but does not answer: `dogfood status` tells more")
        intake, pids = f"http://127.0.0.1:{state.port}/v1/events", (state.pid,)
    target = target.at(intake=intake or None)
    check_reachable(target.intake, target.egress())
    if own:
        return Systems(target, pids, lambda run: _reconciled(testbed, run))
    if observed:
        return Systems(target, pids, lambda run: _judged(run, tuple(observed)))
    return Systems(target, pids, None)


def search(
    settings: SearchSettings,
    objectives: Sequence[Objective],
    measure: Callable[[NextStep], Step],
    tell: Callable[[Sequence[Judged]], None],
    *,
    lost_matters: bool,
) -> CapacityReport:
    """Take steps until the search is over, somebody ends it, or the target's ceilings do.

    Args:
        settings: of the search.
        objectives: that have to be met.
        measure: takes a step.
        tell: called after each step with all so far.
        lost_matters: whether a PASS needs the events to have been looked for.

    Raises:
        DogfoodError: the first step could not be taken.
        KitFaultError: a step failed.
    """
    steps: list[Judged] = []
    interrupted = ""
    try:
        while (move := next_step(settings, steps)) is not None:
            steps.append(judge(measure(move), objectives))
            tell(steps)
    except KeyboardInterrupt:
        interrupted = BY_HAND
    except CeilingError as error:
        interrupted = str(error)
    return conclude(settings, objectives, steps, interrupted=interrupted, lost_matters=lost_matters)


def new_folder(runs: Path, kind: str) -> Path:
    """Make a folder for a check under *runs*, `<kind>-20260131-143000`, and return it. Raises DogfoodError."""
    stem = f"{kind}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    try:
        runs.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, 1000):
            folder = runs / (stem if attempt == 1 else f"{stem}-{attempt}")
            if not folder.exists():
                folder.mkdir()
                return folder
    except OSError as error:
        raise DogfoodError(f"cannot make a folder in {runs}: {error.strerror}") from error
    raise DogfoodError(f"there are too many checks called {stem} in {runs}")


def _reconciled(testbed: Testbed, run: Path) -> Analysis:
    time.sleep(_SETTLE_S)
    OWN_TABLE.fill(testbed)
    observe(testbed, run)
    return judge_run(run)


def _judged(run: Path, observed: tuple[Path, ...]) -> Analysis:
    time.sleep(_SETTLE_S)
    return judge_run(run, observed)
