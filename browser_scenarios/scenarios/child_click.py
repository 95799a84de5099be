"""A click on something inside the element is a click on the element, once."""

from browser_scenarios.scenario import Scenario
from browser_scenarios.session import ELEMENT
from browser_scenarios.stage import Stage
from browser_scenarios.world import MAIN_PAGE

_ADD_CHILD = """(selector) => {
    const child = document.createElement('span');
    child.id = 'dogfood-child';
    child.textContent = ' ⚑';
    document.querySelector(selector).appendChild(child);
}"""


async def play(stage: Stage) -> None:
    """Put something into the element, and click that."""
    async with stage.session(stage.casting.take(stage.treatment)) as session:
        reading = await session.open(MAIN_PAGE)
        await reading.page.evaluate(_ADD_CHILD, ELEMENT)
        await reading.see()
        await reading.page.click("#dogfood-child")
        reading.expected["click"] = 1
        await reading.leave()
        await stage.world.recorder.settle()
        count = stage.world.recorder.count(reading.pageview_id, "click")
        await stage.check("the click counts once", count == 1, f"{count} clicks were sent")


SCENARIO = Scenario("child-click", "Does a click on a part of the element count, once?", play)
