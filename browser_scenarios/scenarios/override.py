"""`mpo` puts a user into a group by hand: by query and by cookie, as each generation has it."""

from collections.abc import Iterable

from browser_scenarios.chromium import BrowserError
from browser_scenarios.context import ScenarioContext
from browser_scenarios.environment import MAIN_PAGE
from browser_scenarios.scenario import Scenario
from browser_scenarios.session import PageVisit, Session
from contracts.assignment import Generation

_QUERY = "/index.php?title=Main_Page&mpo="

#: Cookies that every wiki sets for a logged-in user, without its prefix.
_COOKIES = ("UserID", "UserName", "_session")


async def play(stage: ScenarioContext) -> None:
    """Override somebody who is not in the sample, and somebody who is; rightly and wrongly spelt."""
    outside, inside = stage.casting.take(None), stage.casting.take(stage.control)
    async with stage.session(outside) as session:
        await _enrols(stage, session, "query", _QUERY + _asked(stage, stage.treatment))
        name = cookie_name(str(cookie.get("name")) for cookie in await session.context.cookies())
        await session.context.add_cookies(
            [{"name": name, "value": _asked(stage, stage.treatment), "url": stage.world.wiki}]
        )
        await _enrols(stage, session, "cookie", MAIN_PAGE)
        reading = await _read(session, _QUERY + _asked(stage, stage.control))
        told = f"the page was told {reading.group!r}"
        await stage.check("the query wins over the cookie", reading.group == stage.control, told, "assignment")
    async with stage.session(inside) as session:
        for what, value in (
            ("without a value", stage.world.experiment),
            ("empty", ""),
            ("with too many parts", "a:b:c:d:e"),
        ):
            reading = await _read(session, _QUERY + value)
            told = f"the page was told {reading.group!r}"
            await stage.check(f"an override {what} is ignored", reading.group == stage.control, told, "assignment")
        unknown = await _read(session, _QUERY + _asked(stage, "no-such-group"))
        # Alpha takes the asker at his word and enrols him in nothing; later an unknown group is ignored.
        expected = None if stage.world.generation is Generation.ALPHA else stage.control
        told = f"the page was told {unknown.group!r}"
        await stage.check("an unknown group enrols nobody by hand", unknown.group == expected, told, "assignment")


def cookie_name(cookies: Iterable[str]) -> str:
    """Return what the wiki calls the cookie `mpo`: with its prefix, which the names of its other *cookies* show.

    Raises:
        BrowserError: none of them is one of a session.
    """
    for name in cookies:
        for ending in _COOKIES:
            if name.endswith(ending):
                return f"{name.removesuffix(ending)}mpo"
    raise BrowserError("the wiki has set no cookie of a session, so its cookies' prefix is not known")


async def _enrols(stage: ScenarioContext, session: Session, how: str, path: str) -> None:
    world = stage.world
    reading = await _read(session, path)
    told = f"the page was told {reading.group!r}"
    await stage.check(f"the {how} enrols", reading.group == stage.treatment, told, "assignment")
    await world.recorder.settle()
    count = world.recorder.count(reading.pageview_id, "impression")
    wanted = 1 if world.generation is Generation.ALPHA else 0
    step = "events are sent" if wanted else "no event is sent"
    await stage.check(f"{step} ({how})", count == wanted, f"{count} impressions were sent")


async def _read(session: Session, path: str) -> PageVisit:
    reading = await session.open(path)
    await reading.see()
    if not reading.measured:
        await reading.page.wait_for_timeout(500)
    await reading.leave()
    return reading


def _asked(stage: ScenarioContext, group: str) -> str:
    world = stage.world
    words = (
        [world.experiment, world.feature, group] if world.generation is Generation.ALPHA else [world.experiment, group]
    )
    return ":".join(words)


SCENARIO = Scenario("override", "Do overrides do what the generation's rules say, and no more?", play, apart=True)
