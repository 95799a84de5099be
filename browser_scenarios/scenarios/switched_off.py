"""The operator switches the experiment off in MPIC's UI, and on again: the wiki follows within its cache's time."""

from browser_scenarios.context import ScenarioContext
from browser_scenarios.environment import MAIN_PAGE
from browser_scenarios.mpic_ui_steps import operator_page, switch, time_passes
from browser_scenarios.scenario import Scenario
from browser_scenarios.session import Session


async def play(stage: ScenarioContext) -> None:
    """Switch off, look, switch on, look."""
    world = stage.world
    async with stage.session(stage.casting.take(stage.treatment)) as session, operator_page(stage) as page:
        try:
            await switch(page, world, on=False)
            await _expect(stage, session, "switched off", None)
        finally:
            await switch(page, world, on=True)
        await _expect(stage, session, "switched on again", stage.treatment)


async def _expect(stage: ScenarioContext, session: Session, when: str, group: str | None) -> None:
    # Nobody makes the wiki forget: whether it asks again in time is the question.
    await time_passes(stage)
    reading = await session.open(MAIN_PAGE)
    await reading.see()
    if not reading.measured:
        await reading.page.wait_for_timeout(1_000)
    await reading.leave()
    await stage.world.recorder.settle()
    told = f"the page was told {reading.group!r}"
    await stage.check(f"{when}: the page's group", reading.group == group, told, "config")
    count = len(stage.world.recorder.events(reading.pageview_id))
    await stage.check(f"{when}: events", count == (0 if group is None else 1), f"{count} events were sent")


SCENARIO = Scenario("switched-off", "Does the wiki follow when an experiment is switched off and on?", play, apart=True)
