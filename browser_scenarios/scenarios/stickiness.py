"""An account keeps its group: in a second browser, after logging out and in again, on other pages."""

from browser_scenarios.context import ScenarioContext
from browser_scenarios.environment import MAIN_PAGE
from browser_scenarios.scenario import Scenario
from browser_scenarios.session import Session


async def play(context: ScenarioContext) -> None:
    """Check one account of each group, and one outside the sample, in several situations."""
    for group in (*context.groups(), None):
        account = context.account_pool.take(group)
        groups: dict[str, str | None] = {}
        async with context.session(account) as session:
            groups["first browser"] = await _group(session, MAIN_PAGE)
            groups["another page"] = await _group(session, context.environment.journeys.pages[-1].path)
            await session.log_out()
            await session.log_in()
            groups["after logging out and in"] = await _group(session, MAIN_PAGE)
        async with context.session(account) as session:
            groups["second browser"] = await _group(session, MAIN_PAGE)
        detail = ", ".join(
            f"{situation}: {seen_group or 'not in the sample'}" for situation, seen_group in groups.items()
        )
        same = set(groups.values()) == {group}
        await context.check(f"an account {_kind(group)} stays there", same, detail, "assignment")


def _kind(group: str | None) -> str:
    return "outside the sample" if group is None else f"in group {group!r}"


async def _group(session: Session, path: str) -> str | None:
    page_visit = await session.open(path)
    await page_visit.see()
    await page_visit.leave()
    return page_visit.group


SCENARIO = Scenario("stickiness", "Does an account keep its group in every situation?", play)
