"""Accounts read articles by their personas' journeys: they may view the element, may click it, and leave."""

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

#: Maximum pages of one journey: a browser needs a large part of a second for each.
_PAGES = 3

#: Factor by which the personas' pauses are shortened, and their maximum in seconds.
_FASTER, _LONGEST_S = 20, 0.5


async def play(context: ScenarioContext) -> None:
    """Play the journeys of the requested number of accounts, of all groups.

    When all page views of one group lack events and no page view of another group does, play more accounts if too few
    show it.
    """
    page_visits = await _read_all(context, context.account_pool.mix(context.users))
    wanted = accounts_wanted(_played(context, page_visits))
    await _read_all(context, [account for group, count in wanted.items() for account in _more(context, group, count)])


async def _read_all(context: ScenarioContext, accounts: Sequence[TestAccount]) -> list[PageVisit]:
    """Play the journeys of *accounts* concurrently; return their page visits after all beacons have arrived."""
    semaphore = asyncio.Semaphore(context.concurrency)

    page_visits: list[PageVisit] = []

    async def one(account: TestAccount) -> None:
        async with semaphore, context.session(account) as session:
            page_visits.extend(await _read(context, session, account))

    await context.run_concurrently(*(partial(one, account) for account in accounts))
    await context.environment.recorder.settle()
    return page_visits


def _played(context: ScenarioContext, page_visits: Sequence[PageVisit]) -> list[PlayedView]:
    """Return the page views that should have sent events, and whether any event is missing."""
    count = context.environment.recorder.count
    return [
        PlayedView(
            page_visit.group, page_visit.user_id,
            any(count(page_visit.pageview_id, action) < expected for action, expected in page_visit.expected.items()),
        )
        for page_visit in page_visits
        if page_visit.group is not None and any(page_visit.expected.values())
    ]  # fmt: skip


def _more(context: ScenarioContext, group: str, count: int) -> list[TestAccount]:
    """Return *count* unused accounts of *group*, or fewer when the pool is empty."""
    accounts = []
    for _ in range(count):
        with contextlib.suppress(NoAccountError):
            accounts.append(context.account_pool.take(group))
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


async def _look(page_visit: PageVisit, step: PlannedPageView) -> None:
    await asyncio.sleep(_pause(step.see_ms))
    await page_visit.see()
    if step.clicked:
        await asyncio.sleep(_pause(step.react_ms))
        await page_visit.click()


def _pause(ms: int) -> float:
    return min(ms / 1000 / _FASTER, _LONGEST_S)


SCENARIO = Scenario("ctr", "Are impressions and clicks sent, with the right group?", play)
