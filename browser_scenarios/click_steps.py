"""Shared steps of scenarios that click the element and check that the click counts once."""

from browser_scenarios.context import ScenarioContext
from browser_scenarios.environment import MAIN_PAGE
from browser_scenarios.session import ELEMENT


async def click_counts_once(context: ScenarioContext, change: str, clicked: str = ELEMENT) -> None:
    """Change the page, view the element, click it, and check that one click event was sent.

    Args:
        context: context of the scenario.
        change: JavaScript function that changes the page, called with the element's selector.
        clicked: selector of the node to click.
    """
    async with context.session(context.account_pool.take(context.treatment)) as session:
        page_visit = await session.open(MAIN_PAGE)
        await page_visit.page.evaluate(change, ELEMENT)
        await page_visit.see()
        await page_visit.page.click(clicked)
        page_visit.expected["click"] = 1
        await page_visit.leave()
        await context.environment.recorder.settle()
        count = context.environment.recorder.count(page_visit.pageview_id, "click")
        await context.check("the click counts once", count == 1, f"{count} clicks were sent")
