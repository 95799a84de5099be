"""Readers with accounts read articles as their personas do, see the element or not, click it or not, and leave."""

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial

from browser_scenarios.context import ScenarioContext
from browser_scenarios.failure_cause import NoAccountError
from browser_scenarios.repeat_sessions import PlayedView, accounts_wanted
from browser_scenarios.scenario import Scenario
from browser_scenarios.session import PageVisit, Session
from personas.journeys import PlannedPageView
from run_record.accounts import TestAccount

#: Pages of one journey, at most: a browser needs a good part of a second for each.
_PAGES = 3

#: Pauses of the personas are this much shorter, and never longer than this.
_FASTER, _LONGEST_S = 20, 0.5


async def play(stage: ScenarioContext) -> None:
    """Let as many accounts as were asked for read, so many at once, every group among them.

    When all page views of one group lack events and none of another's does, and too few accounts show it, a few more
    accounts of those groups read as well.
    """
    readings = await _read_all(stage, stage.casting.mix(stage.users))
    wanted = accounts_wanted(_played(stage, readings))
    await _read_all(stage, [account for group, count in wanted.items() for account in _more(stage, group, count)])


async def _read_all(stage: ScenarioContext, accounts: Sequence[TestAccount]) -> list[PageVisit]:
    """Let *accounts* read, so many at once as the stage has it; return their page views once all beacons have come."""
    places = asyncio.Semaphore(stage.concurrency)

    readings: list[PageVisit] = []

    async def one(account: TestAccount) -> None:
        async with places, stage.session(account) as session:
            readings.extend(await _read(stage, session, account))

    await stage.together(*(partial(one, account) for account in accounts))
    await stage.world.recorder.settle()
    return readings


def _played(stage: ScenarioContext, readings: Sequence[PageVisit]) -> list[PlayedView]:
    """Return the page views that owed events, and whether the recorder lacks any of them."""
    count = stage.world.recorder.count
    return [
        PlayedView(
            reading.group, reading.user_id,
            any(count(reading.pageview_id, action) < owed for action, owed in reading.expected.items()),
        )
        for reading in readings
        if reading.group is not None and any(reading.expected.values())
    ]  # fmt: skip


def _more(stage: ScenarioContext, group: str, count: int) -> list[TestAccount]:
    """Return *count* more accounts of *group*, or as many as are left."""
    accounts = []
    for _ in range(count):
        with contextlib.suppress(NoAccountError):
            accounts.append(stage.casting.take(group))
    return accounts


async def _read(stage: ScenarioContext, session: Session, account: TestAccount) -> list[PageVisit]:
    world = stage.world
    journey = world.journeys.of(account.subject, account.user_id, account.central_id)
    readings = []
    for step in journey[:_PAGES] * stage.journeys:
        reading = await session.open(step.page.path, narrow=not step.in_view)
        if step.in_view:
            await _look(reading, step)
        await reading.leave()
        readings.append(reading)
    return readings


async def _look(reading: PageVisit, step: PlannedPageView) -> None:
    await asyncio.sleep(_pause(step.see_ms))
    await reading.see()
    if step.clicked:
        await asyncio.sleep(_pause(step.react_ms))
        await reading.click()


def _pause(ms: int) -> float:
    return min(ms / 1000 / _FASTER, _LONGEST_S)


SCENARIO = Scenario("ctr", "Do impressions and clicks of real readers leave, with the right group?", play)
