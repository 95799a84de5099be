"""Plays scenarios into a run that has been set up: recorder, browser, scenario after scenario, findings."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from playwright.async_api import Browser, async_playwright
from playwright.async_api import Error as PlaywrightError

from browser_scenarios.certificate import temporary_certificate
from browser_scenarios.chromium import BrowserError, start_browser
from browser_scenarios.recorder import Recorder
from browser_scenarios.scenario import Scenario
from browser_scenarios.scenarios import SCENARIOS
from browser_scenarios.stage import Casting, Stage
from browser_scenarios.world import Operator, World
from metrics_platform.addresses import under
from metrics_platform.errors import DogfoodError
from metrics_platform.streams import read_stream_configs
from personas.journeys import Journeys, resident_population
from personas.plan import Plan
from personas.settings import PlanSettings
from run_record.accounts import TestAccount
from run_record.findings import Finding, write_findings
from run_record.folder import LEDGER
from run_record.ledger import LedgerWriter
from run_record.manifest import Manifest
from run_record.page_views import PageViewWriter
from run_record.roster import Account, Fidelity, read_roster
from run_record.target import Target

#: Where screenshots, traces and console logs of failed steps are, in the run's folder.
EVIDENCE = "browser"

_WORKER = "browser"


class ScenarioError(DogfoodError):
    """There is no such scenario."""


@dataclass(frozen=True)
class Request:
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
    """

    run: Path
    accounts: Sequence[TestAccount]
    scenarios: Sequence[str]
    users: int
    concurrency: int
    headed: bool
    operator: Operator | None
    configs_ttl_s: float
    tell: Callable[[Finding], None]


def choose(names: Sequence[str]) -> list[Scenario]:
    """Return the scenarios called *names*, all of them when there are none. Raises ScenarioError."""
    if unknown := [name for name in names if name not in SCENARIOS]:
        raise ScenarioError(f"there is no scenario {unknown[0]!r}: {', '.join(SCENARIOS)}")
    return [scenario for name, scenario in SCENARIOS.items() if not names or name in names]


def play(request: Request) -> list[Finding]:
    """Play what is asked for and write the findings into the run; return them. Raises DogfoodError."""
    return asyncio.run(_play(request))


async def _play(request: Request) -> list[Finding]:
    manifest = Manifest.read(request.run)
    roster = [account for account in read_roster(request.run) if account.fidelity is Fidelity.BROWSER]
    visits = {account.user_id: account.visit for account in roster}
    # An event that names nobody, or nobody we know, is the anonymous reader's.
    nobody = visits[0]
    intake = urlsplit(manifest.target["intake"])
    findings: list[Finding] = []
    with (
        LedgerWriter(request.run / LEDGER, _WORKER) as ledger,
        PageViewWriter(request.run, _WORKER) as views,
        temporary_certificate(intake.hostname or "") if intake.scheme == "https" else nullcontext() as certificate,
    ):
        recorder = Recorder(
            ledger, f"{intake.scheme}://{intake.netloc}", lambda user_id: visits.get(user_id, nobody), certificate
        )
        recorder.start()
        try:
            world = await _world(request, manifest, roster, recorder, views)
            async with async_playwright() as playwright:
                browser = await start_browser(
                    playwright, intake=world.intake, recorder_port=recorder.port, hosts=_hosts(manifest),
                    trusted=certificate.fingerprint if certificate else "", tag=manifest.target.get("tag", ""),
                    headed=request.headed,
                )  # fmt: skip
                try:
                    findings = await _all(request, world, browser)
                finally:
                    await recorder.settle()
                    await browser.close()
        finally:
            recorder.close()
    if recorder.unreadable:
        told = f"{recorder.unreadable} beacons were no JSON"
        findings.append(Finding("all", "every beacon can be read", False, "instrument", told))
    write_findings(request.run, findings)
    return findings


def _hosts(manifest: Manifest) -> tuple[str, ...]:
    """Return the hosts that the run's target names. Raises TargetError."""
    return Target.read(manifest.target["source"]).hosts


async def _world(
    request: Request, manifest: Manifest, roster: Sequence[Account], recorder: Recorder, views: PageViewWriter
) -> World:
    plan = Plan(PlanSettings.from_json(manifest.plan))
    names = {account.name for account in roster}
    accounts = [account for account in request.accounts if account.name in names]
    visits = {account.user_id: account.visit for account in roster}
    wiki = manifest.target["wiki"]
    try:
        async with httpx.AsyncClient(timeout=10.0, trust_env=False) as client:
            answer = await client.get(under(wiki, "api.php"), params={"action": "streamconfigs", "format": "json"})
            streams = read_stream_configs(answer.json()).configs
    except (httpx.HTTPError, ValueError) as error:
        raise BrowserError(f"the wiki at {wiki} exports no stream configs ({error}): is it up?") from error
    size = max((account.subject for account in accounts), default=0) + 1
    return World(
        plan=plan, journeys=Journeys(plan, resident_population(size)), wiki=wiki, mpic=manifest.target["mpic"],
        intake=manifest.target["intake"], streams=streams, accounts=accounts,
        visit_of=lambda user_id: visits.get(user_id, visits[0]), recorder=recorder, views=views,
        operator=request.operator, configs_ttl_s=request.configs_ttl_s,
    )  # fmt: skip


async def _all(request: Request, world: World, browser: Browser) -> list[Finding]:
    casting = Casting(world)
    findings: list[Finding] = []
    for scenario in choose(request.scenarios):
        stage = Stage(
            scenario.name, world, browser, casting, request.run / EVIDENCE,
            users=request.users, concurrency=request.concurrency,
        )  # fmt: skip
        world.recorder.apart = scenario.apart
        try:
            await stage.play(scenario)
        except (PlaywrightError, DogfoodError, httpx.HTTPError, TimeoutError) as error:
            await stage.broke(error)
        await world.recorder.settle()
        world.recorder.apart = False
        for finding in stage.findings:
            request.tell(finding)
        findings += stage.findings
    return findings
