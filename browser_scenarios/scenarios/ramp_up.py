"""The operator raises the sample rate in MPIC's UI: more users take part, and those who did keep their groups."""

from browser_scenarios.context import ScenarioContext
from browser_scenarios.environment import MAIN_PAGE
from browser_scenarios.mpic_ui_steps import has_asked, operator_page, set_rate, wiki_follows
from browser_scenarios.scenario import Scenario
from browser_scenarios.session import Session
from contracts.assignment import assign
from contracts.profiles import profile_of

_RAISED = 1.0


async def play(stage: ScenarioContext) -> None:
    """Raise the rate to everybody, look at accounts in and outside the sample, and lower it again."""
    world = stage.world
    plan = world.plan
    cast = {group: stage.casting.take(group) for group in (*stage.groups(), None)}
    async with operator_page(stage) as page:
        try:
            await set_rate(page, world, _RAISED)
            fetches = await wiki_follows(stage)
            proven = False
            for group, account in cast.items():
                who = getattr(account, profile_of(plan.settings.generation).identifier.account_id)
                raised = assign(
                    plan.settings.generation, who, plan.experiment.name, plan.experiment.groups, _RAISED
                ).group
                async with stage.session(account) as session:
                    found = await _group(session)
                proven = proven or await has_asked(stage, fetches, "at the raised rate")
                if not proven:
                    break
                step = f"one {'outside the sample' if group is None else f'in group {group!r}'} at the raised rate"
                await stage.check(step, found == raised and group in (None, raised), f"told {found!r}", "assignment")
        finally:
            await set_rate(page, world, plan.rate)
        fetches = await wiki_follows(stage)
        proven = False
        for group, account in cast.items():
            async with stage.session(account) as session:
                found = await _group(session)
            proven = proven or await has_asked(stage, fetches, "again at the old rate")
            if not proven:
                break
            await stage.check(
                f"{group or 'not in the sample'!r} again at the old rate",
                found == group,
                f"told {found!r}",
                "assignment",
            )


async def _group(session: Session) -> str | None:
    reading = await session.open(MAIN_PAGE)
    await reading.leave()
    return reading.group


SCENARIO = Scenario("ramp-up", "Do those who are enrolled keep their groups when the rate is raised?", play, apart=True)
