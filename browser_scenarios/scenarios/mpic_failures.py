"""MPIC is slow, down, or returns invalid responses: pages stay readable, and nobody is enrolled."""

from urllib.parse import urlencode

from browser_scenarios.chromium import BrowserError
from browser_scenarios.context import ScenarioContext
from browser_scenarios.environment import Operator
from browser_scenarios.mpic_ui_steps import DOWN, EXPERIMENTS, has_fetched, refresh_wiki_configs
from browser_scenarios.scenario import Scenario
from browser_scenarios.session import PageVisit, Session


async def play(context: ScenarioContext) -> None:
    """Activate each fault of MPIC's API, and check a page."""
    operator = context.environment.operator
    if operator is None:
        await context.check("faults of MPIC", True, "this MPIC is not the testbed's: not tested", "config")
        return
    async with context.session(context.account_pool.take(context.treatment)) as session:
        await _check_enrolled(context, session, "before")
        for fault in await operator.api_faults():
            await operator.set_api_fault(fault)
            try:
                await _check_page(context, session, fault)
            finally:
                await operator.set_api_fault("")
            await _check_enrolled(context, session, f"after {fault!r}")
        await _check_mpic_down(context, session, operator)
        await _check_enrolled(context, session, "after MPIC was down")


def _new_url(step: str) -> str:
    """Return a new URL of the main page, so that the browser has no cached page."""
    return f"/index.php?{urlencode({'title': 'Main_Page', 'dogfood': step})}"


async def _check_enrolled(context: ScenarioContext, session: Session, when: str) -> None:
    """Check that the account is enrolled without a fault, so that a missing enrolment is significant."""
    fetches = await refresh_wiki_configs(context)
    page_visit = await session.open(_new_url(when))
    if await has_fetched(context, fetches, when):
        await context.check(
            f"{when}: enrolled",
            page_visit.group == context.treatment,
            f"the page got group {page_visit.group!r}",
            "config",
        )
    await page_visit.leave()


async def _check_mpic_down(context: ScenarioContext, session: Session, operator: Operator) -> None:
    await operator.stop_mpic()
    try:
        await _check_page(context, session, DOWN)
    finally:
        await operator.start_mpic()


async def _check_page(context: ScenarioContext, session: Session, fault: str) -> None:
    """Check a page that was rendered with MPIC's faulty response; any other page proves nothing."""
    fetches = await refresh_wiki_configs(context, EXPERIMENTS, fault)
    try:
        page_visit = await session.open(_new_url(fault))
    except BrowserError as error:
        if await has_fetched(context, fetches, fault):
            await context.check(f"{fault}: the page loads", False, str(error), "config")
        return
    if await has_fetched(context, fetches, fault) and await _used_response(context, page_visit, fault):
        text = await page_visit.page.locator("#mw-content-text").inner_text()
        await context.check(f"{fault}: the page is readable", "Main Page" in text, f"it says {text[:60]!r}", "config")
        await context.check(
            f"{fault}: nobody is enrolled",
            page_visit.group is None,
            f"the page got {page_visit.user_experiments}",
            "config",
        )
    await page_visit.leave()


async def _used_response(context: ScenarioContext, page_visit: PageVisit, fault: str) -> bool:
    """Return whether the page did not use a cached response of MPIC; while MPIC is down, an enrolment shows one."""
    if fault != DOWN or page_visit.group is None:
        return True
    detail = f"the page got group {page_visit.group!r}, so the wiki used a cached response"
    await context.check(f"{fault}: the wiki asked MPIC", False, detail, "generator")
    return False


SCENARIO = Scenario("mpic-failures", "Do pages stay readable when MPIC fails?", play, isolated=True)
