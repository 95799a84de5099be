"""The operator's own work in MPIC: create, be told what is wrong, switch on, edit, switch off."""

import secrets

from playwright.async_api import Page

from browser_scenarios.context import ScenarioContext
from browser_scenarios.mpic_ui_steps import operator_page
from browser_scenarios.scenario import Scenario
from common.urls import join_path, with_query

_EDITED = "Edited by an operator."

#: What a form needs, as far as it has the field; dates that are long over, so that nobody is enrolled.
_FIELDS = {
    "description": "Made by an operator.", "start": "2020-01-01T14:30", "end": "2020-01-02T14:30",
    "default_rate": "0.1", "stream_name": "dogfood.ui", "owner": "Experiment Platform", "creator": "dogfood",
    "purpose": "Trying MPIC's UI", "task": "T379870", "email_address": "dogfood@example.org",
}  # fmt: skip


async def play(stage: ScenarioContext) -> None:
    """Do it all with an experiment, and with an instrument."""
    async with operator_page(stage) as page:
        for kind, what in (("experiments", "experiment"), ("instruments", "instrument")):
            await _life(stage, page, kind, what)


async def _life(stage: ScenarioContext, page: Page, kind: str, what: str) -> None:
    slug = f"dogfood-ui-{secrets.token_hex(3)}"
    is_experiment = kind == "experiments"
    await page.goto(_new_form(stage.world.mpic, kind, str(stage.world.generation) if is_experiment else ""))
    create = page.get_by_role("button", name=f"Create {what}")
    await create.click()
    problems = page.locator(".notice.error")
    said = (await problems.inner_text()).splitlines()[0] if await problems.count() else "nothing"
    await stage.check(f"{what}: an empty form is refused", said != "nothing", f"it says {said!r}", "config")
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
    if not await stage.check(f"{what}: create", heading == slug, f"the page is headed {heading!r}", "config"):
        return
    for on in (True, False):
        await page.get_by_role("button", name=f"Switch {'on' if on else 'off'}").click()
        tag = await page.locator("main .tag").first.inner_text()
        told = f"it is shown as {tag!r}"
        await stage.check(
            f"{what}: switch {'on' if on else 'off'}", tag.lower() == ("on" if on else "off"), told, "config"
        )
    await page.get_by_role("link", name="Edit").click()
    await page.fill("#description", _EDITED)
    await page.get_by_role("button", name="Save changes").click()
    shown = _EDITED in await page.locator("main").inner_text()
    await stage.check(f"{what}: edit", shown, f"the new description is {'' if shown else 'not '}shown", "config")


async def _fill_groups(page: Page) -> None:
    if await page.locator("#features-0-name").count():
        await page.fill("#features-0-name", "colour")
        await page.fill("#features-0-values", "red, blue")
        await page.fill("#features-0-control", "red")
    else:
        await page.fill("#groups", "control\ntreatment")


SCENARIO = Scenario("mpic-ui", "Can an operator do all of the work in MPIC's UI?", play, apart=True)


def _new_form(mpic: str, kind: str, generation: str) -> str:
    form = join_path(mpic, kind, "new")
    return with_query(form, generation=generation) if generation else form
