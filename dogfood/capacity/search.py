"""A capacity check: prepare the systems, search for the highest rate, reconcile its runs."""

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
from dogfood.run.judge import judge as judge_run
from dogfood.run.request import LOCAL
from dogfood.run.table_rows import SETTLE_S, observe
from dogfood.testbed_control.services import Testbed
from dogfood.testbed_control.table import OWN_TABLE
from run_record.target import Target

INTERRUPTED = "The check was interrupted."


@dataclass(frozen=True, slots=True)
class Systems:
    """Systems under load.

    Attributes:
        target: target, at the addresses in use.
        pids: processes of the testbed's intake; empty for another intake.
        reconcile: judges a run against its rows; None where they cannot be read.
    """

    target: Target
    pids: tuple[int, ...]
    reconcile: Callable[[Path], Analysis] | None


def prepare_systems(testbed: Testbed, name: str, intake: str, confirm: str, observed: Sequence[Path]) -> Systems:
    """Return the systems of the target *name*; start the testbed's intake when the target is the testbed.

    Args:
        testbed: testbed that the target `local` means.
        name: name of a target, or a path to one.
        intake: address of another intake, on a host that the target allows; may be empty.
        confirm: name of the target again, required for production.
        observed: files of rows, where the table is not the testbed's.

    Raises:
        DogfoodError: the target does not allow it, or does not answer.
        KitFaultError: the testbed does not start.
    """
    target = Target.read(name).confirmed(confirm)
    own = target.name == LOCAL and not intake
    pids: tuple[int, ...] = ()
    if own:
        testbed.up({}, ("intake",))
        state = next(state for state in testbed.status() if state.name == "intake")
        if state.port is None or state.pid is None:
            raise KitFaultError("the testbed runs but does not answer; see `dogfood status`")
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
    on_step: Callable[[Sequence[Judged]], None],
    *,
    lost_matters: bool,
) -> CapacityReport:
    """Take steps until the search ends, the user interrupts it, or a ceiling of the target is reached.

    Args:
        settings: settings of the search.
        objectives: objectives that have to hold.
        measure: takes a step.
        on_step: called after each step, with all steps so far.
        lost_matters: whether a PASS requires a count of lost events.

    Raises:
        DogfoodError: the first step failed.
        KitFaultError: a step failed.
    """
    steps: list[Judged] = []
    interrupted = ""
    try:
        while (following := next_step(settings, steps)) is not None:
            steps.append(judge(measure(following), objectives))
            on_step(steps)
    except KeyboardInterrupt:
        interrupted = INTERRUPTED
    except CeilingError as error:
        interrupted = str(error)
    return conclude(settings, objectives, steps, interrupted=interrupted, lost_matters=lost_matters)


def new_folder(runs: Path, kind: str) -> Path:
    """Create and return a folder for a check under *runs*, `<kind>-20260131-143000`. Raises DogfoodError."""
    stem = f"{kind}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    try:
        runs.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, 1000):
            folder = runs / (stem if attempt == 1 else f"{stem}-{attempt}")
            if not folder.exists():
                folder.mkdir()
                return folder
    except OSError as error:
        raise DogfoodError(f"cannot create a folder in {runs}: {error.strerror}") from error
    raise DogfoodError(f"{runs} has too many checks named {stem}; name another folder with --runs")


def _reconciled(testbed: Testbed, run: Path) -> Analysis:
    time.sleep(SETTLE_S)
    OWN_TABLE.fill(testbed)
    observe(testbed, run)
    return judge_run(run)


def _judged(run: Path, observed: tuple[Path, ...]) -> Analysis:
    time.sleep(SETTLE_S)
    return judge_run(run, observed)
