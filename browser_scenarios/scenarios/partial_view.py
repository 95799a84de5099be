"""The element half in the window, never wholly: that is no impression."""

from browser_scenarios.context import ScenarioContext
from browser_scenarios.environment import MAIN_PAGE
from browser_scenarios.scenario import Scenario
from browser_scenarios.session import ELEMENT

#: Longer than the instrument needs to notice an element that is wholly in view.
_WAIT_MS = 1_500


async def play(stage: ScenarioContext) -> None:
    """See the element once, to know where it is; then open the page in a window that ends in its middle."""
    async with stage.session(stage.casting.take(stage.treatment)) as session:
        whole = await session.open(MAIN_PAGE)
        await whole.see()
        box = await whole.page.locator(ELEMENT).bounding_box()
        await whole.leave()
        if not await stage.check("the element has a place on the page", box is not None, f"its box is {box}"):
            return
        height = round(box["y"] + box["height"] / 2) if box else 0
        page = await session.context.new_page()
        half = await session.open(MAIN_PAGE, page=page, height=height)
        shown = await half.page.locator(ELEMENT).is_visible()
        await half.page.wait_for_timeout(_WAIT_MS)
        whole_in_view = await half.is_in_view()
        told = f"on the page: {shown}, wholly in view: {whole_in_view}"
        await stage.check("the window ends in the element's middle", shown and not whole_in_view, told, "generator")
        await half.leave()
        await stage.world.recorder.settle()
        count = stage.world.recorder.count(half.pageview_id, "impression")
        await stage.check("no impression is sent", count == 0, f"{count} impressions were sent")


SCENARIO = Scenario("partial-view", "Is an element that is only half in view no impression?", play)
