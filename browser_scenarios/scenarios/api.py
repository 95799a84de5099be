"""Each link of the chain separately, without a browser: MPIC's endpoints, the wiki's stream configs, the intake."""

import secrets
from collections.abc import Mapping

import httpx

from browser_scenarios.context import ScenarioContext
from browser_scenarios.mpic_ui_steps import INSTRUMENTS, has_fetched, refresh_wiki_configs
from browser_scenarios.scenario import Scenario
from common.egress import LOOPBACK
from common.http import open_async_client
from common.urls import join_path
from contracts.mpic_client import MpicClient, MpicError
from contracts.profiles import profile_of
from contracts.streams import read_stream_configs
from personas.example_experiment import example_instrument

_WITHIN_S = 10.0


async def play(context: ScenarioContext) -> None:
    """Check MPIC, then the wiki, then the intake."""
    async with open_async_client(context.environment.egress, timeout_s=_WITHIN_S) as client:
        await _mpic(context)
        await _streams(context, client)
        await _intake(context, client)


async def _mpic(context: ScenarioContext) -> None:
    environment = context.environment
    with MpicClient(environment.mpic, egress=environment.egress) as mpic:
        try:
            read_experiments = mpic.read_experiments(environment.generation)
            read_instruments = mpic.read_instruments()
        except MpicError as error:
            await context.check("MPIC's lists are valid", False, str(error), "config")
            return
    experiments = {item.name for item in read_experiments.configs}
    instruments = {item.name for item in read_instruments.configs}
    unread = (*read_experiments.faults, *read_instruments.faults)
    detail = f"{len(experiments)} experiments and {len(instruments)} instruments"
    detail += f"; {len(unread)} configs cannot be read ({unread[0]})" if unread else ""
    await context.check("MPIC serves the experiment", environment.experiment in experiments, detail, "config")
    instrument = environment.plan.settings.parsed_instrument().name
    await context.check("MPIC serves the instrument", instrument in instruments, detail, "config")


async def _streams(context: ScenarioContext, client: httpx.AsyncClient) -> None:
    """Compare the stream configs before and after an instrument adds a stream."""
    environment = context.environment
    own = environment.streams.get(environment.stream)
    wanted = environment.plan.settings.exported_stream()
    detail = "the wiki exports no such stream" if own is None else f"it asks for {len(own.provide_values)} attributes"
    await context.check("the exported stream config matches the contract", own == wanted, detail, "config")
    if environment.operator is None:
        return
    name = f"dogfood-api-{secrets.token_hex(3)}"
    instrument = {**example_instrument(name=name), "stream_name": name, "sample_unit": "pageview", "status": 1}
    before = await _exported(client, environment.wiki, name)
    with MpicClient(environment.mpic, egress=environment.egress) as mpic:
        mpic.put("instruments", name, instrument)
        fetches = await refresh_wiki_configs(context, INSTRUMENTS)
        after = await _exported(client, environment.wiki, name)
        proven = await has_fetched(context, fetches, "an instrument that is switched on")
        mpic.put("instruments", name, {**instrument, "status": 0})
        fetches = await refresh_wiki_configs(context, INSTRUMENTS)
        off = await _exported(client, environment.wiki, name)
        proven = proven and await has_fetched(context, fetches, "an instrument that is switched off")
    if not proven:
        return
    detail = f"before: {name in before}, switched on: {name in after}, switched off: {name in off}"
    expected = (name in before, name in after, name in off) == (False, True, False)
    await context.check("an instrument's stream exists while it is switched on", expected, detail, "config")


async def _exported(client: httpx.AsyncClient, wiki: str, stream: str) -> Mapping[str, object]:
    query = {"action": "streamconfigs", "format": "json", "streams": stream}
    return read_stream_configs((await client.get(join_path(wiki, "api.php"), params=query)).json()).configs


async def _intake(context: ScenarioContext, client: httpx.AsyncClient) -> None:
    """Send a valid event, which is in the ledger and has to reach the table, and an invalid one."""
    environment = context.environment
    event = _event(context)
    by_recorder = f"http://127.0.0.1:{environment.recorder.port}/v1/events"
    async with open_async_client(LOOPBACK.tagged(environment.egress.tag), timeout_s=_WITHIN_S) as own:
        answer = await own.post(by_recorder, json=event)
    detail = f"{answer.status_code} {answer.reason_phrase}"
    await context.check("the intake accepts a valid event", answer.status_code == 201, detail, "intake")
    if not await environment.recorder.admit(1):
        return
    rejected = await client.post(
        environment.intake, json={**event, "action": 7, "funnel_entry_token": secrets.token_hex(10)}
    )
    detail = f"{rejected.status_code} {rejected.reason_phrase}"
    await context.check("the intake rejects an invalid event", rejected.status_code == 400, detail, "intake")


def _event(context: ScenarioContext) -> dict[str, object]:
    return {
        "$schema": profile_of(context.environment.generation).schema,
        "action": "ping", "funnel_entry_token": secrets.token_hex(10), "funnel_event_sequence_position": 1,
        "instrument_name": f"{context.environment.experiment}-api", "dt": "2025-01-27T14:30:00.000Z",
        "agent": {"client_platform": "mediawiki_js", "client_platform_family": "desktop_browser"},
        "meta": {"stream": context.environment.stream, "domain": "canary-of-dogfood"},
    }  # fmt: skip


SCENARIO = Scenario("api", "Does each link of the chain respond correctly by itself?", play)
