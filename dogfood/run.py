"""The life of one run: testbed up, experiment configured, traffic, ingestion, verdict."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
from rich.console import Console
from rich.text import Text

from analysis.analyse import Analysis
from analysis.summaries.loss_location import STREAMS
from analysis.unsendable import unplayable
from browser_scenarios.runner import BrowserRequest as BrowserRequest
from browser_scenarios.runner import choose, run_scenarios
from common.egress import LOOPBACK, Egress
from common.errors import DogfoodError, KitFaultError
from common.http import open_client
from common.urls import under, with_query, without_path
from contracts.intake import check_reachable
from dogfood.judge import judge
from dogfood.locust import FirstOutcome, LocustRequest, RunStarted, run_locust
from dogfood.platform_probe import ask_schemas_of_ledger
from dogfood.run_request import LOCAL, RunRequest
from dogfood.run_setup import PRODUCTION_TTL_S, accounts_file_of, accounts_of, set_up
from dogfood.terminal import tell_finding
from dogfood.testbed_control.modules import run_module
from dogfood.testbed_control.mpic_operator import TestbedOperator
from dogfood.testbed_control.services import Testbed
from dogfood.testbed_control.table import OWN_TABLE, TableChoice
from dogfood.testbed_control.wiki_warm_up import warm_wiki
from run_record.accounts import TestAccount
from run_record.end_reason import End
from run_record.load_report.machine_sampler import MachineWatch, load_now
from run_record.load_report.machine_usage import busy_warning
from run_record.load_report.report import FILE_NAME as LOAD
from run_record.load_report.report import LoadReport, record_analysis, record_machine
from run_record.manifest import Manifest
from run_record.roster import Fidelity
from run_record.run_folder import OBSERVED
from run_record.target import Target
from run_record.target_budget import TargetBudget

#: Rows are read from the span of the traffic and this much around it.
_MARGIN_MS = 60_000

#: How long hasty events may take from their answer into the stream before the table is filled.
_SETTLE_S = 1.0

#: Sessions on the wiki at once: as many as it has workers; more would only wait.
_READERS = 4

#: How long the testbed's wiki uses an answer of MPIC, in seconds.
_CONFIGS_TTL_S = 0.5


def run(request: RunRequest, console: Console) -> tuple[Path, Analysis | None]:
    """Make one run from beginning to end.

    Returns:
        The run's folder, and the analysis; None when the rows are not in the testbed's table, so that they have to be
        fetched before the run can be judged.

    Raises:
        DogfoodError: what was asked for cannot be done; nothing was sent.
        KitFaultError: the testbed or the generator failed.
    """
    choose(request.browser.scenarios)
    if warning := busy_warning(load_now()):
        console.print(f"warning: {warning}", style="yellow", soft_wrap=True)
    target, egress = _ready(request, console)
    accounts = accounts_of(request, target)
    manifest, folder, events, rate = set_up(request, target, egress, accounts)
    if unplayable(folder):
        return folder, judge(folder)
    _tell(console, request, manifest, events)
    # The budget is held over all fidelities: they share the target's ceilings.
    with (
        TargetBudget.open(target, str(folder.resolve()), rate=rate),
        MachineWatch("dogfood", partial(_service_pids, request, target)) as watch,
    ):
        _make_traffic(request, target, egress, folder, accounts, events, console)
        _finish(folder)
        record_machine(folder, watch.seen())
    ask_schemas_of_ledger(target, egress, folder)
    if target.name != LOCAL or request.traffic.intake:
        return folder, None
    time.sleep(_SETTLE_S)
    with console.status("filling the table and judging"), MachineWatch("analysis") as judging:
        request.table.fill(request.testbed)
        observe(request.testbed, folder, request.table)
        analysis = judge(folder)
        record_analysis(folder, judging.seen())
        return folder, analysis


def _make_traffic(
    request: RunRequest, target: Target, egress: Egress, folder: Path, accounts: tuple[TestAccount, ...],
    events: int, console: Console,
) -> None:  # fmt: skip
    """Let each fidelity that was asked for make its events; end when the generator has spoilt the run."""
    goes_on = True
    if Fidelity.SYNTHETIC in request.fidelities:
        # Arrivals are the plan's affair: nobody waits for a Locust user.
        most = ("--connections", str(request.users), *_confirmed(request))
        locust = LocustRequest("ctr", folder, None, request.workers, most)
        count = RunStarted(folder, min(events, request.traffic.batch))
        goes_on = run_locust(locust, "synthetic events", events, count, console)
        if spoilt := _spoilt(folder):
            rest = " and ".join(item for item in request.fidelities if item is not Fidelity.SYNTHETIC)
            left_out = f" (left out, as that would not change: {rest})" if rest else ""
            console.print(f"the run is INVALID: {spoilt}{left_out}", style="magenta", soft_wrap=True)
            replace(Manifest.read(folder), stopped_early=True).write(folder)
            return
    if goes_on and request.on_wiki:
        with console.status("warming the wiki"):
            warm_wiki(target.wiki, egress, accounts[0] if accounts and target.name == LOCAL else None)
    if goes_on and Fidelity.WIKI in request.fidelities:
        file = ("--accounts", str(accounts_file_of(request)), *_confirmed(request))
        locust = LocustRequest("wiki", folder, min(request.users, _READERS), request.workers, file)
        sessions = min(request.sessions, len(accounts))
        goes_on = run_locust(locust, "accounts on the wiki", sessions, FirstOutcome(folder), console)
    if goes_on and Fidelity.BROWSER in request.fidelities:
        _browse(request, target, folder, accounts, console)


def _spoilt(folder: Path) -> str:
    """Return why the generator's part of the run proves nothing; empty when it does."""
    load = LoadReport.read(folder) if (folder / LOAD).is_file() else None
    return load.invalid[0] if load is not None and load.invalid else ""


