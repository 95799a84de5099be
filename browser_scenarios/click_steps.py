"""What several scenarios ask of a click: that it counts, once, whatever the page does about it."""

from browser_scenarios.context import ScenarioContext
from browser_scenarios.environment import MAIN_PAGE
from browser_scenarios.session import ELEMENT


async def click_counts_once(stage: ScenarioContext, change: str, clicked: str = ELEMENT) -> None:
    """Change the page, see the element, click, and look whether one click was sent.

    Args:
        stage: that it is played on.
        change: a JavaScript function of the element's selector.
        clicked: selector of what is clicked.
    """
    async with stage.session(stage.casting.take(stage.treatment)) as session:
        reading = await session.open(MAIN_PAGE)
        await reading.page.evaluate(change, ELEMENT)
        await reading.see()
        await reading.page.click(clicked)
        reading.expected["click"] = 1
        await reading.leave()
        await stage.world.recorder.settle()
        count = stage.world.recorder.count(reading.pageview_id, "click")
        await stage.check("the click counts once", count == 1, f"{count} clicks were sent")
