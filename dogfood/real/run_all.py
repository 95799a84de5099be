"""The sequence of `dogfood real`: doctor, one run per fidelity, scenarios, calibration."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console

from analysis.analyse import Analysis
from analysis.calibration import CalibrationError, calibrate
from analysis.verdict import Verdict
from common.errors import DogfoodError
from common.urls import join_path
from dogfood.doctor.accounts import examine_accounts
from dogfood.doctor.log_in import examine_log_in
from dogfood.doctor.systems import RunNeeds, examine_systems
from dogfood.real.result_table import Row, of_analysis, of_calibration, of_diagnoses, of_findings
from dogfood.run.judge import judge
from dogfood.run.lifecycle import run
from dogfood.run.request import LOCAL, BrowserOptions, RunRequest
from dogfood.testbed_control.seed import accounts_file
from dogfood.testbed_control.services import Testbed
from personas.example_experiment import EXPERIMENT
from run_record.roster import Fidelity
from run_record.scenario_findings import read_scenario_findings
from run_record.target import Target
from traffic.locust_run.options import TrafficOptions

#: Path of an intake.
_EVENTS = "/v1/events"

#: Seconds that an intake may take to write accepted events.
_SETTLE_S = 3.0


@dataclass(frozen=True, slots=True)
class RealParts:
    """The real parts, and the amount of traffic.

    Attributes:
        testbed: testbed with the wiki, and with the parts that are not real.
        runs: folder of the runs.
        traffic: options of the events; its intake is the real one, or empty.
        observed: file or folder that the real intake writes; None with the testbed's intake.
        fidelities: fidelities to make a run of.
        sessions: accounts that visit the wiki without a browser.
        browser: options of browsers.
    """

    testbed: Testbed
    runs: Path
    traffic: TrafficOptions
    observed: Path | None
    fidelities: tuple[Fidelity, ...]
    sessions: int
    browser: BrowserOptions


def run_all(parts: RealParts, console: Console) -> Iterator[Row]:
    """Yield the rows of the table as they are ready. A part that fails with an error becomes an INVALID row."""
    yield from _guarded("doctor", lambda: _examine(parts))
    for fidelity in parts.fidelities:
        yield from _guarded(str(fidelity), lambda: _run(parts, fidelity, console))  # noqa: B023 (called in this iteration)


def _guarded(part: str, rows: Callable[[], Iterator[Row]]) -> Iterator[Row]:
    try:
        yield from rows()
    except DogfoodError as error:
        yield Row(part, "", Verdict.INVALID, str(error))


def _examine(parts: RealParts) -> Iterator[Row]:
    traffic = parts.traffic
    addresses = {name: parts.testbed.url(name) for name in ("mpic", "intake", "wiki")}
    target = Target.read(traffic.target).at(
        intake=traffic.intake or f"{addresses['intake']}/v1/events",
        mpic=traffic.mpic or addresses["mpic"],
        wiki=traffic.wiki_url or addresses["wiki"],
    )
    experiment = traffic.experiment or EXPERIMENT
    needs = RunNeeds(
        traffic.generation,
        experiment,
        traffic.instrument or experiment,
        traffic.wiki,
        datetime.now(UTC),
        send_canary=True,
    )
    egress = target.egress(confirm=traffic.confirm)
    systems = examine_systems(target, needs, egress)
    accounts = examine_accounts(
        accounts_file(parts.testbed.wiki_dir), systems.experiment, traffic.wiki, "",
        lambda account: examine_log_in(account, target=target, egress=egress),
    )  # fmt: skip
    yield from of_diagnoses([*systems.diagnoses, *accounts])


def _run(parts: RealParts, fidelity: Fidelity, console: Console) -> Iterator[Row]:
    request = RunRequest(
        parts.runs, parts.testbed, parts.traffic, (fidelity,), sessions=parts.sessions, browser=parts.browser
    )
    folder, analysis = run(request, console)
    if analysis is None:
        analysis = _judge_observed(folder, parts.observed)
    if analysis is None:
        summary = "sent but not judged: the rows are not on this machine"
        yield Row(str(fidelity), "", Verdict.INCONCLUSIVE, summary, folder.name)
        return
    yield from of_analysis(str(fidelity), analysis, folder.name)
    if fidelity is Fidelity.BROWSER:
        yield from of_findings(read_scenario_findings(folder), folder.name)
        yield from _calibrate(folder)


def _judge_observed(folder: Path, observed: Path | None) -> Analysis | None:
    if observed is None:
        return None
    time.sleep(_SETTLE_S)
    return judge(folder, (observed,))


def _calibrate(folder: Path) -> Iterator[Row]:
    try:
        yield from of_calibration(calibrate(folder), folder.name)
    except CalibrationError as error:
        yield Row("calibrate", "", Verdict.INCONCLUSIVE, str(error), folder.name)


def with_intake(traffic: TrafficOptions, intake: str) -> TrafficOptions:
    """Return *traffic* sent to *intake*, whose address may lack the path; an empty one means the testbed's.

    Raises:
        DogfoodError: the target `local` does not allow its host.
    """
    if not intake:
        return traffic
    has_path = urlsplit(intake).path.rstrip("/").endswith(_EVENTS)
    address = intake if has_path else join_path(intake, _EVENTS)
    Target.read(LOCAL).at(intake=address).egress()
    return replace(traffic, intake=address)
