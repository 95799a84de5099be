"""Accounts of each group that leave soon after the page is ready, or stay: both send an impression."""

import asyncio
from functools import partial

from browser_scenarios.context import ScenarioContext
from browser_scenarios.environment import MAIN_PAGE
from browser_scenarios.scenario import Scenario
from browser_scenarios.session import PageVisit
from run_record.accounts import TestAccount

#: Resolves after idle time and two frames: by then the instrument has noticed an element in view.
_IDLE = """() => new Promise((done) => {
    mw.requestIdleCallback(() => requestAnimationFrame(() => requestAnimationFrame(done)));
})"""

#: Seconds until the page is left. The longer time exceeds the delay of the testbed's event queue.
_SHORT_S, _LONG_S = 0.5, 2.5


async def play(context: ScenarioContext) -> None:
    """Let one account of each group open as many pages as there are users, and stay on every other page."""
    accounts = [context.account_pool.take(group) for group in context.groups()]
    await context.run_concurrently(*(partial(_read, context, account) for account in accounts))


async def _read(context: ScenarioContext, account: TestAccount) -> None:
    async with context.session(account) as session:
        for number in range(context.users):
            page_visit = await session.open(MAIN_PAGE)
            await _dwell(page_visit, stays=number % 2 == 1)
            await page_visit.leave()


async def _dwell(page_visit: PageVisit, *, stays: bool) -> None:
    page_visit.way = "stays" if stays else "leaves soon"
    await page_visit.page.evaluate(_IDLE)
    if page_visit.measured and await page_visit.is_in_view():
        page_visit.expected["impression"] = 1
    await asyncio.sleep(_LONG_S if stays else _SHORT_S)


SCENARIO = Scenario("dwell", "Do impressions count in every group when users leave soon?", play)
