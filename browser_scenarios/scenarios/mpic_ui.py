"""The operator's work in MPIC: create, correct an invalid form, switch on, switch off, edit."""

import secrets

from playwright.async_api import Page

from browser_scenarios.context import ScenarioContext
from browser_scenarios.mpic_ui_steps import operator_page
from browser_scenarios.scenario import Scenario
from common.urls import join_path, with_query

_EDITED = "Edited by an operator."

#: Values of form fields; a form may lack some. The dates are in the past, so that nobody is enrolled.
_FIELDS = {
    "description": "Made by an operator.", "start": "2020-01-01T14:30", "end": "2020-01-02T14:30",
    "default_rate": "0.1", "stream_name": "dogfood.ui", "owner": "Experiment Platform", "creator": "dogfood",
    "purpose": "Trying MPIC's UI", "task": "T379870", "email_address": "dogfood@example.org",
}  # fmt: skip


async def play(context: ScenarioContext) -> None:
    """Perform all steps with an experiment, and with an instrument."""
    async with operator_page(context) as page:
        for kind, singular in (("experiments", "experiment"), ("instruments", "instrument")):
            await _check_kind(context, page, kind, singular)


async def _check_kind(context: ScenarioContext, page: Page, kind: str, singular: str) -> None:
    slug = f"dogfood-ui-{secrets.token_hex(3)}"
    is_experiment = kind == "experiments"
    await page.goto(
        _new_form(context.environment.mpic, kind, str(context.environment.generation) if is_experiment else "")
    )
    create = page.get_by_role("button", name=f"Create {singular}")
    await create.click()
    problems = page.locator(".notice.error")
    message = (await problems.inner_text()).splitlines()[0] if await problems.count() else "nothing"
    await context.check(
        f"{singular}: an empty form is rejected", message != "nothing", f"the message is {message!r}", "config"
    )
    for field, text in _FIELDS.items():
        if await page.locator(f"#{field}").count():
            await page.fill(f"#{field}", text)
    for field in ("slug", "name"):
        if await page.locator(f"#{field}").count():
            await page.fill(f"#{field}", slug)
    if is_experiment:
        await _fill_groups(page)
    await create.click()
    heading = await page.locator("h1").inner_text()
    if not await context.check(f"{singular}: create", heading == slug, f"the heading is {heading!r}", "config"):
        return
    for on in (True, False):
        await page.get_by_role("button", name=f"Switch {'on' if on else 'off'}").click()
        tag = await page.locator("main .tag").first.inner_text()
        detail = f"the status is {tag!r}"
        await context.check(
            f"{singular}: switch {'on' if on else 'off'}", tag.lower() == ("on" if on else "off"), detail, "config"
        )
    await page.get_by_role("link", name="Edit").click()
    await page.fill("#description", _EDITED)
    await page.get_by_role("button", name="Save changes").click()
    shown = _EDITED in await page.locator("main").inner_text()
    await context.check(f"{singular}: edit", shown, f"the new description is {'' if shown else 'not '}shown", "config")


async def _fill_groups(page: Page) -> None:
    if await page.locator("#features-0-name").count():
        await page.fill("#features-0-name", "colour")
        await page.fill("#features-0-values", "red, blue")
        await page.fill("#features-0-control", "red")
    else:
        await page.fill("#groups", "control\ntreatment")


SCENARIO = Scenario("mpic-ui", "Can an operator do all work in MPIC's UI?", play, isolated=True)


def _new_form(mpic: str, kind: str, generation: str) -> str:
    form = join_path(mpic, kind, "new")
    return with_query(form, generation=generation) if generation else form
