"""Readers who leave within milliseconds of the impression, or of the click: which events survive?"""

import asyncio
from collections.abc import Awaitable, Callable

from browser_scenarios.scenario import Scenario
from browser_scenarios.session import ELEMENT, Reading, Session
from browser_scenarios.stage import Stage
from browser_scenarios.world import MAIN_PAGE
from run_record.accounts import TestAccount

#: A page of the wiki without any script, to come from and to go to.
_QUIET = "/healthz"

#: Runs in the page: the moment the instrument has noticed the element, click it where that is asked for, and be gone.
_AT_ONCE = """([element, leave]) => new Promise((done) => {
    const wait = () => {
        if (!window.__witness.inView) { setTimeout(wait, 1); return; }
        if (element) { document.querySelector(element).click(); }
        done();
        if (leave === 'back') { history.back(); } else if (leave) { location.assign(leave); }
    };
    wait();
})"""

Leave = Callable[[Session, Reading, str], Awaitable[None]]


async def _close(_: Session, reading: Reading, element: str) -> None:
    await reading.page.evaluate(_AT_ONCE, [element, ""])
    await reading.page.close(run_before_unload=False)


async def _navigate(session: Session, reading: Reading, element: str) -> None:
    async with reading.page.expect_navigation(wait_until="commit"):
        await reading.page.evaluate(_AT_ONCE, [element, session.world.wiki + _QUIET])
    await reading.page.close()


async def _back(_: Session, reading: Reading, element: str) -> None:
    async with reading.page.expect_navigation(wait_until="commit"):
        await reading.page.evaluate(_AT_ONCE, [element, "back"])
    await reading.page.close()


async def _hide(session: Session, reading: Reading, element: str) -> None:
    await reading.page.evaluate(_AT_ONCE, [element, ""])
    # What a phone does with a tab in the background: the page is told that it is hidden, and then stands still.
    inspector = await session.context.new_cdp_session(reading.page)
    await inspector.send("Page.setWebLifecycleState", {"state": "frozen"})
    await session.world.recorder.settle(0.1, 2.0)
    await reading.page.close()


WAYS: dict[str, Leave] = {"close the tab": _close, "navigate": _navigate, "go back": _back, "hide": _hide}


async def play(stage: Stage) -> None:
    """Play as many funnels as there are users in each way of leaving, after the impression and after the click."""
    groups = [stage.control, stage.treatment]
    accounts = [stage.casting.take(groups[number % 2]) for number in range(max(2, stage.concurrency))]
    await asyncio.gather(*(_readers(stage, account, number, len(accounts)) for number, account in enumerate(accounts)))


async def _readers(stage: Stage, account: TestAccount, number: int, of: int) -> None:
    async with stage.session(account) as session:
        for way, leave in WAYS.items():
            for clicks in (False, True):
                for _ in range(number, stage.users, of):
                    await _funnel(session, f"{way} at the {'click' if clicks else 'impression'}", leave, clicks=clicks)


async def _funnel(session: Session, way: str, leave: Leave, *, clicks: bool) -> None:
    if clicks:
        await session.pin_menu()
    page = await session.context.new_page()
    await page.goto(session.world.wiki + _QUIET)
    reading = await session.open(MAIN_PAGE, page=page)
    reading.way = way
    reading.expected = {"impression": 1, "click": 1} if clicks else {"impression": 1}
    await leave(session, reading, ELEMENT if clicks else "")
    reading.note()


SCENARIO = Scenario("early-exit", "Which events survive when the reader leaves at once?", play)