def _service_pids(request: RunRequest, target: Target) -> Mapping[str, Sequence[int]]:
    """Return the process ids of the testbed's services, when the run uses them."""
    return {"services": request.testbed.pids()} if target.name == LOCAL else {}


def ingest_run(testbed: Testbed, folder: Path) -> None:
    """Fill the testbed's table and copy what landed of the run in *folder* into it.

    Raises:
        DogfoodError: the run went elsewhere, or the testbed does not run.
        KitFaultError: filling or reading the table failed.
    """
    intake, own = Manifest.read(folder).target["intake"], testbed.url("intake")
    if own is None:
        raise DogfoodError(
            f"the testbed in {testbed.folder} does not run: start it with `dogfood up`, or give --observed"
        )
    if intake != f"{own}/v1/events":
        raise DogfoodError(
            f"the run's events went to {intake}, not to the testbed in {testbed.folder}: give --observed"
        )
    time.sleep(_SETTLE_S)
    OWN_TABLE.fill(testbed)
    observe(testbed, folder)


def observe(testbed: Testbed, folder: Path, table: TableChoice = OWN_TABLE) -> None:
    """Copy what landed during the run in *folder* into it. Raises KitFaultError."""
    manifest = Manifest.read(folder)
    since = (manifest.started_ms or 0) - _MARGIN_MS
    until = (manifest.finished_ms or int(time.time() * 1000)) + _MARGIN_MS
    where = (*testbed.stream_arguments(), "--table-dir", str(table.folder(testbed)))
    span = ("--from-ms", str(since), "--until-ms", str(until))
    to: tuple[str, ...] = ("--to", str(folder / OBSERVED))
    if not testbed.stream.bootstrap:
        # A Kafka of others may have more than anybody would want to read.
        to += ("--streams", str(folder / STREAMS))
    run_module("reading the table", "testbed.table.table_export", *where, *span, *to)


