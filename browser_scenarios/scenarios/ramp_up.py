"""The operator raises the sample rate in MPIC's UI: more users are enrolled, and enrolled users keep their groups."""

from browser_scenarios.context import ScenarioContext
from browser_scenarios.environment import MAIN_PAGE
from browser_scenarios.mpic_ui_steps import has_fetched, operator_page, refresh_wiki_configs, set_rate
from browser_scenarios.scenario import Scenario
from browser_scenarios.session import Session
from contracts.assignment import assign
from contracts.profiles import profile_of

_RAISED = 1.0


async def play(context: ScenarioContext) -> None:
    """Raise the rate to 1, check accounts inside and outside the sample, and lower it again."""
    environment = context.environment
    plan = environment.plan
    accounts = {group: context.account_pool.take(group) for group in (*context.groups(), None)}
    async with operator_page(context) as page:
        try:
            await set_rate(page, environment, _RAISED)
            fetches = await refresh_wiki_configs(context)
            proven = False
            for group, account in accounts.items():
                account_id = getattr(account, profile_of(plan.settings.generation).identifier.account_id)
                raised = assign(
                    plan.settings.generation, account_id, plan.experiment.name, plan.experiment.groups, _RAISED
                ).group
                async with context.session(account) as session:
                    group_now = await _group(session)
                proven = proven or await has_fetched(context, fetches, "at the raised rate")
                if not proven:
                    break
                step = f"account {'outside the sample' if group is None else f'in group {group!r}'} at the raised rate"
                await context.check(
                    step,
                    group_now == raised and group in (None, raised),
                    f"the page got group {group_now!r}",
                    "assignment",
                )
        finally:
            await set_rate(page, environment, plan.rate)
        fetches = await refresh_wiki_configs(context)
        proven = False
        for group, account in accounts.items():
            async with context.session(account) as session:
                group_now = await _group(session)
            proven = proven or await has_fetched(context, fetches, "again at the old rate")
            if not proven:
                break
            await context.check(
                f"{group or 'not in the sample'!r} again at the old rate",
                group_now == group,
                f"the page got group {group_now!r}",
                "assignment",
            )


async def _group(session: Session) -> str | None:
    page_visit = await session.open(MAIN_PAGE)
    await page_visit.leave()
    return page_visit.group


SCENARIO = Scenario("ramp-up", "Do enrolled users keep their groups when the rate is raised?", play, isolated=True)
