"""Asks the real parts everything: the doctor, a run of each fidelity, every scenario, and the calibration."""

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
from common.urls import under
from dogfood.doctor.accounts import examine_accounts
from dogfood.doctor.log_in import examine_log_in
from dogfood.doctor.systems import Probe, examine_systems
from dogfood.judge import judge
from dogfood.real.result_table import Row, of_analysis, of_calibration, of_diagnoses, of_findings
from dogfood.run import run
from dogfood.run_request import LOCAL, BrowserOptions, RunRequest
from dogfood.testbed_control.seed import accounts_file
from dogfood.testbed_control.services import Testbed
from personas.example_experiment import EXPERIMENT
from run_record.roster import Fidelity
from run_record.scenario_findings import read_scenario_findings
from run_record.target import Target
from traffic.locust_run.options import TrafficOptions

#: Path of an intake that takes events.
_EVENTS = "/v1/events"

#: How long an intake may take to write what it has answered.
_WRITTEN_WITHIN_S = 3.0


@dataclass(frozen=True, slots=True)
class RealParts:
    """What is real, and how much is asked of it.

    Attributes:
        testbed: with the wiki, and with whatever is not real.
        runs: folder of the runs.
        traffic: what decides the events; its intake is the real one, or empty.
        observed: file or folder that the real intake's events end up in; None with the testbed's own intake.
        fidelities: those of which a run is made.
        sessions: accounts that visit the wiki without a browser.
        browser: how browsers are used.
    """

    testbed: Testbed
    runs: Path
    traffic: TrafficOptions
    observed: Path | None
    fidelities: tuple[Fidelity, ...]
    sessions: int
    browser: BrowserOptions


def ask(parts: RealParts, console: Console) -> Iterator[Row]:
    """Yield the rows of the table as they come. What cannot be done becomes a row that is INVALID."""
    yield from _guarded("doctor", lambda: _examine(parts))
    for fidelity in parts.fidelities:
        yield from _guarded(str(fidelity), lambda: _run(parts, fidelity, console))  # noqa: B023 (called at once)


def _guarded(part: str, rows: Callable[[], Iterator[Row]]) -> Iterator[Row]:
    try:
        yield from rows()
    except DogfoodError as error:
        yield Row(part, "", Verdict.INVALID, str(error))


def _examine(parts: RealParts) -> Iterator[Row]:
    asked = parts.traffic
    addresses = {name: parts.testbed.url(name) for name in ("mpic", "intake", "wiki")}
    target = Target.read(asked.target).at(
        intake=asked.intake or f"{addresses['intake']}/v1/events",
        mpic=asked.mpic or addresses["mpic"],
        wiki=asked.wiki_url or addresses["wiki"],
    )
    experiment = asked.experiment or EXPERIMENT
    question = Probe(
        asked.generation, experiment, asked.instrument or experiment, asked.wiki, datetime.now(UTC), probe=True
    )
    egress = target.egress(confirm=asked.confirm)
    systems = examine_systems(target, question, egress)
    accounts = examine_accounts(
        accounts_file(parts.testbed.wiki_dir), systems.experiment, asked.wiki, "",
        lambda account: examine_log_in(account, target=target, egress=egress),
    )  # fmt: skip
    yield from of_diagnoses([*systems.diagnoses, *accounts])


def _run(parts: RealParts, fidelity: Fidelity, console: Console) -> Iterator[Row]:
    request = RunRequest(
        parts.runs, parts.testbed, parts.traffic, (fidelity,), sessions=parts.sessions, browser=parts.browser
    )
    where, analysis = run(request, console)
    if analysis is None:
        analysis = _judge_later(where, parts.observed)
    if analysis is None:
        told = "sent; the rows are not here, so nothing was judged"
        yield Row(str(fidelity), "", Verdict.INCONCLUSIVE, told, where.name)
        return
    yield from of_analysis(str(fidelity), analysis, where.name)
    if fidelity is Fidelity.BROWSER:
        yield from of_findings(read_scenario_findings(where), where.name)
        yield from _calibrate(where)


def _judge_later(where: Path, observed: Path | None) -> Analysis | None:
    if observed is None:
        return None
    time.sleep(_WRITTEN_WITHIN_S)
    return judge(where, (observed,))


def _calibrate(where: Path) -> Iterator[Row]:
    try:
        yield from of_calibration(calibrate(where), where.name)
    except CalibrationError as error:
        yield Row("calibrate", "", Verdict.INCONCLUSIVE, str(error), where.name)


def with_intake(traffic: TrafficOptions, intake: str) -> TrafficOptions:
    """Return *traffic* that goes to *intake*, whose address may lack the path; the testbed's own when it is empty.

    Raises:
        DogfoodError: the target `local` does not allow its host.
    """
    if not intake:
        return traffic
    has_path = urlsplit(intake).path.rstrip("/").endswith(_EVENTS)
    address = intake if has_path else under(intake, _EVENTS)
    Target.read(LOCAL).at(intake=address).egress()
    return replace(traffic, intake=address)
