"""The setup of a run before its traffic: accounts, the experiment in MPIC, the plan, the run's folder."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from common.egress import Egress
from common.errors import DogfoodError
from contracts.mpic_client import MpicClient
from dogfood.run.platform_probe import probe_platform
from dogfood.run.request import LOCAL, RunRequest
from dogfood.testbed_control.mpic_operator import forget_configs
from dogfood.testbed_control.seed import WIKI_ACCOUNTS, accounts_file, register_example_experiment, seed_wiki
from personas.example_experiment import EXPERIMENT
from personas.plan.plan import Plan
from personas.plan.settings import PlanSettings
from run_record.accounts import TestAccount, read_accounts
from run_record.manifest import Manifest
from run_record.resolved_addresses import write_pins
from run_record.roster import Account, Fidelity, write_roster
from run_record.run_folder import new_run
from run_record.target import Target
from traffic.locust_run.options import TrafficOptions, UnplayableConfigError, check_ceilings, new_manifest, new_settings
from traffic.wiki_sessions.options import roster_rows

#: Seconds for which a production wiki caches a response of MPIC.
PRODUCTION_TTL_S = 60.0


def accounts_file_of(request: RunRequest) -> Path:
    """Return the file of the test accounts: the one given, or the testbed's."""
    return request.accounts or accounts_file(request.testbed.wiki_dir)


def accounts_of(request: RunRequest, target: Target) -> tuple[TestAccount, ...]:
    """Return the test accounts; on the testbed's wiki, create them first."""
    if not request.on_wiki:
        return ()
    if target.name == LOCAL and request.accounts is None:
        return seed_wiki(request.testbed.wiki_dir)
    return read_accounts(accounts_file_of(request))


def set_up(
    request: RunRequest, target: Target, egress: Egress, accounts: tuple[TestAccount, ...]
) -> tuple[Manifest, Path, int, float]:
    """Register the experiment in MPIC, read it back as the wiki would, and create the run's folder.

    Returns:
        The manifest, the folder, the number of planned events and their highest rate.
    """
    options = request.traffic
    if not options.experiment:
        if target.production:
            raise DogfoodError(f"target {target.name!r} is production; name its experiment with --experiment")
        _register_example(request, target, egress)
        options = replace(options, experiment=EXPERIMENT)
    settings, events, rate = _planned(options, request, target, egress)
    manifest = new_manifest("", options, target, settings, ",".join(request.fidelities))
    folder = new_run(request.runs)
    write_pins(folder, egress)
    write_roster(folder, _roster(request, settings.visitors, accounts))
    others = _other_experiments(target, egress, settings)
    manifest = replace(manifest, run_id=folder.name, planned_events=events, other_experiments=others)
    manifest.write(folder)
    probe_platform(target, egress, manifest, on_wiki=request.on_wiki).write(folder)
    return manifest, folder, events, rate


def _register_example(request: RunRequest, target: Target, egress: Egress) -> None:
    """Register the kit's experiment in MPIC; if that changes MPIC, let the wiki drop its cached configs."""
    with MpicClient(target.mpic, egress=egress) as mpic:
        before = _configs(mpic, request)
        register_example_experiment(mpic, request.traffic.generation)
        changed = before != _configs(mpic, request)
    if request.on_wiki and changed and not forget_configs(request.testbed, target.wiki):
        time.sleep(PRODUCTION_TTL_S)


def _configs(mpic: MpicClient, request: RunRequest) -> list[object]:
    """Return the configs that MPIC serves, without their time of change."""
    configs = [*mpic.raw_experiments(request.traffic.generation), *mpic.raw_instruments()]
    return [
        {name: value for name, value in config.items() if name != "updated_at"} if isinstance(config, dict) else config
        for config in configs
    ]


def _planned(
    options: TrafficOptions, request: RunRequest, target: Target, egress: Egress
) -> tuple[PlanSettings, int, float]:
    """Return the plan's settings, events and highest rate; no visitors when the configs allow no valid event."""
    try:
        settings = new_settings(options, target, egress, now_ms=int(time.time() * 1000))
    except UnplayableConfigError as error:
        return replace(error.settings, visitors=0), 0, 0.0
    if Fidelity.SYNTHETIC not in request.fidelities:
        settings = replace(settings, visitors=0)
    rate = check_ceilings(target, settings)
    plan = Plan(settings)
    return plan.settings, sum(1 for _ in plan.events(0, settings.visitors)), rate


def _other_experiments(target: Target, egress: Egress, settings: PlanSettings) -> tuple[Mapping[str, object], ...]:
    """Return the configs of MPIC's other experiments that are switched on."""
    with MpicClient(target.mpic, egress=egress) as mpic:
        configs = mpic.raw_experiments(settings.generation)
    readable = [config for config in configs if isinstance(config, dict)]
    own = settings.experiment.get("slug")
    return tuple(config for config in readable if config.get("slug") != own and config.get("status", 1))


def _roster(request: RunRequest, first: int, accounts: tuple[TestAccount, ...]) -> list[Account]:
    """Return the wiki's visitors: the first accounts use sessions; the others, and one anonymous, use browsers."""
    roster: list[Account] = []
    sessions = min(request.sessions, len(accounts)) if Fidelity.WIKI in request.fidelities else 0
    roster += roster_rows(accounts[:sessions], Fidelity.WIKI, first, chosen=False)
    if Fidelity.BROWSER in request.fidelities:
        rest = accounts[WIKI_ACCOUNTS:] or accounts[sessions:]
        roster += roster_rows(rest, Fidelity.BROWSER, first + sessions, chosen=True)
        roster.append(Account(first + len(roster), Fidelity.BROWSER, 0, 0, "", chosen=True))
    return roster
