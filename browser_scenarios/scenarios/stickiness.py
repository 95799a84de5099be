"""One account keeps its group: in a second browser, after logging out and in again, on other pages."""

from browser_scenarios.context import ScenarioContext
from browser_scenarios.environment import MAIN_PAGE
from browser_scenarios.scenario import Scenario
from browser_scenarios.session import Session


async def play(stage: ScenarioContext) -> None:
    """Look at one account of each group, and one outside the sample, wherever it may turn up."""
    for group in (*stage.groups(), None):
        account = stage.casting.take(group)
        seen: dict[str, str | None] = {}
        async with stage.session(account) as session:
            seen["first browser"] = await _look(session, MAIN_PAGE)
            seen["another page"] = await _look(session, stage.world.journeys.pages[-1].path)
            await session.log_out()
            await session.log_in()
            seen["after logging out and in"] = await _look(session, MAIN_PAGE)
        async with stage.session(account) as session:
            seen["second browser"] = await _look(session, MAIN_PAGE)
        told = ", ".join(f"{where}: {found or 'not in the sample'}" for where, found in seen.items())
        same = set(seen.values()) == {group}
        await stage.check(f"an account {_kind(group)} stays there", same, told, "assignment")


def _kind(group: str | None) -> str:
    return "outside the sample" if group is None else f"in group {group!r}"


async def _look(session: Session, path: str) -> str | None:
    reading = await session.open(path)
    await reading.see()
    await reading.leave()
    return reading.group


SCENARIO = Scenario("stickiness", "Does an account keep its group wherever it turns up?", play)
