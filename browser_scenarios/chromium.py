"""Which browser there is, and how it is started."""

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import Browser, Playwright
from playwright.async_api import Error as PlaywrightError
from playwright.sync_api import sync_playwright

from metrics_platform.errors import DogfoodError, KitFaultError

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

#: A test browser talks to the systems under test and to nobody else.
_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    # Whatever the environment says of proxies.
    "--no-proxy-server",
)


class BrowserError(DogfoodError):
    """There is no browser, or the wiki did not do in it what a scenario needs."""

    page = "docs/troubleshooting.md"


def installed_browser() -> str:
    """Return the path of the Chromium that sessions use. Raises BrowserError when there is none."""
    with sync_playwright() as playwright:
        return find_browser(playwright.chromium.executable_path)


def find_browser(own: str, names: Sequence[str] = _NAMES) -> str:
    """Return the path of a Chromium: the machine's own, or the one that Playwright has downloaded, which is *own*.

    Raises:
        BrowserError: there is neither.
    """
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None and not Path(own).exists():
        raise BrowserError(
            "there is no Chromium: on Debian, apt-get install chromium; elsewhere, "
            ".venv/bin/playwright install chromium"
        )
    return found or own


async def start_browser(
    playwright: Playwright,
    *,
    intake: str,
    recorder_port: int,
    hosts: Iterable[str],
    trusted: str = "",
    tag: str = "",
    headed: bool = False,
) -> Browser:
    """Start Chromium with the recorder in front of the intake.

    The browser connects to the recorder wherever a page names the intake's host and port; the wiki's own configuration
    stays as it is.

    Args:
        playwright: starts it.
        intake: where the wiki lets browsers send events to.
        recorder_port: where the recorder listens on this machine.
        hosts: the only ones that it can reach besides; every other name resolves to nothing.
        trusted: fingerprint of the recorder's key, where the intake is reached by HTTPS; the browser takes a
            certificate with that key for the intake's, and judges all others as ever.
        tag: of the target, at the end of the browser's name for itself.
        headed: show the browser's window.

    Raises:
        BrowserError: there is no browser.
        KitFaultError: it does not start.
    """
    parts = urlsplit(intake)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    intake_rule = f"MAP {parts.hostname}:{port} 127.0.0.1:{recorder_port}"
    arguments = [*_QUIET, f"--host-resolver-rules={resolver_rules(intake_rule, hosts)}"]
    if trusted:
        arguments.append(f"--ignore-certificate-errors-spki-list={trusted}")
    if os.geteuid() == 0:
        # Chromium's sandbox refuses to work for root.
        arguments.append("--no-sandbox")
    try:
        executable = find_browser(playwright.chromium.executable_path)
        browser = await playwright.chromium.launch(executable_path=executable, args=arguments, headless=not headed)
        if not tag:
            return browser
        # Beacons keep the browser's own name, whatever a context says: only the command line reaches them.
        agent = await _own_name(browser)
        await browser.close()
        return await playwright.chromium.launch(
            executable_path=executable, args=[*arguments, f"--user-agent={agent} {tag}"],
            headless=not headed,
        )  # fmt: skip
    except PlaywrightError as error:
        raise KitFaultError(f"Chromium does not start: {str(error).splitlines()[0]}") from error


def resolver_rules(first: str, hosts: Iterable[str]) -> str:
    """Return Chromium's rules for names: *first*, then the *hosts* as they are; every other name is not found.

    The first rule that fits decides. They hold for addresses as well as for names, and for redirects.
    """
    named = (f"[{host}]" if ":" in host else host for host in hosts)
    return ", ".join([first, *(f"MAP {host} {host}" for host in named), "MAP * ~NOTFOUND"])


async def _own_name(browser: Browser) -> str:
    page = await browser.new_page()
    name: str = await page.evaluate("navigator.userAgent")
    return name
