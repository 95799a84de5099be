"""A handler of the page that stops the click on its way cannot hide it from the instrument."""

from browser_scenarios.scenario import Scenario
from browser_scenarios.session import ELEMENT
from browser_scenarios.stage import Stage
from browser_scenarios.world import MAIN_PAGE

_STOP = """(selector) => {
    const stop = (event) => { event.stopImmediatePropagation(); event.preventDefault(); };
    document.querySelector(selector).addEventListener('click', stop, true);
    document.addEventListener('click', stop, true);
}"""


async def play(stage: Stage) -> None:
    """Stop the click as early as the page can, and click."""
    async with stage.session(stage.casting.take(stage.treatment)) as session:
        reading = await session.open(MAIN_PAGE)
        await reading.page.evaluate(_STOP, ELEMENT)
        await reading.see()
        await reading.page.click(ELEMENT)
        reading.expected["click"] = 1
        await reading.leave()
        await stage.world.recorder.settle()
        count = stage.world.recorder.count(reading.pageview_id, "click")
        await stage.check("the click counts once", count == 1, f"{count} clicks were sent")


SCENARIO = Scenario("stop-propagation", "Does a click count that the page stops on its way?", play)
