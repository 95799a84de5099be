"""An instrument that is started twice on one element counts once."""

from browser_scenarios.context import ScenarioContext
from browser_scenarios.environment import MAIN_PAGE
from browser_scenarios.scenario import Scenario
from browser_scenarios.session import ELEMENT

_START_AGAIN = """async ([client, settings]) => {
    const exported = (await mw.loader.using(client))(client);
    return exported && exported.start ? exported.start(settings) : null;
}"""


async def play(stage: ScenarioContext) -> None:
    """Start the instrument again, see the element, click it."""
    world = stage.world
    async with stage.session(stage.casting.take(stage.treatment)) as session:
        reading = await session.open(MAIN_PAGE)
        await reading.see()
        name = world.plan.settings.parsed_instrument().name
        settings = {
            "experiment": world.experiment, "instrument": name, "stream": world.stream, "selector": ELEMENT,
            "element": world.plan.settings.element,
        }  # fmt: skip
        started = await reading.page.evaluate(_START_AGAIN, [reading.client, settings])
        if started is None:
            await stage.check("start again", True, f"{reading.client} cannot be started from outside: not looked at")
        await reading.click()
        await reading.leave()
        await world.recorder.settle()
        counts = {action: world.recorder.count(reading.pageview_id, action) for action in ("impression", "click")}
        right = counts == {"impression": 1, "click": 1}
        told = ", ".join(f"{count} {action}s" for action, count in counts.items())
        await stage.check("impression and click count once", right, f"{told} were sent")


SCENARIO = Scenario("double-start", "Does an instrument that is started twice count once?", play)
