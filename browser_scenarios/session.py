"""One reader's browser: logged in or not, reading pages of the wiki, and noting what it saw."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import orjson
from playwright.async_api import BrowserContext, Page, Request, Response
from playwright.async_api import Error as PlaywrightError

from browser_scenarios.chromium import BrowserError
from browser_scenarios.environment import Environment
from browser_scenarios.failure_cause import SERVER_ERROR, in_time
from common.urls import join_path, with_query
from contracts.profiles import profile_of
from contracts.streams import client_stream_config, in_stream_sample
from contracts.wiki_page import page_experiments
from run_record.accounts import TestAccount
from run_record.page_views import PageView, is_overridden, page_group
from run_record.roster import Fidelity

#: What the first production test measured: the control that unpins the main menu.
ELEMENT = '[data-pinnable-element-id="vector-main-menu"] .vector-pinnable-header-unpin-button'

#: The client's modules: of the testbed's own extension; what the testbed starts the real instrument with; the real one.
_CLIENTS = ("ext.experimentPlatform", "testbed.instruments", "ext.wikimediaEvents")

#: Widths of windows, with and without room for the pinned menu.
_WIDE, _NARROW = 1280, 700

_IN_VIEW_WITHIN_S = 6.0
_UNPINNED_WITHIN_MS = 3_000
_POLL_S = 0.02

_READ = """async (clients) => {
    const ready = () => window.mw && mw.loader && mw.loader.using;
    while (!ready()) { await new Promise((done) => { setTimeout(done, 5); }); }
    const client = clients.find((name) => mw.loader.getState(name));
    if (client) { await mw.loader.using(client); }
    await mw.loader.using('mediawiki.user');
    return {
        client: client || '',
        told: mw.config.get('wgMetricsPlatformUserExperiments'),
        title: mw.config.get('wgTitle'),
        userId: mw.config.get('wgUserId') || 0,
        pageview: mw.user.getPageviewToken(),
        session: mw.user.sessionId(),
    };
}"""

#: Whether the page has the element, with a size.
_HAS_ELEMENT = """(selector) => {
    const box = document.querySelector(selector)?.getBoundingClientRect();
    return Boolean(box && box.width > 0 && box.height > 0);
}"""

#: Resolves when the page had time to spare and two pictures were drawn: what is in view was noticed by then.
_HAD_TIME = """() => new Promise((done) => {
    mw.requestIdleCallback(() => requestAnimationFrame(() => requestAnimationFrame(done)));
})"""

_IS_IN_VIEW = """(selector) => {
    const node = document.querySelector(selector);
    if (!node) { return false; }
    const box = node.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && box.top >= 0 && box.left >= 0
        && box.bottom <= window.innerHeight && box.right <= window.innerWidth;
}"""

#: Posts a form to the API with a fresh token; returns the answer's status, 0 for a redirect, which is not followed.
_CALL_API = """async ({ address, tokens, form }) => {
    const asked = await fetch(tokens, { redirect: 'manual' });
    const token = (await asked.json()).query.tokens.csrftoken;
    const body = new URLSearchParams({ ...form, token });
    return (await fetch(address, { method: 'POST', body, redirect: 'manual' })).status;
}"""


class PageVisit:
    """One page view, from the page being shown until it is left.

    Attributes:
        page: Playwright's page.
        client: the JavaScript module that measures; empty when the wiki has none.
        told: what the page was told of its user's experiments.
        pageview_id, session_id: the client's tokens.
        way: how the page is left, where that is compared.
        expected: how many events of each action the page view should make; kept up by what the reader does.
    """

    def __init__(self, session: "Session", page: Page, said: Mapping[str, object]) -> None:
        self._session = session
        self.page = page
        self.client = str(said["client"])
        self.told = page_experiments({"wgMetricsPlatformUserExperiments": said["told"]})
        self.title = str(said["title"])
        self.pageview_id = str(said["pageview"])
        self.session_id = str(said["session"])
        self.user_id = int(str(said["userId"]))
        self.way = ""
        self.expected: dict[str, int] = {}
        self._at_ms = int(time.time() * 1000)
        self._noted = False

    @property
    def group(self) -> str | None:
        """The group that the page was told; None when its user takes no part."""
        world = self._session.world
        return page_group(self.told, world.generation, world.experiment, world.feature)

    @property
    def measured(self) -> bool:
        """Whether the client should send events of this page view."""
        world = self._session.world
        stream = world.streams.get(world.stream)
        if stream is None or not self.client or self.group is None or is_overridden(self.told, world.experiment):
            return False
        known = client_stream_config(stream, profile_of(world.generation))
        return in_stream_sample(known, self.pageview_id, self.session_id)

    async def is_in_view(self) -> bool:
        """Return whether the element is wholly in the window."""
        return bool(await self.page.evaluate(_IS_IN_VIEW, ELEMENT))

    async def see(self) -> None:
        """Let the element come into view and the instrument notice; a measured page view then owes an impression."""
        try:
            await self.page.locator(ELEMENT).scroll_into_view_if_needed(timeout=self._within_ms)
        except PlaywrightError as error:
            await self._call_missing_element(error)
            raise
        if self.measured and await self.is_in_view():
            self.expected["impression"] = 1
            await self._noticed()

    async def click(self, *, settle: bool = True) -> None:
        """Click the element, as a person would; a measured page view then owes one more click.

        Args:
            settle: wait until the wiki has saved that the menu is unpinned, so that the next page knows.
        """
        if self.measured:
            self.expected["click"] = self.expected.get("click", 0) + 1
        element = self.page.locator(ELEMENT)
        if not settle:
            await element.click(timeout=self._within_ms)
            return
        clicked = False
        try:
            async with self.page.expect_response(lambda answer: "/api.php" in answer.url, timeout=_UNPINNED_WITHIN_MS):
                await element.click(timeout=self._within_ms)
                clicked = True
        except PlaywrightError as error:
            # Whether the wiki keeps the preference is not what is measured; the next page shows it.
            if not clicked:
                await self._call_missing_element(error)
                raise

    @property
    def _within_ms(self) -> float:
        return self._session.world.page_within_s * 1000

    async def _call_missing_element(self, error: PlaywrightError) -> None:
        """Raise BrowserError when the page is ready and has no element; otherwise *error* was not the wiki's doing."""
        try:
            there = await in_time(self.page.evaluate(_HAS_ELEMENT, ELEMENT), self._within_ms / 1000)
        except (PlaywrightError, TimeoutError):
            return
        if not there:
            raise BrowserError(f"{self.title}: the page does not show the instrumented element") from error

    async def leave(self) -> None:
        """Close the tab, and write down what was seen."""
        await self.hint()
        self._stayed_ms = int(time.time() * 1000) - self._at_ms
        await self.page.close(run_before_unload=False)
        self.note()

    async def hint(self) -> Mapping[str, int]:
        """Remember how many beacons of each action the page itself has seen leaving until now."""
        try:
            bodies = await self.page.evaluate("() => window.__witness ? window.__witness.beacons : []")
        except PlaywrightError:
            bodies = []
        self._page_saw = _count([body.encode() for body in bodies], self.pageview_id)
        return self._page_saw

    _page_saw: Mapping[str, int] = {}
    _stayed_ms: int | None = None

    def note(self) -> None:
        """Write this page view down, once; scenarios that are played apart leave nothing in the run."""
        world = self._session.world
        if self._noted or world.recorder.apart:
            return
        self._noted = True
        world.noted.add(self.pageview_id)
        world.views.write(
            PageView(
                visit=world.visit_of(self.user_id), fidelity=Fidelity.BROWSER, scenario=self._session.scenario,
                way=self.way, session=self._session.number, title=self.title, pageview_id=self.pageview_id,
                at_ms=self._at_ms, experiments=self.told, expected=dict(self.expected),
                seen_by_page=dict(self._page_saw), seen_by_network=_count(self._session.beacons, self.pageview_id),
                stayed_ms=self._stayed_ms if self._stayed_ms is not None else int(time.time() * 1000) - self._at_ms,
            )
        )  # fmt: skip

    async def _noticed(self) -> None:
        """Wait until the instrument noticed the element, or had the time to and did not."""
        within_s = self._session.world.page_within_s
        deadline = time.monotonic() + _IN_VIEW_WITHIN_S
        while time.monotonic() < deadline:
            if await in_time(self.page.evaluate("() => window.__witness && window.__witness.inView > 0"), within_s):
                return
            await asyncio.sleep(_POLL_S)
        await in_time(self.page.evaluate(_HAD_TIME), within_s)


