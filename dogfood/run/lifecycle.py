"""The life of one run: start the testbed, register the experiment, send traffic, fill the table, judge."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
from rich.console import Console
from rich.text import Text

from analysis.analyse import Analysis
from analysis.unsendable import find_unsendable
from browser_scenarios.runner import BrowserRequest as BrowserRequest
from browser_scenarios.runner import choose, run_scenarios
from common.egress import LOOPBACK, Egress
from common.errors import DogfoodError, KitFaultError
from common.http import open_client
from common.urls import join_path, strip_path, with_query
from contracts.intake import check_reachable
from dogfood.locust import AccountProgress, EventProgress, LocustRequest, run_locust
from dogfood.run.judge import judge
from dogfood.run.platform_probe import probe_schemas_of_ledger
from dogfood.run.request import LOCAL, RunRequest
from dogfood.run.setup import PRODUCTION_TTL_S, accounts_file_of, accounts_of, set_up
from dogfood.run.table_rows import SETTLE_S, observe
from dogfood.terminal import show_finding
from dogfood.testbed_control.mpic_operator import TestbedOperator
from dogfood.testbed_control.wiki_warm_up import warm_wiki
from run_record.accounts import TestAccount
from run_record.end_reason import End
from run_record.load_report.machine_sampler import MachineSampler, load_now
from run_record.load_report.machine_usage import busy_warning
from run_record.load_report.report import FILE_NAME as LOAD
from run_record.load_report.report import LoadReport, record_analysis, record_machine
from run_record.manifest import Manifest
from run_record.roster import Fidelity
from run_record.target import Target
from run_record.target_budget import TargetBudget

#: Maximum concurrent sessions on the wiki: one per PHP worker, because more would only wait.
_MAX_WIKI_SESSIONS = 4

#: Seconds for which the testbed's wiki caches a response of MPIC.
_CONFIGS_TTL_S = 0.5


def run(request: RunRequest, console: Console) -> tuple[Path, Analysis | None]:
    """Make one run, from starting the testbed to the verdict.

    Returns:
        The run's folder and its analysis; None when the rows are not in the testbed's table and have to be fetched
        before the run can be judged.

    Raises:
        DogfoodError: the request cannot be carried out; nothing was sent.
        KitFaultError: the testbed or the generator failed.
    """
    choose(request.browser.scenarios)
    if warning := busy_warning(load_now()):
        console.print(f"warning: {warning}", style="yellow", soft_wrap=True)
    target, egress = _prepare_target(request, console)
    accounts = accounts_of(request, target)
    manifest, folder, events, rate = set_up(request, target, egress, accounts)
    if find_unsendable(folder):
        return folder, judge(folder)
    _announce(console, request, manifest, events)
    # One budget for all fidelities: they share the target's ceilings.
    with (
        TargetBudget.open(target, str(folder.resolve()), rate=rate),
        MachineSampler("dogfood", partial(_service_pids, request, target)) as watch,
    ):
        _send_traffic(request, target, egress, folder, accounts, events, console)
        _finish(folder)
        record_machine(folder, watch.usage())
    probe_schemas_of_ledger(target, egress, folder)
    if target.name != LOCAL or request.traffic.intake:
        return folder, None
    time.sleep(SETTLE_S)
    with console.status("filling the table and judging"), MachineSampler("analysis") as judging:
        request.table.fill(request.testbed)
        observe(request.testbed, folder, request.table)
        analysis = judge(folder)
        record_analysis(folder, judging.usage())
        return folder, analysis


def _send_traffic(
    request: RunRequest, target: Target, egress: Egress, folder: Path, accounts: tuple[TestAccount, ...],
    events: int, console: Console,
) -> None:  # fmt: skip
    """Send the events of each requested fidelity; stop early when the generator made the run INVALID."""
    complete = True
    if Fidelity.SYNTHETIC in request.fidelities:
        # The plan sets the arrivals (open loop), so the number of Locust users does not matter.
        options = ("--max-connections", str(request.max_connections), *_confirmed(request))
        locust = LocustRequest("ctr", folder, None, request.workers, options)
        progress = EventProgress(folder, min(events, request.traffic.batch))
        complete = run_locust(locust, "synthetic events", events, progress, console)
        if fault := _generator_fault(folder):
            rest = " and ".join(item for item in request.fidelities if item is not Fidelity.SYNTHETIC)
            skipped = f" (skipped, because they would not change the verdict: {rest})" if rest else ""
            console.print(f"the run is INVALID: {fault}{skipped}", style="magenta", soft_wrap=True)
            replace(Manifest.read(folder), stopped_early=True).write(folder)
            return
    if complete and request.on_wiki:
        with console.status("warming the wiki"):
            warm_wiki(target.wiki, egress, accounts[0] if accounts and target.name == LOCAL else None)
    if complete and Fidelity.WIKI in request.fidelities:
        options = ("--accounts", str(accounts_file_of(request)), *_confirmed(request))
        users = min(request.max_connections, _MAX_WIKI_SESSIONS)
        locust = LocustRequest("wiki", folder, users, request.workers, options)
        sessions = min(request.sessions, len(accounts))
        complete = run_locust(locust, "accounts on the wiki", sessions, AccountProgress(folder), console)
    if complete and Fidelity.BROWSER in request.fidelities:
        _browse(request, target, folder, accounts, console)


def _generator_fault(folder: Path) -> str:
    """Return why the generator made the run INVALID; empty when it did not."""
    load = LoadReport.read(folder) if (folder / LOAD).is_file() else None
    return load.invalid[0] if load is not None and load.invalid else ""


def _service_pids(request: RunRequest, target: Target) -> Mapping[str, Sequence[int]]:
    """Return the process ids of the testbed's services, if the run uses them."""
    return {"services": request.testbed.pids()} if target.name == LOCAL else {}


