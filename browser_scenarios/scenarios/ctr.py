"""Readers with accounts read articles as their personas do, see the element or not, click it or not, and leave."""

import asyncio
from functools import partial

from browser_scenarios.scenario import Scenario
from browser_scenarios.session import Reading, Session
from browser_scenarios.stage import Stage
from personas.journeys import Step
from run_record.accounts import TestAccount

#: Pages of one journey, at most: a browser needs a good part of a second for each.
_PAGES = 3

#: Pauses of the personas are this much shorter, and never longer than this.
_FASTER, _LONGEST_S = 20, 0.5


async def play(stage: Stage) -> None:
    """Let as many accounts as were asked for read, so many at once, every group among them."""
    accounts = stage.casting.mix(stage.users)
    places = asyncio.Semaphore(stage.concurrency)

    async def one(account: TestAccount) -> None:
        async with places, stage.session(account) as session:
            await _read(stage, session, account)

    await stage.together(*(partial(one, account) for account in accounts))


async def _read(stage: Stage, session: Session, account: TestAccount) -> None:
    world = stage.world
    journey = world.journeys.of(account.subject, account.user_id, account.central_id)
    for step in journey[:_PAGES]:
        reading = await session.open(step.page.path, narrow=not step.seen)
        if step.seen:
            await _look(reading, step)
        await reading.leave()


async def _look(reading: Reading, step: Step) -> None:
    await asyncio.sleep(_pause(step.see_ms))
    await reading.see()
    if step.clicked:
        await asyncio.sleep(_pause(step.react_ms))
        await reading.click()


def _pause(ms: int) -> float:
    return min(ms / 1000 / _FASTER, _LONGEST_S)


SCENARIO = Scenario("ctr", "Do impressions and clicks of real readers leave, with the right group?", play)
