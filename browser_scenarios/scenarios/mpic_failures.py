"""MPIC slow, down, or talking nonsense: pages stay readable, and nobody is enrolled."""

from browser_scenarios.chromium import BrowserError
from browser_scenarios.operating import wiki_follows
from browser_scenarios.scenario import Scenario
from browser_scenarios.session import Session
from browser_scenarios.stage import Stage
from browser_scenarios.world import MAIN_PAGE, Operator


async def play(stage: Stage) -> None:
    """Let MPIC misbehave in every way there is, and look at a page each time."""
    operator = stage.world.operator
    if operator is None:
        await stage.check("misbehave", True, "this MPIC is not ours to break: not looked at", "config")
        return
    async with stage.session(stage.casting.take(stage.treatment)) as session:
        await _well(stage, session, "before")
        for how in await operator.misbehaviours():
            await operator.misbehave(how)
            try:
                await _look(stage, session, how)
            finally:
                await operator.misbehave("")
            await _well(stage, session, f"after {how!r}")
        await _down(stage, session, operator)
        await _well(stage, session, "after MPIC was down")


async def _well(stage: Stage, session: Session, when: str) -> None:
    """See that the account is enrolled, so that its not being enrolled would tell something."""
    await wiki_follows(stage.world)
    reading = await session.open(MAIN_PAGE)
    await stage.check(f"{when}: enrolled", reading.group == stage.treatment, f"told {reading.group!r}", "config")
    await reading.leave()


async def _down(stage: Stage, session: Session, operator: Operator) -> None:
    await operator.stop_mpic()
    try:
        await _look(stage, session, "down")
    finally:
        await operator.start_mpic()


async def _look(stage: Stage, session: Session, how: str) -> None:
    await wiki_follows(stage.world)
    try:
        reading = await session.open(MAIN_PAGE)
    except BrowserError as error:
        await stage.check(f"{how}: the page is there", False, str(error), "exposure")
        return
    text = await reading.page.locator("#mw-content-text").inner_text()
    await stage.check(f"{how}: the page is readable", "Main Page" in text, f"it says {text[:60]!r}", "exposure")
    await stage.check(f"{how}: nobody is enrolled", reading.group is None, f"told {reading.told}", "config")
    await reading.leave()


SCENARIO = Scenario("mpic-failures", "Do pages stay readable whatever MPIC does?", play, apart=True)