def _ready(request: RunRequest, console: Console) -> tuple[Target, Egress]:
    """Return the target and the policy for it; start what is needed of the testbed when the target is the testbed."""
    target = Target.read(request.traffic.target).confirmed(request.traffic.confirm)
    if target.name == LOCAL:
        services = ("mpic", "intake", "wiki") if request.on_wiki else ("mpic", "intake")
        with console.status("starting the testbed"):
            request.testbed.up({}, services)
        addresses = {name: request.testbed.url(name) for name in services}
        if None in addresses.values():
            raise KitFaultError("the testbed runs but does not answer: `dogfood status` tells more")
        target = target.at(
            intake=f"{addresses['intake']}/v1/events", mpic=addresses["mpic"], wiki=addresses.get("wiki")
        )
    asked = request.traffic
    target = target.at(intake=asked.intake or None, mpic=asked.mpic or None, wiki=asked.wiki_url or None)
    if request.on_wiki and not target.wiki:
        raise DogfoodError(
            f"target {target.name!r} names no wiki to visit: add one to it, or leave out wiki and browser"
        )
    egress = target.egress()
    check_reachable(target.intake, egress)
    if target.name == LOCAL and not asked.intake:
        _send_canaries(target)
    if target.name == LOCAL and request.on_wiki:
        request.testbed.configure_wiki(
            {
                "generation": str(asked.generation),
                "configs_ttl_s": _CONFIGS_TTL_S,
                "intake": with_query(target.intake, hasty="true"),
                "mpic": target.mpic,
            }
        )
    return target, egress


def _send_canaries(target: Target) -> None:
    """Have the testbed's intake produce its canary events, which the table must not have afterwards."""
    try:
        with open_client(LOOPBACK.tagged(target.tag)) as client:
            client.get(under(without_path(target.intake, "/v1/events"), "v1/_test/events"))
    except httpx.HTTPError as error:
        raise KitFaultError(f"the testbed's intake does not produce canary events: {error}") from error


def _confirmed(request: RunRequest) -> tuple[str, ...]:
    """Return the option that lets Locust send to a production target, too."""
    return ("--confirm", request.traffic.confirm) if request.traffic.confirm else ()


def _tell(console: Console, request: RunRequest, manifest: Manifest, events: int) -> None:
    parts = {
        Fidelity.SYNTHETIC: f"{manifest.visitors:,} synthetic visitors with {events:,} events",
        Fidelity.WIKI: f"{request.sessions:,} accounts on the wiki",
        Fidelity.BROWSER: f"browsers ({', '.join(request.browser.scenarios) or 'all scenarios'})",
    }
    told = ", ".join(parts[fidelity] for fidelity in Fidelity if fidelity in request.fidelities)
    console.print(Text.assemble("run ", (manifest.run_id, "bold"), f": {told}, to {manifest.target['intake']}"))


def _browse(
    request: RunRequest, target: Target, folder: Path, accounts: tuple[TestAccount, ...], console: Console
) -> None:
    manifest = Manifest.read(folder)
    if manifest.started_ms is None:
        manifest.started(int(time.time() * 1000)).write(folder)
    if target.name == LOCAL:
        # The wiki must have seen the experiment before the first reader comes.
        time.sleep(_CONFIGS_TTL_S + _SETTLE_S)
    asked = request.browser
    console.print(f"browsers: {', '.join(scenario.name for scenario in choose(asked.scenarios))}")
    run_scenarios(
        BrowserRequest(
            run=folder, accounts=accounts, scenarios=asked.scenarios, users=asked.users,
            concurrency=asked.concurrency, headed=asked.headed, journeys=asked.journeys,
            operator=_operator(request, target),
            configs_ttl_s=_configs_ttl_s(request, target),
            tell=lambda found: tell_finding(console, found),
        )
    )  # fmt: skip


def _operator(request: RunRequest, target: Target) -> TestbedOperator | None:
    """Return who can break and mend MPIC; nobody where it is not the testbed's."""
    own = target.name == LOCAL and target.mpic == request.testbed.url("mpic")
    return TestbedOperator(request.testbed, target.wiki) if own else None


def _configs_ttl_s(request: RunRequest, target: Target) -> float:
    """Return how long the wiki uses an answer of MPIC: the real extensions do as in production, also in the testbed."""
    own = target.wiki == request.testbed.url("wiki") and request.testbed.has_own_extension
    return _CONFIGS_TTL_S if own else PRODUCTION_TTL_S


def _finish(folder: Path) -> None:
    manifest = Manifest.read(folder)
    ended = manifest.ended or End.FINISHED
    manifest.finished(int(time.time() * 1000), stopped_early=manifest.stopped_early, ended=ended).write(folder)
