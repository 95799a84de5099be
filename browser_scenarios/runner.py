"""Plays scenarios into a run that has been set up: recorder, browser, scenario after scenario, findings."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import async_playwright

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

#: Where screenshots, traces and console logs of failed steps are, in the run's folder.
EVIDENCE = "browser"

_WORKER = "browser"

#: After so many scenarios that stalled, the others are not begun: the run is INVALID already.
_MOST_STALLED = 2

#: The wiki's first answer may take so long: its caches are cold.
_FIRST_ANSWER_S = 120.0


class ScenarioError(DogfoodError):
    """There is no such scenario."""


@dataclass(frozen=True)
class BrowserRequest:
    """What is to be played.

    Attributes:
        run: folder of the run, with manifest and roster.
        accounts: test accounts that sessions may use; those on the roster count.
        scenarios: names, all when empty.
        users: how many users, where a scenario leaves that open.
        concurrency: how many sessions at once.
        headed: show the browser's window.
        operator: of the testbed, if there is one.
        configs_ttl_s: how long the wiki uses an answer of MPIC.
        tell: called with each finding, as it comes.
        page_within_s: how long a page may take; then it is asked for once more.
        journeys: how many times a user reads its pages in one session, where a scenario leaves that open.
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
    """Return the scenarios called *names*, all of them when there are none. Raises ScenarioError."""
    if unknown := [name for name in names if name not in SCENARIOS]:
        raise ScenarioError(f"there is no scenario {unknown[0]!r}: {', '.join(SCENARIOS)}")
    return [scenario for name, scenario in SCENARIOS.items() if not names or name in names]


def run_scenarios(request: BrowserRequest) -> list[ScenarioFinding]:
    """Play what is asked for and write the findings into the run; return them. Raises DogfoodError."""
    return asyncio.run(_play(request))


async def _play(request: BrowserRequest) -> list[ScenarioFinding]:
    manifest = Manifest.read(request.run)
    roster = [account for account in read_roster(request.run) if account.fidelity is Fidelity.BROWSER]
    visits = {account.user_id: account.visit for account in roster}
    # An event that names nobody, or nobody we know, is the anonymous reader's.
    nobody = visits[0]
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
            ledger, f"{intake.scheme}://{intake.netloc}", lambda user_id: visits.get(user_id, nobody), certificate,
            egress=egress, governor=budget.rate_limiter(),
        )  # fmt: skip
        recorder.start()
        try:
            world = await _world(request, manifest, egress, roster, recorder, views)
            async with async_playwright() as playwright:
                start = partial(
                    start_browser,
                    playwright, intake=world.intake, recorder_port=recorder.port, egress=egress,
                    reached=_reached(egress, manifest), trusted=certificate.fingerprint if certificate else "",
                    headed=request.headed,
                )  # fmt: skip
                find_browser(playwright.chromium.executable_path, headed=request.headed)
                browser = RunningBrowser(start, world)
                try:
                    findings = await _all(request, world, browser)
                finally:
                    with suppress(PlaywrightError, TimeoutError):
                        await recorder.settle()
                    _note_given_up(world)
                    with suppress(PlaywrightError):
                        await browser.close()
        finally:
            recorder.close()
    if recorder.unreadable:
        told = f"{recorder.unreadable} beacons were no JSON"
        findings.append(ScenarioFinding("all", "every beacon can be read", False, "instrument", told))
    if recorder.held_back:
        told = f"{recorder.held_back} events were not sent: the target's ceiling was reached"
        findings.append(ScenarioFinding("all", "every event may be sent", False, "generator", told))
    write_scenario_findings(request.run, findings)
    return findings


def _reached(egress: Egress, manifest: Manifest) -> dict[str, str]:
    """Return the address that answers for each host that the run's systems are on."""
    urls = [url for name in ("wiki", "mpic", "intake") if (url := manifest.target.get(name))]
    return {str(urlsplit(url).hostname): egress.answering(url) for url in urls}


async def _world(
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
        raise KitFaultError(f"the wiki at {wiki} does not answer ({type(error).__name__}): is it up?") from error
    except (httpx.HTTPError, ValueError) as error:
        raise BrowserError(f"the wiki at {wiki} exports no stream configs ({error}): is it up?") from error
    size = max((account.subject for account in accounts), default=0) + 1
    return Environment(
        plan=plan, journeys=Journeys(plan, enrolled_population(size)), wiki=wiki, mpic=manifest.target["mpic"],
        egress=egress,
        intake=manifest.target["intake"], streams=streams, accounts=accounts,
        visit_of=lambda user_id: visits.get(user_id, visits[0]), recorder=recorder, views=views,
        operator=request.operator, configs_ttl_s=request.configs_ttl_s, page_within_s=request.page_within_s,
    )  # fmt: skip


async def _all(request: BrowserRequest, world: Environment, browser: RunningBrowser) -> list[ScenarioFinding]:
    casting = AccountPool(world)
    findings: list[ScenarioFinding] = []
    stalled: list[str] = []
    for scenario in choose(request.scenarios):
        if len(stalled) >= _MOST_STALLED:
            told = f"not played, for {' and '.join(stalled)} could not go on"
            found = [ScenarioFinding(scenario.name, "play to the end", False, "generator", told)]
        else:
            unused = casting.snapshot()
            stage = await _played(request, world, browser, casting, scenario)
            found = stage.findings
            if stage.may_be_replayed:
                casting = unused
                stage = await _played(request, world, browser, casting, scenario)
                # What the platform answered wrongly the first time stays a finding.
                found = [item for item in found if not item.ok and item.layer != "generator"] + stage.findings
            if stage.stalled:
                stalled.append(scenario.name)
        for finding in found:
            request.tell(finding)
        findings += found
    return findings


async def _played(
    request: BrowserRequest, world: Environment, browser: RunningBrowser, casting: AccountPool, scenario: Scenario
) -> ScenarioContext:
    """Play *scenario* and return its stage."""
    stage = ScenarioContext(
        scenario.name, world, browser.get, casting, request.run / EVIDENCE,
        users=request.users, concurrency=request.concurrency, journeys=request.journeys,
    )  # fmt: skip
    world.recorder.apart = scenario.apart
    try:
        await stage.play(scenario)
        await world.recorder.settle()
    except (PlaywrightError, DogfoodError, httpx.HTTPError, TimeoutError) as error:
        await stage.broke(error)
    world.recorder.apart = False
    return stage


def _note_given_up(world: Environment) -> None:
    """Write down the page views whose events were recorded, but which the kit did not get to the end of."""
    for recorded in world.recorder.events():
        performer = recorded.event.get("performer")
        user_id = performer.get("id", 0) if isinstance(performer, Mapping) else 0
        user_id = user_id if isinstance(user_id, int) else 0
        if user_id in world.given_up and recorded.pageview_id not in world.noted:
            world.noted.add(recorded.pageview_id)
            world.views.write(
                PageView(
                    visit=world.visit_of(user_id), fidelity=Fidelity.BROWSER, scenario="", title="",
                    pageview_id=recorded.pageview_id, at_ms=recorded.at_ms, given_up=world.given_up[user_id],
                )
            )  # fmt: skip
