"""Steps of an operator in MPIC's UI, and waiting until the wiki uses the change."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from playwright.async_api import Page

from browser_scenarios.environment import Environment
from common.urls import join_path

if TYPE_CHECKING:
    from browser_scenarios.context import ScenarioContext

#: Seconds to wait after the cache's expiry, for requests that started just before.
_MARGIN_S = 0.3

_NEXT_SECOND_S = 1.1

#: Paths of MPIC's lists that the wiki fetches.
EXPERIMENTS, INSTRUMENTS = "/api/v1/experiments", "/api/v1/instruments"

#: The fault of an MPIC that does not run: then fetches are not counted.
DOWN = "down"


@asynccontextmanager
async def operator_page(context: "ScenarioContext") -> AsyncIterator[Page]:
    """Open a page in a separate browser session of the operator."""
    async with context.session(None) as session:
        yield await session.context.new_page()


async def switch(page: Page, world: Environment, *, on: bool) -> None:
    """Switch the experiment on or off, if it is not already."""
    await page.goto(join_path(world.mpic, "experiments", world.experiment))
    button = page.get_by_role("button", name=f"Switch {'on' if on else 'off'} {world.experiment}")
    if await button.count():
        await button.click()
        await page.wait_for_load_state()


async def set_rate(page: Page, environment: Environment, rate: float) -> None:
    """Set the experiment's default sample rate."""
    await page.goto(join_path(world.mpic, "experiments", world.experiment, "edit"))
    await page.fill("#default_rate", f"{rate:g}")
    await page.get_by_role("button", name="Save changes").click()
    await page.wait_for_load_state()


class Fetches(NamedTuple):
    """Number of the wiki's fetches of a list from MPIC, before a refresh.

    Attributes:
        path: path of the list.
        fault: active fault of MPIC's API; empty for none.
        before: number of fetches before the refresh; None when they are not counted.
    """

    path: str
    fault: str
    before: int | None


async def refresh_wiki_configs(context: "ScenarioContext", path: str = EXPERIMENTS, fault: str = "") -> Fetches:
    """Make the wiki's next page fetch from MPIC, and return the number of fetches so far.

    The testbed's wiki deletes its cached configs. For any other wiki, wait until its cache expires.

    Args:
        context: context of the scenario, whose time limit is extended.
        path: path of the list that the wiki has to fetch.
        fault: active fault of MPIC's API.
    """
    environment = context.environment
    operator = environment.operator
    # A page's modification time has a resolution of one second: wait, so that the browser gets a new page.
    wait_s = _NEXT_SECOND_S if operator and await operator.forget_configs() else environment.configs_ttl_s + _MARGIN_S
    context.extend_deadline(wait_s)
    await asyncio.sleep(wait_s)
    return Fetches(path, fault, await operator.fetch_count(path, fault) if operator and fault != DOWN else None)


async def wait_for_cache_expiry(context: "ScenarioContext") -> None:
    """Wait until the wiki's cache of MPIC's responses expires, to test that the wiki fetches again."""
    wait_s = context.environment.configs_ttl_s + _MARGIN_S
    context.extend_deadline(wait_s)
    await asyncio.sleep(wait_s)


async def has_fetched(context: "ScenarioContext", fetches: Fetches, step: str) -> bool:
    """Return whether the wiki has fetched since the refresh; if not, record that *step* could not be played.

    Where fetches are not counted, the expiry of the wiki's cache is sufficient.
    """
    operator = context.environment.operator
    if operator is None or fetches.before is None:
        return True
    if await operator.fetch_count(fetches.path, fetches.fault) > fetches.before:
        return True
    response = f"its response {fetches.fault!r}" if fetches.fault else "its new response"
    detail = f"the wiki rendered the page without asking MPIC for {fetches.path}, so {response} was not tested"
    await context.check(f"{step}: the wiki asked MPIC", False, detail, "generator")
    return False
