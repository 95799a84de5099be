"""Readers who leave within milliseconds of the impression, or of the click: which events survive?"""

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

#: A page of the wiki without any script, to come from and to go to.
_QUIET = "/healthz"

_TRIES = 5
_WITHIN_MS, _CLOSED_WITHIN_S = 20_000, 2

_NOTICED = "() => window.__witness.inView > 0"
_CLICK = "(element) => element && document.querySelector(element).click()"

#: Runs in the page, and returns at once: when the instrument has noticed the element, click it where that is asked for,
#: and be gone in the same breath.
_LEAVE = """([element, where]) => {
    const wait = () => {
        if (!window.__witness.inView) { setTimeout(wait, 1); return; }
        if (element) { document.querySelector(element).click(); }
        if (where) { location.assign(where); } else { history.back(); }
    };
    setTimeout(wait, 0);
}"""

Leave = Callable[[Session, PageVisit, str], Awaitable[None]]


async def _close(_: Session, reading: PageVisit, element: str) -> None:
    await reading.page.wait_for_function(_NOTICED, timeout=_WITHIN_MS, polling=5)
    await reading.page.evaluate(_CLICK, element)
    await reading.page.close(run_before_unload=False)


async def _navigate(session: Session, reading: PageVisit, element: str) -> None:
    await _go(reading, element, session.world.wiki + _QUIET)


async def _back(_: Session, reading: PageVisit, element: str) -> None:
    await _go(reading, element, "")


async def _go(reading: PageVisit, element: str, where: str) -> None:
    async with reading.page.expect_navigation(timeout=_WITHIN_MS):
        await reading.page.evaluate(_LEAVE, [element, where])
    # Asked to close while the next page comes in, Chromium now and then never answers; the session's end closes it.
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(reading.page.close(), _CLOSED_WITHIN_S)


async def _hide(session: Session, reading: PageVisit, element: str) -> None:
    await reading.page.wait_for_function(_NOTICED, timeout=_WITHIN_MS, polling=5)
    await reading.page.evaluate(_CLICK, element)
    # What a phone does with a tab in the background: the page is told that it is hidden, and then stands still.
    inspector = await session.context.new_cdp_session(reading.page)
    await inspector.send("Page.setWebLifecycleState", {"state": "frozen"})
    await session.world.recorder.settle(0.1, 2.0)
    await reading.page.close()


WAYS: dict[str, Leave] = {"close the tab": _close, "navigate": _navigate, "go back": _back, "hide": _hide}


async def play(stage: ScenarioContext) -> None:
    """Play as many funnels as there are users in each way of leaving, after the impression and after the click."""
    groups = [stage.control, stage.treatment]
    accounts = [stage.casting.take(groups[number % 2]) for number in range(max(2, stage.concurrency))]
    readers = (partial(_readers, stage, account, number, len(accounts)) for number, account in enumerate(accounts))
    await stage.together(*readers)


async def _readers(stage: ScenarioContext, account: TestAccount, number: int, of: int) -> None:
    async with stage.session(account) as session:
        for way, leave in WAYS.items():
            for clicks in (False, True):
                for _ in range(number, stage.users, of):
                    await _funnel(session, f"{way} at the {'click' if clicks else 'impression'}", leave, clicks=clicks)


async def _funnel(session: Session, way: str, leave: Leave, *, clicks: bool) -> None:
    reading = await _open(session)
    reading.way = way
    reading.expected = {"impression": 1, "click": 1} if clicks else {"impression": 1}
    await leave(session, reading, ELEMENT if clicks else "")
    reading.note()


async def _open(session: Session) -> PageVisit:
    """Open a page with the element in view."""
    for _ in range(_TRIES):
        # An earlier click unpinned the menu, and that may be saved only after the page was left.
        await session.pin_menu()
        page = await session.context.new_page()
        await page.goto(session.world.wiki + _QUIET)
        reading = await session.open(MAIN_PAGE, page=page)
        if await reading.is_in_view():
            return reading
        await reading.leave()
    raise BrowserError("the wiki does not keep the main menu pinned, so the element is not to be seen")


SCENARIO = Scenario("early-exit", "Which events survive when the reader leaves at once?", play)
