"""Plays scenarios of a prepared run: starts recorder and browser, plays each scenario, writes the findings."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import async_playwright

from browser_scenarios.beacons import local_user_id
from browser_scenarios.browser_process import RunningBrowser
from browser_scenarios.certificate import temporary_certificate
from browser_scenarios.chromium import BrowserError, find_browser, start_browser
from browser_scenarios.context import AccountPool, ScenarioContext
from browser_scenarios.environment import PAGE_WITHIN_S, Environment, Operator
from browser_scenarios.recorder import Recorder
from browser_scenarios.scenario import Scenario
from browser_scenarios.scenarios import SCENARIOS
from common.egress import Egress
from common.errors import DogfoodError, KitFaultError
from common.http import open_async_client
from common.urls import join_path
from contracts.streams import read_stream_configs
from personas.journeys import Journeys, enrolled_population
from personas.plan.plan import Plan
from personas.plan.settings import PlanSettings
from run_record.accounts import TestAccount
from run_record.ledger.files import LedgerWriter
from run_record.manifest import Manifest
from run_record.page_views import PageView, PageViewWriter
from run_record.resolved_addresses import pinned
from run_record.roster import Account, Fidelity, read_roster
from run_record.run_folder import LEDGER
from run_record.scenario_findings import ScenarioFinding, write_scenario_findings
from run_record.target import Target
from run_record.target_budget import TargetBudget

#: Subfolder of the run for screenshots, traces and console logs of failed steps.
EVIDENCE = "browser"

_WORKER = "browser"

#: Number of stalled scenarios after which the others are not started: the run is already INVALID.
_MAX_STALLED = 2

#: Time limit of the wiki's first response in seconds; its caches are cold.
_FIRST_ANSWER_S = 120.0


class ScenarioError(DogfoodError):
    """No scenario has that name."""


@dataclass(frozen=True)
class BrowserRequest:
    """Parameters of a browser run.

    Attributes:
        run: folder of the run, with manifest and roster.
        accounts: test accounts; sessions use those on the roster.
        scenarios: names of scenarios, all when empty.
        users: number of users, where a scenario leaves it open.
        concurrency: maximum concurrent sessions.
        headed: show the browser's window.
        operator: operator of the testbed, None for other targets.
        configs_ttl_s: seconds for which the wiki caches a response of MPIC.
        tell: callback for each new finding.
        page_within_s: seconds after which a page is requested once more.
        journeys: repetitions of each user's journey in one session, where a scenario leaves it open.
    """

    run: Path
    accounts: Sequence[TestAccount]
    scenarios: Sequence[str]
    users: int
    concurrency: int
    headed: bool
    operator: Operator | None
    configs_ttl_s: float
    tell: Callable[[ScenarioFinding], None]
    page_within_s: float = PAGE_WITHIN_S
    journeys: int = 1


def choose(names: Sequence[str]) -> list[Scenario]:
    """Return the scenarios *names*, or all when *names* is empty. Raises ScenarioError."""
    if unknown := [name for name in names if name not in SCENARIOS]:
        raise ScenarioError(f"there is no scenario {unknown[0]!r}; choose among {', '.join(SCENARIOS)}")
    return [scenario for name, scenario in SCENARIOS.items() if not names or name in names]


def run_scenarios(request: BrowserRequest) -> list[ScenarioFinding]:
    """Play the requested scenarios, write the findings into the run, and return them. Raises DogfoodError."""
    return asyncio.run(_play(request))


async def _play(request: BrowserRequest) -> list[ScenarioFinding]:
    manifest = Manifest.read(request.run)
    roster = [account for account in read_roster(request.run) if account.fidelity is Fidelity.BROWSER]
    visits = {account.user_id: account.visit for account in roster}
    # Events without a known user belong to the anonymous visit.
    anonymous_visit = visits[0]
    intake = urlsplit(manifest.target["intake"])
    findings: list[ScenarioFinding] = []
    target = Target.read(manifest.target["source"]).at(intake=manifest.target["intake"])
    egress = pinned(request.run, target)
    with (
        TargetBudget.open(target, str(request.run.resolve())) as budget,
        LedgerWriter(request.run / LEDGER, _WORKER) as ledger,
        PageViewWriter(request.run, _WORKER) as views,
        temporary_certificate(intake.hostname or "") if intake.scheme == "https" else nullcontext() as certificate,
    ):
        recorder = Recorder(
            ledger, f"{intake.scheme}://{intake.netloc}", lambda user_id: visits.get(user_id, anonymous_visit),
            certificate, egress=egress, rate_limiter=budget.rate_limiter(),
        )  # fmt: skip
        recorder.start()
        try:
            environment = await _environment(request, manifest, egress, roster, recorder, views)
            async with async_playwright() as playwright:
                start = partial(
                    start_browser,
                    playwright, intake=environment.intake, recorder_port=recorder.port, egress=egress,
                    reached=_reached(egress, manifest), trusted=certificate.fingerprint if certificate else "",
                    headed=request.headed,
                )  # fmt: skip
                find_browser(playwright.chromium.executable_path, headed=request.headed)
                browser = RunningBrowser(start, environment)
                try:
                    findings = await _play_all(request, environment, browser)
                finally:
                    with suppress(PlaywrightError, TimeoutError):
                        await recorder.settle()
                    _record_given_up(environment)
                    with suppress(PlaywrightError):
                        await browser.close()
        finally:
            recorder.close()
    if recorder.unreadable:
        detail = f"{recorder.unreadable} beacons cannot be parsed"
        findings.append(ScenarioFinding("all", "every beacon can be read", False, "instrument", detail))
    if recorder.held_back:
        detail = f"{recorder.held_back} events were not sent: the target's ceiling was reached"
        findings.append(ScenarioFinding("all", "every event may be sent", False, "generator", detail))
    write_scenario_findings(request.run, findings)
    return findings


def _reached(egress: Egress, manifest: Manifest) -> dict[str, str]:
    """Return the responding address of each host of the run's systems."""
    urls = [url for name in ("wiki", "mpic", "intake") if (url := manifest.target.get(name))]
    return {str(urlsplit(url).hostname): egress.answering(url) for url in urls}


