"""A browser session of one account or an anonymous user, and its page visits."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from playwright.async_api import BrowserContext, Page, Request, Response
from playwright.async_api import Error as PlaywrightError

from browser_scenarios.beacons import count_actions
from browser_scenarios.chromium import BrowserError
from browser_scenarios.environment import Environment
from browser_scenarios.failure_cause import SERVER_ERROR, with_timeout
from common.urls import join_path, with_query
from contracts.profiles import profile_of
from contracts.streams import client_stream_config, in_stream_sample
from contracts.wiki_page import page_experiments
from run_record.accounts import TestAccount
from run_record.page_views import PageView, is_overridden, page_group
from run_record.roster import Fidelity

#: The instrumented element, as in the first production test: the control that unpins the main menu.
ELEMENT = '[data-pinnable-element-id="vector-main-menu"] .vector-pinnable-header-unpin-button'

#: The client's modules: the testbed's extension, the testbed's starter of the real instrument, the real extension.
_CLIENTS = ("ext.experimentPlatform", "testbed.instruments", "ext.wikimediaEvents")

#: Window widths with and without room for the pinned menu.
_WIDE, _NARROW = 1280, 700

_IN_VIEW_WITHIN_S = 6.0
_UNPINNED_WITHIN_MS = 3_000
_POLL_S = 0.02

#: Seconds of a close after which Chromium may have ended the page before its events were sent. Its limit is 0.5 s:
#: beacons of handlers that took 0.4 s arrived, and none of those that took 0.8 s (Chromium 156).
_CUT_OFF_AFTER_S = 0.45

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

#: Whether the page has a visible element.
_HAS_ELEMENT = """(selector) => {
    const box = document.querySelector(selector)?.getBoundingClientRect();
    return Boolean(box && box.width > 0 && box.height > 0);
}"""

#: Resolves after idle time and two frames: by then the instrument has noticed an element in view.
_IDLE = """() => new Promise((done) => {
    mw.requestIdleCallback(() => requestAnimationFrame(() => requestAnimationFrame(done)));
})"""

_IS_IN_VIEW = """(selector) => {
    const node = document.querySelector(selector);
    if (!node) { return false; }
    const box = node.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && box.top >= 0 && box.left >= 0
        && box.bottom <= window.innerHeight && box.right <= window.innerWidth;
}"""

#: Posts a form to the API with a new token; returns the status, 0 for a redirect, which is not followed.
_CALL_API = """async ({ address, tokens, form }) => {
    const response = await fetch(tokens, { redirect: 'manual' });
    const token = (await response.json()).query.tokens.csrftoken;
    const body = new URLSearchParams({ ...form, token });
    return (await fetch(address, { method: 'POST', body, redirect: 'manual' })).status;
}"""


class PageVisit:
    """One page view, from opening the page to leaving it.

    Attributes:
        page: Playwright's page.
        client: JavaScript module of the client; empty when the wiki has none.
        user_experiments: the page's value of `wgMetricsPlatformUserExperiments`.
        pageview_id, session_id: tokens of the client.
        way: way of leaving the page, where a scenario compares them.
        expected: expected number of events of each action; updated by `see` and `click`.
    """

    def __init__(self, session: "Session", page: Page, values: Mapping[str, object]) -> None:
        self._session = session
        self.page = page
        self.client = str(values["client"])
        self.user_experiments = page_experiments({"wgMetricsPlatformUserExperiments": values["told"]})
        self.title = str(values["title"])
        self.pageview_id = str(values["pageview"])
        self.session_id = str(values["session"])
        self.user_id = int(str(values["userId"]))
        self.way = ""
        self.expected: dict[str, int] = {}
        self._at_ms = int(time.time() * 1000)
        self._is_recorded = False

    @property
    def group(self) -> str | None:
        """Group of the page's user; None without an enrolment."""
        environment = self._session.environment
        return page_group(self.user_experiments, environment.generation, environment.experiment, environment.feature)

    @property
    def measured(self) -> bool:
        """Whether the client should send events for this page view."""
        environment = self._session.environment
        stream = environment.streams.get(environment.stream)
        if (
            stream is None
            or not self.client
            or self.group is None
            or is_overridden(self.user_experiments, environment.experiment)
        ):
            return False
        known = client_stream_config(stream, profile_of(environment.generation))
        return in_stream_sample(known, self.pageview_id, self.session_id)

    async def is_in_view(self) -> bool:
        """Return whether the element is completely in the window."""
        return bool(await self.page.evaluate(_IS_IN_VIEW, ELEMENT))

    async def see(self) -> None:
        """Scroll the element into view and wait for the instrument; a measured page view then expects an impression."""
        try:
            await self.page.locator(ELEMENT).scroll_into_view_if_needed(timeout=self._within_ms)
        except PlaywrightError as error:
            await self._raise_if_missing(error)
            raise
        if self.measured and await self.is_in_view():
            self.expected["impression"] = 1
            await self._wait_for_impression()

    async def click(self, *, settle: bool = True) -> None:
        """Click the element with the mouse; a measured page view then expects one more click.

        Args:
            settle: wait until the wiki has saved that the menu is unpinned, so that the next page has the new state.
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
            # A missing response is not a failure: the saved preference is not under test.
            if not clicked:
                await self._raise_if_missing(error)
                raise

    @property
    def _within_ms(self) -> float:
        return self._session.environment.page_within_s * 1000

    async def _raise_if_missing(self, error: PlaywrightError) -> None:
        """Raise BrowserError when the page is ready but lacks the element; otherwise the wiki is not at fault."""
        try:
            has_element = await with_timeout(self.page.evaluate(_HAS_ELEMENT, ELEMENT), self._within_ms / 1000)
        except (PlaywrightError, TimeoutError):
            return
        if not has_element:
            raise BrowserError(f"{self.title}: the page does not show the instrumented element") from error

    async def leave(self) -> None:
        """Close the tab and record the page view."""
        await self.count_page_beacons()
        self._stayed_ms = int(time.time() * 1000) - self._at_ms
        await self.close()
        self.record()

    async def close(self) -> None:
        """Close the tab.

        Raises:
            TimeoutError: expected events are missing, and the page took so long to close that Chromium may have ended
                it before it could send them. That is the fault of a busy machine, not of the instrument.
        """
        started = time.monotonic()
        await self.page.close(run_before_unload=False)
        closed_s = time.monotonic() - started
        if closed_s < _CUT_OFF_AFTER_S:
            return
        recorder = self._session.environment.recorder
        await recorder.settle(0.2, 3.0)
        if any(recorder.count(self.pageview_id, action) < count for action, count in self.expected.items()):
            raise TimeoutError(
                f"a page took {closed_s:.1f} s to close, and Chromium ends pages after 0.5 s with their unsent events"
            )

    async def count_page_beacons(self) -> Mapping[str, int]:
        """Store and return the number of beacons of each action that the page itself has sent so far."""
        try:
            bodies = await self.page.evaluate("() => window.__pageProbe ? window.__pageProbe.beacons : []")
        except PlaywrightError:
            bodies = []
        self._page_beacons = count_actions([body.encode() for body in bodies], self.pageview_id)
        return self._page_beacons

    _page_beacons: Mapping[str, int] = {}
    _stayed_ms: int | None = None

    def record(self) -> None:
        """Write this page view to the run, once, except in isolated scenarios."""
        environment = self._session.environment
        if self._is_recorded or environment.recorder.isolated:
            return
        self._is_recorded = True
        environment.recorded_views.add(self.pageview_id)
        environment.views.write(
            PageView(
                visit=environment.visit_of(self.user_id), fidelity=Fidelity.BROWSER, scenario=self._session.scenario,
                way=self.way, session=self._session.number, title=self.title, pageview_id=self.pageview_id,
                at_ms=self._at_ms, experiments=self.user_experiments, expected=dict(self.expected),
                seen_by_page=dict(self._page_beacons),
                seen_by_network=count_actions(self._session.beacons, self.pageview_id),
                stayed_ms=self._stayed_ms if self._stayed_ms is not None else int(time.time() * 1000) - self._at_ms,
            )
        )  # fmt: skip

    async def _wait_for_impression(self) -> None:
        """Wait until the instrument has noticed the element, or had enough time."""
        within_s = self._session.environment.page_within_s
        deadline = time.monotonic() + _IN_VIEW_WITHIN_S
        while time.monotonic() < deadline:
            if await with_timeout(
                self.page.evaluate("() => window.__pageProbe && window.__pageProbe.inView > 0"), within_s
            ):
                return
            await asyncio.sleep(_POLL_S)
        await with_timeout(self.page.evaluate(_IDLE), within_s)


class Session:
    """An isolated browser session with cookies, storage and tabs.

    Attributes:
        environment: systems under test, with the recorder.
        context: Playwright's browser context.
        account: account that logs in; None stays anonymous.
        scenario: name of the scenario.
        number: number of the session in the scenario.
        progress: function that is called for each opened page, to extend the scenario's time limit.
        beacons: bodies of requests to the intake in the network log.
        console: messages of the browser's console.
        wrong_answers: responses of the wiki with status 500 or above, as `500 /path`.
    """

    def __init__(
        self,
        environment: Environment,
        context: BrowserContext,
        account: TestAccount | None,
        scenario: str,
        number: int,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self.environment = environment
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
        context.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        context.on("weberror", lambda error: self.console.append(f"error: {error.error}"))

    async def log_in(self) -> None:
        """Log in through the wiki's form. Raises BrowserError when the login fails."""
        if self.account is None:
            return
        page = await self.context.new_page()
        # The next page has the element; in a narrow window it cannot come into view by chance.
        await page.set_viewport_size({"width": _NARROW, "height": 800})
        within_ms = self.environment.page_within_s * 1000
        await self._goto(page, "/index.php?title=Special:UserLogin")
        await page.fill("#wpName1", self.account.name, timeout=within_ms)
        await page.fill("#wpPassword1", self.account.password, timeout=within_ms)
        # Wait for the navigation: the page of the form still says that nobody is logged in.
        async with page.expect_navigation(wait_until="domcontentloaded", timeout=within_ms):
            await page.click("#wpLoginAttempt", timeout=within_ms)
        user_id = await page.evaluate(
            "() => (window.RLCONF || {}).wgUserId || (window.mw && mw.config.get('wgUserId'))"
        )
        await page.close()
        if user_id != self.account.user_id:
            raise BrowserError(f"the wiki rejects the login of {self.account.name!r}")

    async def log_out(self) -> None:
        """Log out through the wiki's API, as its link does; keep all other state."""
        await self._api("logout")

    async def pin_menu(self) -> None:
        """Pin the main menu, which an earlier click may have unpinned."""
        await self._api("options", change="vector-main-menu-pinned=1")

    async def open(self, path: str, *, narrow: bool = False, page: Page | None = None, height: int = 800) -> PageVisit:
        """Open the page at *path* of the wiki.

        Args:
            path: path of the page.
            narrow: use a window so narrow that the skin hides the pinned menu and the element.
            page: tab to use; by default a new one.
            height: height of the window, CSS pixels.

        Raises:
            BrowserError: the status of the response is not 200.
            PlaywrightError, TimeoutError: two requests got no response in time.
        """
        self.progress()
        page = page or await self.context.new_page()
        await page.set_viewport_size({"width": _NARROW if narrow else _WIDE, "height": height})
        answer = await self._goto(page, path)
        if answer is None or answer.status != 200:
            raise BrowserError(f"{path}: the wiki answered {answer.status if answer else 'nothing'}")
        return await self.read_page(page)

    async def read_page(self, page: Page) -> PageVisit:
        """Return the page visit of the page in the tab *page*."""
        values = await with_timeout(page.evaluate(_READ, list(_CLIENTS)), self.environment.page_within_s)
        return PageVisit(self, page, values)

    async def _goto(self, page: Page, path: str) -> Response | None:
        """Load the page at *path*; try again when no response comes in time. Raises PlaywrightError."""
        url, within_ms = self.environment.wiki + path, self.environment.page_within_s * 1000
        try:
            return await page.goto(url, timeout=within_ms, wait_until="domcontentloaded")
        except PlaywrightError as error:
            self.give_up(f"{path}: {str(error).splitlines()[0]}")
            return await page.goto(url, timeout=within_ms, wait_until="domcontentloaded")

    def give_up(self, why: str) -> None:
        """Mark this session's unrecorded page views as not finished by the kit."""
        self.environment.given_up[self.account.user_id if self.account is not None else 0] = why

    async def save_evidence(self, folder: Path) -> None:
        """Save a screenshot of each tab and the console log into *folder*."""
        folder.mkdir(parents=True, exist_ok=True)
        for number, page in enumerate(self.context.pages):
            try:
                await page.screenshot(path=folder / f"tab-{number}.png", timeout=5_000)
            except PlaywrightError as error:
                self.console.append(f"no screenshot of tab {number}: {error}")
        (folder / "console.log").write_text("\n".join(self.console) + "\n", encoding="utf-8")

    async def _api(self, action: str, **fields: str) -> None:
        """Call the wiki's API from a page of the wiki, so that the browser's network rules apply."""
        address = join_path(self.environment.wiki, "api.php")
        page = await self.context.new_page()
        try:
            tokens = with_query(address, action="query", meta="tokens", format="json")
            await page.goto(tokens, timeout=self.environment.page_within_s * 1000)
            form = {"action": action, "format": "json", **fields}
            status = await page.evaluate(_CALL_API, {"address": address, "tokens": tokens, "form": form})
        finally:
            await page.close()
        if status != 200:
            raise BrowserError(f"the wiki's API answered {status} to action={action}")

    def _answered(self, answer: Response) -> None:
        if answer.status >= SERVER_ERROR and answer.url.startswith(self.environment.wiki):
            self.wrong_answers.append(f"{answer.status} {answer.url.removeprefix(self.environment.wiki)[:80]}")

    def _requested(self, request: Request) -> None:
        if request.method == "POST" and request.url.startswith(self.environment.intake):
            self.beacons.append(request.post_data_buffer or b"")
