"""Each link of the chain by itself, without a browser: MPIC's endpoints, the wiki's stream configs, the intake."""

import secrets
from collections.abc import Mapping

import httpx

from browser_scenarios.context import ScenarioContext
from browser_scenarios.mpic_ui_steps import INSTRUMENTS, has_asked, wiki_follows
from browser_scenarios.scenario import Scenario
from common.egress import LOOPBACK
from common.http import open_async_client
from common.urls import join_path
from contracts.mpic_client import MpicClient, MpicError
from contracts.profiles import profile_of
from contracts.streams import read_stream_configs
from personas.example_experiment import example_instrument

_WITHIN_S = 10.0


async def play(stage: ScenarioContext) -> None:
    """Ask MPIC, then the wiki, then the intake."""
    async with open_async_client(stage.world.egress, timeout_s=_WITHIN_S) as client:
        await _mpic(stage)
        await _streams(stage, client)
        await _intake(stage, client)


async def _mpic(stage: ScenarioContext) -> None:
    world = stage.world
    with MpicClient(world.mpic, egress=world.egress) as mpic:
        try:
            read_experiments = mpic.read_experiments(world.generation)
            read_instruments = mpic.read_instruments()
        except MpicError as error:
            await stage.check("MPIC's lists make sense", False, str(error), "config")
            return
    experiments = {item.name for item in read_experiments.configs}
    instruments = {item.name for item in read_instruments.configs}
    unread = (*read_experiments.faults, *read_instruments.faults)
    told = f"{len(experiments)} experiments and {len(instruments)} instruments"
    told += f"; {len(unread)} configs cannot be read ({unread[0]})" if unread else ""
    await stage.check("MPIC serves the experiment", world.experiment in experiments, told, "config")
    instrument = world.plan.settings.parsed_instrument().name
    await stage.check("MPIC serves the instrument", instrument in instruments, told, "config")


async def _streams(stage: ScenarioContext, client: httpx.AsyncClient) -> None:
    """Look at the stream configs before and after an instrument brings a stream of its own."""
    world = stage.world
    own = world.streams.get(world.stream)
    wanted = world.plan.settings.exported_stream()
    told = "the wiki exports no such stream" if own is None else f"it asks for {len(own.provide_values)} attributes"
    await stage.check("the instrument's stream is exported as the contract has it", own == wanted, told, "config")
    if world.operator is None:
        return
    name = f"dogfood-api-{secrets.token_hex(3)}"
    instrument = {**example_instrument(name=name), "stream_name": name, "sample_unit": "pageview", "status": 1}
    before = await _exported(client, world.wiki, name)
    with MpicClient(world.mpic, egress=world.egress) as mpic:
        mpic.put("instruments", name, instrument)
        fetches = await wiki_follows(stage, INSTRUMENTS)
        after = await _exported(client, world.wiki, name)
        proven = await has_asked(stage, fetches, "an instrument that is switched on")
        mpic.put("instruments", name, {**instrument, "status": 0})
        fetches = await wiki_follows(stage, INSTRUMENTS)
        off = await _exported(client, world.wiki, name)
        proven = proven and await has_asked(stage, fetches, "an instrument that is switched off")
    if not proven:
        return
    told = f"before: {name in before}, switched on: {name in after}, switched off: {name in off}"
    right = (name in before, name in after, name in off) == (False, True, False)
    await stage.check("an instrument's stream is there while it is switched on", right, told, "config")


async def _exported(client: httpx.AsyncClient, wiki: str, stream: str) -> Mapping[str, object]:
    query = {"action": "streamconfigs", "format": "json", "streams": stream}
    return read_stream_configs((await client.get(join_path(wiki, "api.php"), params=query)).json()).configs


async def _intake(stage: ScenarioContext, client: httpx.AsyncClient) -> None:
    """Send an event that is right, which is in the ledger and has to land, and one that is not."""
    world = stage.world
    event = _event(stage)
    by_recorder = f"http://127.0.0.1:{world.recorder.port}/v1/events"
    async with open_async_client(LOOPBACK.tagged(world.egress.tag), timeout_s=_WITHIN_S) as own:
        answer = await own.post(by_recorder, json=event)
    told = f"{answer.status_code} {answer.reason_phrase}"
    await stage.check("the intake accepts a valid event", answer.status_code == 201, told, "intake")
    if not await world.recorder.admit(1):
        return
    wrong = await client.post(world.intake, json={**event, "action": 7, "funnel_entry_token": secrets.token_hex(10)})
    told = f"{wrong.status_code} {wrong.reason_phrase}"
    await stage.check("the intake refuses an invalid event", wrong.status_code == 400, told, "intake")


def _event(stage: ScenarioContext) -> dict[str, object]:
    return {
        "$schema": profile_of(stage.world.generation).schema,
        "action": "ping", "funnel_entry_token": secrets.token_hex(10), "funnel_event_sequence_position": 1,
        "instrument_name": f"{stage.world.experiment}-api", "dt": "2025-01-27T14:30:00.000Z",
        "agent": {"client_platform": "mediawiki_js", "client_platform_family": "desktop_browser"},
        "meta": {"stream": stage.world.stream, "domain": "canary-of-dogfood"},
    }  # fmt: skip


SCENARIO = Scenario("api", "Does each link of the chain answer as it should, by itself?", play)