async def _environment(
    request: BrowserRequest, manifest: Manifest, egress: Egress, roster: Sequence[Account], recorder: Recorder,
    views: PageViewWriter,
) -> Environment:  # fmt: skip
    plan = Plan(PlanSettings.from_json(manifest.plan))
    names = {account.name for account in roster}
    accounts = [account for account in request.accounts if account.name in names]
    visits = {account.user_id: account.visit for account in roster}
    wiki = manifest.target["wiki"]
    try:
        async with open_async_client(egress, timeout_s=_FIRST_ANSWER_S) as client:
            answer = await client.get(join_path(wiki, "api.php"), params={"action": "streamconfigs", "format": "json"})
            streams = read_stream_configs(answer.json()).configs
    except httpx.TransportError as error:
        raise KitFaultError(f"the wiki at {wiki} does not respond ({type(error).__name__}): is it running?") from error
    except (httpx.HTTPError, ValueError) as error:
        raise BrowserError(f"the wiki at {wiki} exports no stream configs ({error}): is it running?") from error
    size = max((account.subject for account in accounts), default=0) + 1
    return Environment(
        plan=plan, journeys=Journeys(plan, enrolled_population(size)), wiki=wiki, mpic=manifest.target["mpic"],
        egress=egress,
        intake=manifest.target["intake"], streams=streams, accounts=accounts,
        visit_of=lambda user_id: visits.get(user_id, visits[0]), recorder=recorder, views=views,
        operator=request.operator, configs_ttl_s=request.configs_ttl_s, page_within_s=request.page_within_s,
    )  # fmt: skip


async def _play_all(
    request: BrowserRequest, environment: Environment, browser: RunningBrowser
) -> list[ScenarioFinding]:
    account_pool = AccountPool(environment)
    findings: list[ScenarioFinding] = []
    stalled: list[str] = []
    for scenario in choose(request.scenarios):
        if len(stalled) >= _MAX_STALLED:
            detail = f"not played, because {' and '.join(stalled)} could not go on"
            new_findings = [ScenarioFinding(scenario.name, "play to the end", False, "generator", detail)]
        else:
            unused = account_pool.snapshot()
            context = await _play_scenario(request, environment, browser, account_pool, scenario)
            new_findings = context.findings
            if context.may_be_repeated:
                account_pool = unused
                context = await _play_scenario(request, environment, browser, account_pool, scenario)
                # Failures of the platform in the first attempt remain findings.
                new_findings = [
                    item for item in new_findings if not item.ok and item.layer != "generator"
                ] + context.findings
            if context.stalled:
                stalled.append(scenario.name)
        for finding in new_findings:
            request.tell(finding)
        findings += new_findings
    return findings


async def _play_scenario(
    request: BrowserRequest,
    environment: Environment,
    browser: RunningBrowser,
    account_pool: AccountPool,
    scenario: Scenario,
) -> ScenarioContext:
    """Play *scenario* and return its context."""
    context = ScenarioContext(
        scenario.name, environment, browser.get, account_pool, request.run / EVIDENCE,
        users=request.users, concurrency=request.concurrency, journeys=request.journeys,
    )  # fmt: skip
    environment.recorder.isolated = scenario.isolated
    try:
        await context.play(scenario)
        await environment.recorder.settle()
    except (PlaywrightError, DogfoodError, httpx.HTTPError, TimeoutError) as error:
        await context.record_failure(error)
    environment.recorder.isolated = False
    return context


def _record_given_up(environment: Environment) -> None:
    """Write the page views that sent events, but that the kit could not finish."""
    for recorded in environment.recorder.events():
        user_id = local_user_id(recorded.event)
        if user_id in environment.given_up and recorded.pageview_id not in environment.recorded_views:
            environment.recorded_views.add(recorded.pageview_id)
            environment.views.write(
                PageView(
                    visit=environment.visit_of(user_id), fidelity=Fidelity.BROWSER, scenario="", title="",
                    pageview_id=recorded.pageview_id, at_ms=recorded.at_ms, given_up=environment.given_up[user_id],
                )
            )  # fmt: skip
