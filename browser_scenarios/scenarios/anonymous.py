"""Anonymous users are not enrolled and send no events."""

from browser_scenarios.context import ScenarioContext
from browser_scenarios.environment import MAIN_PAGE
from browser_scenarios.scenario import Scenario

_WAIT_MS = 1_500


async def play(context: ScenarioContext) -> None:
    """Open a page without logging in."""
    async with context.session(None) as session:
        page_visit = await session.open(MAIN_PAGE)
        await page_visit.page.wait_for_timeout(_WAIT_MS)
        enrolled = page_visit.user_experiments.get("enrolled") or []
        await context.check(
            "nobody is enrolled", not enrolled, f"the page got {page_visit.user_experiments}", "assignment"
        )
        await page_visit.leave()
        await context.environment.recorder.settle()
        count = len(context.environment.recorder.events(page_visit.pageview_id))
        await context.check("no event is sent", count == 0, f"{count} events were sent")


SCENARIO = Scenario("anonymous", "Are anonymous users left out of the experiment?", play)
