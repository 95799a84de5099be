"""The browser that sessions are opened in: started when it is needed, and again when it has crashed."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page

from browser_scenarios.environment import PAGE_WITHIN_S, Environment
from browser_scenarios.failure_cause import in_time
from browser_scenarios.recorder import PULSE

_ASK = "(path) => fetch(path, {cache: 'no-store'}).then((answer) => answer.text())"


class RunningBrowser:
    """Keeps one browser, and lets the recorder see how long the browser's requests take.

    Args:
        start: starts a browser.
        world: with the recorder.
    """

    def __init__(self, start: Callable[[], Awaitable[Browser]], world: Environment) -> None:
        self._start = start
        self._world = world
        self._browser: Browser | None = None
        self._starting = asyncio.Lock()

    async def get(self) -> Browser:
        """Return the browser. Raises KitFaultError when it does not start."""
        async with self._starting:
            if self._browser is None or not self._browser.is_connected():
                self._world.recorder.pulse = None
                self._browser = await self._start()
                await self._open_pulse(self._browser)
            return self._browser

    async def close(self) -> None:
        """Close it. Raises PlaywrightError."""
        self._world.recorder.pulse = None
        if self._browser is not None:
            await self._browser.close()

    async def _open_pulse(self, browser: Browser) -> None:
        """Open a page at the intake's address, where the recorder answers."""
        page = await browser.new_page()
        intake = urlsplit(self._world.intake)
        await page.goto(f"{intake.scheme}://{intake.netloc}{PULSE}", timeout=PAGE_WITHIN_S * 1000)
        self._world.recorder.pulse = partial(_pulse, page)


async def _pulse(page: Page) -> None:
    """Let the browser send a request to the recorder, and wait for the answer. Raises PlaywrightError, TimeoutError."""
    if page.is_closed():
        # The browser has crashed, which the scenario that uses it notices.
        return
    await in_time(page.evaluate(_ASK, PULSE), PAGE_WITHIN_S)
