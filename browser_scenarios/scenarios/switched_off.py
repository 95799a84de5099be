"""The operator switches the experiment off in MPIC's UI, and on again: the wiki follows when its cache expires."""

from browser_scenarios.context import ScenarioContext
from browser_scenarios.environment import MAIN_PAGE
from browser_scenarios.mpic_ui_steps import operator_page, switch, wait_for_cache_expiry
from browser_scenarios.scenario import Scenario
from browser_scenarios.session import Session


async def play(context: ScenarioContext) -> None:
    """Switch off, check a page, switch on, check again."""
    environment = context.environment
    async with context.session(context.account_pool.take(context.treatment)) as session, operator_page(context) as page:
        try:
            await switch(page, environment, on=False)
            await _expect(context, session, "switched off", None)
        finally:
            await switch(page, environment, on=True)
        await _expect(context, session, "switched on again", context.treatment)


async def _expect(context: ScenarioContext, session: Session, when: str, group: str | None) -> None:
    # The cache is not deleted here: the wiki has to fetch again in time.
    await wait_for_cache_expiry(context)
    page_visit = await session.open(MAIN_PAGE)
    await page_visit.see()
    if not page_visit.measured:
        await page_visit.page.wait_for_timeout(1_000)
    await page_visit.leave()
    await context.environment.recorder.settle()
    detail = f"the page got group {page_visit.group!r}"
    await context.check(f"{when}: the page's group", page_visit.group == group, detail, "config")
    count = len(context.environment.recorder.events(page_visit.pageview_id))
    await context.check(f"{when}: events", count == (0 if group is None else 1), f"{count} events were sent")


SCENARIO = Scenario(
    "switched-off", "Does the wiki follow when an experiment is switched off and on?", play, isolated=True
)
