"""What an operator does in MPIC's UI, and how long the wiki takes to follow."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from playwright.async_api import Page

from browser_scenarios.world import World

if TYPE_CHECKING:
    from browser_scenarios.stage import Stage

#: On top of the wiki's cache: requests that asked MPIC just before.
_MARGIN_S = 0.3


@asynccontextmanager
async def operator_page(stage: "Stage") -> AsyncIterator[Page]:
    """Open a browser of the operator's own."""
    async with stage.session(None) as session:
        yield await session.context.new_page()


async def switch(page: Page, world: World, *, on: bool) -> None:
    """Switch the experiment on or off, if it is not already."""
    await page.goto(f"{world.mpic}/experiments/{world.experiment}")
    button = page.get_by_role("button", name=f"Switch {'on' if on else 'off'} {world.experiment}")
    if await button.count():
        await button.click()
        await page.wait_for_load_state()


async def set_rate(page: Page, world: World, rate: float) -> None:
    """Set the experiment's default sample rate."""
    await page.goto(f"{world.mpic}/experiments/{world.experiment}/edit")
    await page.fill("#default_rate", f"{rate:g}")
    await page.get_by_role("button", name="Save changes").click()
    await page.wait_for_load_state()


async def wiki_follows(world: World) -> None:
    """Wait until the wiki must have asked MPIC again."""
    await asyncio.sleep(world.configs_ttl_s + _MARGIN_S)
