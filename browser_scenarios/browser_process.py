"""The browser for all sessions: started on demand, and restarted after a crash."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page

from browser_scenarios.environment import PAGE_WITHIN_S, Environment
from browser_scenarios.failure_cause import with_timeout
from browser_scenarios.recorder import PROBE_PATH

_FETCH = "(path) => fetch(path, {cache: 'no-store'}).then((answer) => answer.text())"


class RunningBrowser:
    """Keeps one browser, and gives the recorder a probe of the browser's request latency.

    Args:
        start: function that starts a browser.
        environment: systems under test, with the recorder.
    """

    def __init__(self, start: Callable[[], Awaitable[Browser]], environment: Environment) -> None:
        self._start = start
        self._environment = environment
        self._browser: Browser | None = None
        self._starting = asyncio.Lock()

    async def get(self) -> Browser:
        """Return the running browser. Raises KitFaultError when it does not start."""
        async with self._starting:
            if self._browser is None or not self._browser.is_connected():
                self._environment.recorder.latency_probe = None
                self._browser = await self._start()
                await self._open_probe_page(self._browser)
            return self._browser

    async def close(self) -> None:
        """Close the browser. Raises PlaywrightError."""
        self._environment.recorder.latency_probe = None
        if self._browser is not None:
            await self._browser.close()

    async def _open_probe_page(self, browser: Browser) -> None:
        """Open a page at the intake's address, which the recorder serves."""
        page = await browser.new_page()
        intake = urlsplit(self._environment.intake)
        await page.goto(f"{intake.scheme}://{intake.netloc}{PROBE_PATH}", timeout=PAGE_WITHIN_S * 1000)
        self._environment.recorder.latency_probe = partial(_send_probe, page)


async def _send_probe(page: Page) -> None:
    """Send a request from the browser to the recorder and wait for it. Raises PlaywrightError, TimeoutError."""
    if page.is_closed():
        # The browser has crashed; the scenario that uses it reports that.
        return
    await with_timeout(page.evaluate(_FETCH, PROBE_PATH), PAGE_WITHIN_S)
