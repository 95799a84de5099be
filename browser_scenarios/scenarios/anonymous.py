"""Readers without an account take part in nothing and send nothing."""

from browser_scenarios.context import ScenarioContext
from browser_scenarios.environment import MAIN_PAGE
from browser_scenarios.scenario import Scenario

_WAIT_MS = 1_500


async def play(stage: ScenarioContext) -> None:
    """Read a page without logging in."""
    async with stage.session(None) as session:
        reading = await session.open(MAIN_PAGE)
        await reading.page.wait_for_timeout(_WAIT_MS)
        enrolled = reading.told.get("enrolled") or []
        await stage.check("nobody is enrolled", not enrolled, f"the page was told {reading.told}", "assignment")
        await reading.leave()
        await stage.world.recorder.settle()
        count = len(stage.world.recorder.events(reading.pageview_id))
        await stage.check("no event is sent", count == 0, f"{count} events were sent")


SCENARIO = Scenario("anonymous", "Are readers without an account left alone?", play)