class Session:
    """A browser of its own: cookies, storage, tabs.

    Attributes:
        world: the systems under test and the recorder.
        context: Playwright's.
        account: that logs in; None reads without an account.
        scenario: that it belongs to.
        number: of the session within the scenario.
        progress: called when a page is opened, so that the scenario's time limit follows.
        beacons: bodies of requests to the intake that the network log showed.
        wrong_answers: the wiki's answers of status 500 and above, as `500 /path`.
    """

    def __init__(
        self,
        world: Environment,
        context: BrowserContext,
        account: TestAccount | None,
        scenario: str,
        number: int,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self.world = world
        self.context = context
        self.account = account
        self.scenario = scenario
        self.number = number
        self.progress = progress
        self.beacons: list[bytes] = []
        self.console: list[str] = []
        self.wrong_answers: list[str] = []
        context.on("response", self._answered)
        context.on("request", self._requested)
        context.on("console", lambda said: self.console.append(f"{said.type}: {said.text}"))
        context.on("weberror", lambda error: self.console.append(f"error: {error.error}"))

    async def log_in(self) -> None:
        """Log in through the wiki's form. Raises BrowserError when the wiki does not let the account in."""
        if self.account is None:
            return
        page = await self.context.new_page()
        # The wiki answers with a page that has the element; in a narrow window it cannot come into view by chance.
        await page.set_viewport_size({"width": _NARROW, "height": 800})
        within_ms = self.world.page_within_s * 1000
        await self._goto(page, "/index.php?title=Special:UserLogin")
        await page.fill("#wpName1", self.account.name, timeout=within_ms)
        await page.fill("#wpPassword1", self.account.password, timeout=within_ms)
        # The answer is another page: asked too early, the form's own would say that nobody is logged in.
        async with page.expect_navigation(wait_until="domcontentloaded", timeout=within_ms):
            await page.click("#wpLoginAttempt", timeout=within_ms)
        user_id = await page.evaluate(
            "() => (window.RLCONF || {}).wgUserId || (window.mw && mw.config.get('wgUserId'))"
        )
        await page.close()
        if user_id != self.account.user_id:
            raise BrowserError(f"the wiki does not let {self.account.name!r} in")

    async def log_out(self) -> None:
        """Log out by the wiki's own API, as its link does, and forget nothing else."""
        await self._api("logout")

    async def pin_menu(self) -> None:
        """Pin the main menu, which an earlier click may have unpinned for good."""
        await self._api("options", change="vector-main-menu-pinned=1")

    async def open(self, path: str, *, narrow: bool = False, page: Page | None = None, height: int = 800) -> PageVisit:
        """Open the page at *path* of the wiki.

        Args:
            path: of the page.
            narrow: make the window so narrow that the skin shows no pinned menu, and the element with it.
            page: the tab; by default a new one.
            height: of the window.

        Raises:
            BrowserError: the wiki answered anything but 200.
            PlaywrightError, TimeoutError: it did not answer in time, asked twice.
        """
        self.progress()
        page = page or await self.context.new_page()
        await page.set_viewport_size({"width": _NARROW if narrow else _WIDE, "height": height})
        answer = await self._goto(page, path)
        if answer is None or answer.status != 200:
            raise BrowserError(f"{path}: the wiki answered {answer.status if answer else 'nothing'}")
        return await self.take_up(page)

    async def take_up(self, page: Page) -> PageVisit:
        """Return the reading of the page that *page* shows."""
        said = await in_time(page.evaluate(_READ, list(_CLIENTS)), self.world.page_within_s)
        return PageVisit(self, page, said)

    async def _goto(self, page: Page, path: str) -> Response | None:
        """Load the page at *path*, and once more when no answer came in time. Raises PlaywrightError."""
        url, within_ms = self.world.wiki + path, self.world.page_within_s * 1000
        try:
            return await page.goto(url, timeout=within_ms, wait_until="domcontentloaded")
        except PlaywrightError as error:
            self.give_up(f"{path}: {str(error).splitlines()[0]}")
            return await page.goto(url, timeout=within_ms, wait_until="domcontentloaded")

    def give_up(self, why: str) -> None:
        """Remember that page views of this session that are not written down were not gone through to their end."""
        self.world.given_up[self.account.user_id if self.account is not None else 0] = why

    async def save_evidence(self, folder: Path) -> None:
        """Save a screenshot of each tab and the console's log into *folder*."""
        folder.mkdir(parents=True, exist_ok=True)
        for number, page in enumerate(self.context.pages):
            try:
                await page.screenshot(path=folder / f"tab-{number}.png", timeout=5_000)
            except PlaywrightError as error:
                self.console.append(f"no screenshot of tab {number}: {error}")
        (folder / "console.log").write_text("\n".join(self.console) + "\n", encoding="utf-8")

    async def _api(self, action: str, **fields: str) -> None:
        """Call the wiki's API from a page of the wiki: the browser's own rules then say where requests go."""
        address = join_path(self.world.wiki, "api.php")
        page = await self.context.new_page()
        try:
            tokens = with_query(address, action="query", meta="tokens", format="json")
            await page.goto(tokens, timeout=self.world.page_within_s * 1000)
            form = {"action": action, "format": "json", **fields}
            given = {"address": address, "tokens": tokens, "form": form}
            status = await page.evaluate(_CALL_API, given)
        finally:
            await page.close()
        if status != 200:
            raise BrowserError(f"the wiki's API answered {status} to action={action}")

    def _answered(self, answer: Response) -> None:
        if answer.status >= SERVER_ERROR and answer.url.startswith(self.world.wiki):
            self.wrong_answers.append(f"{answer.status} {answer.url.removeprefix(self.world.wiki)[:80]}")

    def _requested(self, request: Request) -> None:
        if request.method == "POST" and request.url.startswith(self.world.intake):
            self.beacons.append(request.post_data_buffer or b"")


def _count(bodies: list[bytes], pageview_id: str) -> dict[str, int]:
    """Return how many events of each action of a page view are in *bodies*."""
    counts: dict[str, int] = {}
    for body in bodies:
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError:
            continue
        for event in content if isinstance(content, list) else [content]:
            if isinstance(event, dict) and event.get("performer", {}).get("pageview_id") == pageview_id:
                action = str(event.get("action", ""))
                counts[action] = counts.get(action, 0) + 1
    return counts
