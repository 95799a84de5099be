"""MPIC slow, down, or talking nonsense: pages stay readable, and nobody is enrolled."""

from urllib.parse import urlencode

from browser_scenarios.chromium import BrowserError
from browser_scenarios.context import ScenarioContext
from browser_scenarios.environment import Operator
from browser_scenarios.mpic_ui_steps import DOWN, EXPERIMENTS, has_asked, wiki_follows
from browser_scenarios.scenario import Scenario
from browser_scenarios.session import PageVisit, Session


async def play(stage: ScenarioContext) -> None:
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


def _fresh(step: str) -> str:
    """Return an address of the main page that the browser has not been to, so that it has no page to use again."""
    return f"/index.php?{urlencode({'title': 'Main_Page', 'dogfood': step})}"


async def _well(stage: ScenarioContext, session: Session, when: str) -> None:
    """See that the account is enrolled, so that its not being enrolled would tell something."""
    fetches = await wiki_follows(stage)
    reading = await session.open(_fresh(when))
    if await has_asked(stage, fetches, when):
        await stage.check(f"{when}: enrolled", reading.group == stage.treatment, f"told {reading.group!r}", "config")
    await reading.leave()


async def _down(stage: ScenarioContext, session: Session, operator: Operator) -> None:
    await operator.stop_mpic()
    try:
        await _look(stage, session, DOWN)
    finally:
        await operator.start_mpic()


async def _look(stage: ScenarioContext, session: Session, how: str) -> None:
    """Look at a page that was made with MPIC's bad answer; one that was made without it shows nothing."""
    fetches = await wiki_follows(stage, EXPERIMENTS, how)
    try:
        reading = await session.open(_fresh(how))
    except BrowserError as error:
        if await has_asked(stage, fetches, how):
            await stage.check(f"{how}: the page is there", False, str(error), "config")
        return
    if await has_asked(stage, fetches, how) and await _used_it(stage, reading, how):
        text = await reading.page.locator("#mw-content-text").inner_text()
        await stage.check(f"{how}: the page is readable", "Main Page" in text, f"it says {text[:60]!r}", "config")
        await stage.check(f"{how}: nobody is enrolled", reading.group is None, f"told {reading.told}", "config")
    await reading.leave()


async def _used_it(stage: ScenarioContext, reading: PageVisit, how: str) -> bool:
    """Return whether the page was made without an earlier answer of MPIC; while MPIC is down, its group tells that."""
    if how != DOWN or reading.group is None:
        return True
    told = f"the page was told {reading.group!r}, so the wiki used an answer that it had before"
    await stage.check(f"{how}: the wiki asked MPIC", False, told, "generator")
    return False


SCENARIO = Scenario("mpic-failures", "Do pages stay readable whatever MPIC does?", play, apart=True)
