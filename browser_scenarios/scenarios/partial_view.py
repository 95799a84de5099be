"""An element that is only half in the window does not count as an impression."""

from browser_scenarios.context import ScenarioContext
from browser_scenarios.environment import MAIN_PAGE
from browser_scenarios.scenario import Scenario
from browser_scenarios.session import ELEMENT

#: Longer than the instrument needs to notice an element that is completely in view.
_WAIT_MS = 1_500


async def play(context: ScenarioContext) -> None:
    """Measure the element's position; then open the page in a window that ends in the middle of the element."""
    async with context.session(context.account_pool.take(context.treatment)) as session:
        whole = await session.open(MAIN_PAGE)
        await whole.see()
        box = await whole.page.locator(ELEMENT).bounding_box()
        await whole.leave()
        if not await context.check("the element has a position on the page", box is not None, f"its box is {box}"):
            return
        height = round(box["y"] + box["height"] / 2) if box else 0
        page = await session.context.new_page()
        half = await session.open(MAIN_PAGE, page=page, height=height)
        shown = await half.page.locator(ELEMENT).is_visible()
        await half.page.wait_for_timeout(_WAIT_MS)
        whole_in_view = await half.is_in_view()
        detail = f"on the page: {shown}, completely in view: {whole_in_view}"
        await context.check("the window ends in the element's middle", shown and not whole_in_view, detail, "generator")
        await half.leave()
        await context.environment.recorder.settle()
        count = context.environment.recorder.count(half.pageview_id, "impression")
        await context.check("no impression is sent", count == 0, f"{count} impressions were sent")


SCENARIO = Scenario("partial-view", "Does an element count only when it is completely in view?", play)
