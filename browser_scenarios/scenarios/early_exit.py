"""Users who leave the page within milliseconds of the impression or the click."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial

from browser_scenarios.chromium import BrowserError
from browser_scenarios.context import ScenarioContext
from browser_scenarios.environment import MAIN_PAGE
from browser_scenarios.scenario import Scenario
from browser_scenarios.session import ELEMENT, PageVisit, Session
from run_record.accounts import TestAccount

#: A page of the wiki without scripts: start and destination of navigations.
_PLAIN_PAGE = "/healthz"

_TRIES = 5
_WITHIN_MS, _CLOSED_WITHIN_S = 20_000, 2

_NOTICED = "() => window.__pageProbe.inView > 0"
_CLICK = "(element) => element && document.querySelector(element).click()"

#: Runs in the page in the background: wait until the instrument has noticed the element, click it if requested, and
#: leave the page in the same task.
_LEAVE = """([element, where]) => {
    const wait = () => {
        if (!window.__pageProbe.inView) { setTimeout(wait, 1); return; }
        if (element) { document.querySelector(element).click(); }
        if (where) { location.assign(where); } else { history.back(); }
    };
    setTimeout(wait, 0);
}"""

Leave = Callable[[Session, PageVisit, str], Awaitable[None]]


async def _close(_: Session, page_visit: PageVisit, element: str) -> None:
    await page_visit.page.wait_for_function(_NOTICED, timeout=_WITHIN_MS, polling=5)
    await page_visit.page.evaluate(_CLICK, element)
    await page_visit.close()


async def _navigate(session: Session, page_visit: PageVisit, element: str) -> None:
    await _go(page_visit, element, session.environment.wiki + _PLAIN_PAGE)


async def _back(_: Session, page_visit: PageVisit, element: str) -> None:
    await _go(page_visit, element, "")


async def _go(page_visit: PageVisit, element: str, destination: str) -> None:
    async with page_visit.page.expect_navigation(timeout=_WITHIN_MS):
        await page_visit.page.evaluate(_LEAVE, [element, destination])
    # Chromium sometimes never responds to a close while the next page loads; the end of the session closes the tab.
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(page_visit.page.close(), _CLOSED_WITHIN_S)


async def _hide(session: Session, page_visit: PageVisit, element: str) -> None:
    await page_visit.page.wait_for_function(_NOTICED, timeout=_WITHIN_MS, polling=5)
    await page_visit.page.evaluate(_CLICK, element)
    # As a phone does with a background tab: the page gets an event that it is hidden, and is frozen.
    inspector = await session.context.new_cdp_session(page_visit.page)
    await inspector.send("Page.setWebLifecycleState", {"state": "frozen"})
    await session.environment.recorder.settle(0.1, 2.0)
    await page_visit.close()


WAYS: dict[str, Leave] = {"close the tab": _close, "navigate": _navigate, "go back": _back, "hide": _hide}


async def play(context: ScenarioContext) -> None:
    """Play one funnel per user for each way of leaving, after the impression and after the click."""
    groups = [context.control, context.treatment]
    accounts = [context.account_pool.take(groups[number % 2]) for number in range(max(2, context.concurrency))]
    tasks = (partial(_play_ways, context, account, number, len(accounts)) for number, account in enumerate(accounts))
    await context.run_concurrently(*tasks)


async def _play_ways(context: ScenarioContext, account: TestAccount, number: int, count: int) -> None:
    async with context.session(account) as session:
        for way, leave in WAYS.items():
            for clicks in (False, True):
                for _ in range(number, context.users, count):
                    await _funnel(session, f"{way} at the {'click' if clicks else 'impression'}", leave, clicks=clicks)


async def _funnel(session: Session, way: str, leave: Leave, *, clicks: bool) -> None:
    page_visit = await _open(session)
    page_visit.way = way
    page_visit.expected = {"impression": 1, "click": 1} if clicks else {"impression": 1}
    await leave(session, page_visit, ELEMENT if clicks else "")
    page_visit.record()


async def _open(session: Session) -> PageVisit:
    """Open a page with the element in view."""
    for _ in range(_TRIES):
        # An earlier click unpinned the menu, and the wiki may save that after the page was left.
        await session.pin_menu()
        page = await session.context.new_page()
        await page.goto(session.environment.wiki + _PLAIN_PAGE)
        page_visit = await session.open(MAIN_PAGE, page=page)
        if await page_visit.is_in_view():
            return page_visit
        await page_visit.leave()
    raise BrowserError("the wiki does not keep the main menu pinned, so the element is not visible")


SCENARIO = Scenario("early-exit", "Which events survive when the user leaves immediately?", play)
