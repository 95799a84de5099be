"""What an operator does in MPIC's UI, and how long the wiki takes to follow."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from playwright.async_api import Page

from browser_scenarios.environment import Environment
from common.urls import join_path

if TYPE_CHECKING:
    from browser_scenarios.context import ScenarioContext

#: On top of the wiki's cache: requests that asked MPIC just before.
_MARGIN_S = 0.3

_NEXT_SECOND_S = 1.1

#: MPIC's lists, as the wiki asks for them.
EXPERIMENTS, INSTRUMENTS = "/api/v1/experiments", "/api/v1/instruments"

#: What MPIC does when it does not run: then nobody counts.
DOWN = "down"


@asynccontextmanager
async def operator_page(stage: "ScenarioContext") -> AsyncIterator[Page]:
    """Open a browser of the operator's own."""
    async with stage.session(None) as session:
        yield await session.context.new_page()


async def switch(page: Page, world: Environment, *, on: bool) -> None:
    """Switch the experiment on or off, if it is not already."""
    await page.goto(join_path(world.mpic, "experiments", world.experiment))
    button = page.get_by_role("button", name=f"Switch {'on' if on else 'off'} {world.experiment}")
    if await button.count():
        await button.click()
        await page.wait_for_load_state()


async def set_rate(page: Page, world: Environment, rate: float) -> None:
    """Set the experiment's default sample rate."""
    await page.goto(join_path(world.mpic, "experiments", world.experiment, "edit"))
    await page.fill("#default_rate", f"{rate:g}")
    await page.get_by_role("button", name="Save changes").click()
    await page.wait_for_load_state()


class Fetches(NamedTuple):
    """How often the wiki had asked MPIC for a list, when it was made to ask again.

    Attributes:
        path: of the list.
        how: in which way MPIC misbehaves; empty when it does not.
        before: how many fetches until then; None when nobody counts them.
    """

    path: str
    how: str
    before: int | None


async def wiki_follows(stage: "ScenarioContext", path: str = EXPERIMENTS, how: str = "") -> Fetches:
    """Let the wiki's next page ask MPIC again, and return what was fetched until now.

    The testbed's wiki is made to forget its configs; with any other, the time passes for which it keeps them.

    Args:
        stage: whose time limit follows.
        path: of the list that it has to ask for.
        how: in which way MPIC misbehaves meanwhile.
    """
    world = stage.world
    operator = world.operator
    # A page that is as old as the configs, in whole seconds, is not sent again.
    wait_s = _NEXT_SECOND_S if operator and await operator.forget_configs() else world.configs_ttl_s + _MARGIN_S
    stage.allow(wait_s)
    await asyncio.sleep(wait_s)
    return Fetches(path, how, await operator.fetched(path, how) if operator and how != DOWN else None)


async def time_passes(stage: "ScenarioContext") -> None:
    """Wait as long as the wiki may use an answer of MPIC, where that it asks again by itself is what is looked at."""
    wait_s = stage.world.configs_ttl_s + _MARGIN_S
    stage.allow(wait_s)
    await asyncio.sleep(wait_s)


async def has_asked(stage: "ScenarioContext", fetches: Fetches, step: str) -> bool:
    """Return whether the wiki has asked since; where it has not, note that *step* could not be played.

    Where nobody counts fetches the wiki's own time has passed, and that has to do.
    """
    operator = stage.world.operator
    if operator is None or fetches.before is None:
        return True
    if await operator.fetched(fetches.path, fetches.how) > fetches.before:
        return True
    answer = f"its answer {fetches.how!r}" if fetches.how else "its new answer"
    told = f"the page was made without asking MPIC for {fetches.path}, so {answer} was not looked at"
    await stage.check(f"{step}: the wiki asked MPIC", False, told, "generator")
    return False
