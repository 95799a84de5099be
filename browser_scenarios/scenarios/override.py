"""The override `mpo` forces a user's group, by query and by cookie, with each generation's rules."""

from collections.abc import Iterable

from browser_scenarios.chromium import BrowserError
from browser_scenarios.context import ScenarioContext
from browser_scenarios.environment import MAIN_PAGE
from browser_scenarios.scenario import Scenario
from browser_scenarios.session import PageVisit, Session
from contracts.generation import Generation

_QUERY = "/index.php?title=Main_Page&mpo="

#: Names of a logged-in user's cookies, without the wiki's prefix.
_COOKIES = ("UserID", "UserName", "_session")


async def play(context: ScenarioContext) -> None:
    """Override an account outside the sample and one inside, with valid and invalid values."""
    outside, inside = context.account_pool.take(None), context.account_pool.take(context.control)
    async with context.session(outside) as session:
        await _enrols(context, session, "query", _QUERY + _override_value(context, context.treatment))
        name = cookie_name(str(cookie.get("name")) for cookie in await session.context.cookies())
        await session.context.add_cookies(
            [{"name": name, "value": _override_value(context, context.treatment), "url": context.environment.wiki}]
        )
        await _enrols(context, session, "cookie", MAIN_PAGE)
        page_visit = await _read(session, _QUERY + _override_value(context, context.control))
        detail = f"the page got group {page_visit.group!r}"
        await context.check("the query wins over the cookie", page_visit.group == context.control, detail, "assignment")
    async with context.session(inside) as session:
        for problem, value in (
            ("without a value", context.environment.experiment),
            ("empty", ""),
            ("with too many parts", "a:b:c:d:e"),
        ):
            page_visit = await _read(session, _QUERY + value)
            detail = f"the page got group {page_visit.group!r}"
            await context.check(
                f"an override {problem} is ignored", page_visit.group == context.control, detail, "assignment"
            )
        unknown = await _read(session, _QUERY + _override_value(context, "no-such-group"))
        # Alpha accepts an unknown group and enrols the user in no group; later generations ignore it.
        expected = None if context.environment.generation is Generation.ALPHA else context.control
        detail = f"the page got group {unknown.group!r}"
        await context.check("an unknown group does not enrol", unknown.group == expected, detail, "assignment")


def cookie_name(cookies: Iterable[str]) -> str:
    """Return the full name of the cookie `mpo`, with the wiki's prefix, which the names of other *cookies* have.

    Raises:
        BrowserError: no cookie of a session is among them.
    """
    for name in cookies:
        for ending in _COOKIES:
            if name.endswith(ending):
                return f"{name.removesuffix(ending)}mpo"
    raise BrowserError("the wiki has set no session cookie, so its cookies' prefix is not known")


async def _enrols(context: ScenarioContext, session: Session, source: str, path: str) -> None:
    environment = context.environment
    page_visit = await _read(session, path)
    detail = f"the page got group {page_visit.group!r}"
    await context.check(f"the {source} enrols", page_visit.group == context.treatment, detail, "assignment")
    await environment.recorder.settle()
    count = environment.recorder.count(page_visit.pageview_id, "impression")
    expected = 1 if environment.generation is Generation.ALPHA else 0
    step = "events are sent" if expected else "no event is sent"
    await context.check(f"{step} ({source})", count == expected, f"{count} impressions were sent")


async def _read(session: Session, path: str) -> PageVisit:
    page_visit = await session.open(path)
    await page_visit.see()
    if not page_visit.measured:
        await page_visit.page.wait_for_timeout(500)
    await page_visit.leave()
    return page_visit


def _override_value(context: ScenarioContext, group: str) -> str:
    environment = context.environment
    words = (
        [environment.experiment, environment.feature, group]
        if environment.generation is Generation.ALPHA
        else [environment.experiment, group]
    )
    return ":".join(words)


SCENARIO = Scenario("override", "Do overrides follow the generation's rules?", play, isolated=True)
