"""An instrument that starts twice on one element counts each event once."""

from browser_scenarios.context import ScenarioContext
from browser_scenarios.environment import MAIN_PAGE
from browser_scenarios.scenario import Scenario
from browser_scenarios.session import ELEMENT

_START_AGAIN = """async ([client, settings]) => {
    const exported = (await mw.loader.using(client))(client);
    return exported && exported.start ? exported.start(settings) : null;
}"""


async def play(context: ScenarioContext) -> None:
    """Start the instrument again, view the element, click it."""
    environment = context.environment
    async with context.session(context.account_pool.take(context.treatment)) as session:
        page_visit = await session.open(MAIN_PAGE)
        await page_visit.see()
        name = environment.plan.settings.parsed_instrument().name
        settings = {
            "experiment": environment.experiment, "instrument": name, "stream": environment.stream, "selector": ELEMENT,
            "element": environment.plan.settings.element,
        }  # fmt: skip
        started = await page_visit.page.evaluate(_START_AGAIN, [page_visit.client, settings])
        if started is None:
            await context.check(
                "start again", True, f"{page_visit.client} cannot be started by the scenario: not tested"
            )
        await page_visit.click()
        await page_visit.leave()
        await environment.recorder.settle()
        counts = {
            action: environment.recorder.count(page_visit.pageview_id, action) for action in ("impression", "click")
        }
        ok = counts == {"impression": 1, "click": 1}
        detail = ", ".join(f"{count} {action}s" for action, count in counts.items())
        await context.check("impression and click count once", ok, f"{detail} were sent")


SCENARIO = Scenario("double-start", "Does an instrument that starts twice count once?", play)
