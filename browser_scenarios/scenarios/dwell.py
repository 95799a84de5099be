"""Readers of each group who leave soon after the page is ready, and others who stay: both owe an impression."""

import asyncio
from functools import partial

from browser_scenarios.context import ScenarioContext
from browser_scenarios.environment import MAIN_PAGE
from browser_scenarios.scenario import Scenario
from browser_scenarios.session import PageVisit
from run_record.accounts import TestAccount

#: What is idle time to the instrument, and then two pictures on the screen: it has seen what is in view.
_SEEN = """() => new Promise((done) => {
    mw.requestIdleCallback(() => requestAnimationFrame(() => requestAnimationFrame(done)));
})"""

#: Seconds that a reader stays after that. The longer is longer than events wait in the testbed's queue.
_SOON, _STAYS = 0.5, 2.5


async def play(stage: ScenarioContext) -> None:
    """Let an account of each group read as many times as there are users, every other time for long."""
    accounts = [stage.casting.take(group) for group in stage.groups()]
    await stage.together(*(partial(_read, stage, account) for account in accounts))


async def _read(stage: ScenarioContext, account: TestAccount) -> None:
    async with stage.session(account) as session:
        for number in range(stage.users):
            reading = await session.open(MAIN_PAGE)
            await _dwell(reading, stays=number % 2 == 1)
            await reading.leave()


async def _dwell(reading: PageVisit, *, stays: bool) -> None:
    reading.way = "stays" if stays else "leaves soon"
    await reading.page.evaluate(_SEEN)
    if reading.measured and await reading.is_in_view():
        reading.expected["impression"] = 1
    await asyncio.sleep(_STAYS if stays else _SOON)


SCENARIO = Scenario("dwell", "Do impressions of those who leave soon count, in every group?", play)