def _prepare_target(request: RunRequest, console: Console) -> tuple[Target, Egress]:
    """Return the target and its egress policy; start the services that are needed when it is the testbed."""
    target = Target.read(request.traffic.target).confirmed(request.traffic.confirm)
    if target.name == LOCAL:
        services = ("mpic", "intake", "wiki") if request.on_wiki else ("mpic", "intake")
        with console.status("starting the testbed"):
            request.testbed.up({}, services)
        addresses = {name: request.testbed.url(name) for name in services}
        if None in addresses.values():
            raise KitFaultError("the testbed runs but does not answer; see `dogfood status`")
        target = target.at(
            intake=f"{addresses['intake']}/v1/events", mpic=addresses["mpic"], wiki=addresses.get("wiki")
        )
    traffic = request.traffic
    target = target.at(intake=traffic.intake or None, mpic=traffic.mpic or None, wiki=traffic.wiki_url or None)
    if request.on_wiki and not target.wiki:
        raise DogfoodError(
            f"target {target.name!r} has no wiki to visit; add one to it, or leave wiki and browser out of --fidelity"
        )
    egress = target.egress()
    check_reachable(target.intake, egress)
    if target.name == LOCAL and not traffic.intake:
        _send_canaries(target)
    if target.name == LOCAL and request.on_wiki:
        request.testbed.configure_wiki(
            {
                "generation": str(traffic.generation),
                "configs_ttl_s": _CONFIGS_TTL_S,
                "intake": with_query(target.intake, hasty="true"),
                "mpic": target.mpic,
            }
        )
    return target, egress


def _send_canaries(target: Target) -> None:
    """Let the testbed's intake produce its canary events, which must not reach the table."""
    try:
        with open_client(LOOPBACK.tagged(target.tag)) as client:
            client.get(join_path(strip_path(target.intake, "/v1/events"), "v1/_test/events"))
    except httpx.HTTPError as error:
        raise KitFaultError(f"the testbed's intake does not produce canary events: {error}") from error


def _confirmed(request: RunRequest) -> tuple[str, ...]:
    """Return the option that lets Locust send to a production target."""
    return ("--confirm", request.traffic.confirm) if request.traffic.confirm else ()


def _announce(console: Console, request: RunRequest, manifest: Manifest, events: int) -> None:
    parts = {
        Fidelity.SYNTHETIC: f"{manifest.visitors:,} synthetic visitors with {events:,} events",
        Fidelity.WIKI: f"{request.sessions:,} accounts on the wiki",
        Fidelity.BROWSER: f"browsers ({', '.join(request.browser.scenarios) or 'all scenarios'})",
    }
    traffic = ", ".join(parts[fidelity] for fidelity in Fidelity if fidelity in request.fidelities)
    console.print(Text.assemble("run ", (manifest.run_id, "bold"), f": {traffic}, to {manifest.target['intake']}"))


def _browse(
    request: RunRequest, target: Target, folder: Path, accounts: tuple[TestAccount, ...], console: Console
) -> None:
    manifest = Manifest.read(folder)
    if manifest.started_ms is None:
        manifest.started(int(time.time() * 1000)).write(folder)
    if target.name == LOCAL:
        # The wiki must have fetched the experiment before the first visit.
        time.sleep(_CONFIGS_TTL_S + SETTLE_S)
    browser = request.browser
    console.print(f"browsers: {', '.join(scenario.name for scenario in choose(browser.scenarios))}")
    run_scenarios(
        BrowserRequest(
            run=folder, accounts=accounts, scenarios=browser.scenarios, users=browser.users,
            concurrency=browser.concurrency, headed=browser.headed, journeys=browser.journeys,
            operator=_operator(request, target),
            configs_ttl_s=_configs_ttl_s(request, target),
            tell=lambda finding: show_finding(console, finding),
        )
    )  # fmt: skip


def _operator(request: RunRequest, target: Target) -> TestbedOperator | None:
    """Return the operator that can break and repair MPIC; None when MPIC is not the testbed's."""
    own = target.name == LOCAL and target.mpic == request.testbed.url("mpic")
    return TestbedOperator(request.testbed, target.wiki) if own else None


def _configs_ttl_s(request: RunRequest, target: Target) -> float:
    """Return the seconds for which the wiki caches MPIC's response; real extensions use production's value."""
    own = target.wiki == request.testbed.url("wiki") and request.testbed.has_own_extension
    return _CONFIGS_TTL_S if own else PRODUCTION_TTL_S


def _finish(folder: Path) -> None:
    manifest = Manifest.read(folder)
    ended = manifest.ended or End.FINISHED
    manifest.finished(int(time.time() * 1000), stopped_early=manifest.stopped_early, ended=ended).write(folder)
