"""Finds Chromium and starts it with the target's network policy."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import Browser, Playwright
from playwright.async_api import Error as PlaywrightError
from playwright.sync_api import sync_playwright

from common.egress import Egress
from common.errors import DogfoodError, KitFaultError

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

#: Headless builds, preferred when no window is shown: a session takes a third of the CPU.
_WINDOWLESS = ("chromium-headless-shell", "chrome-headless-shell")

#: Options that limit a test browser to connections to the systems under test.
_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    # Do not use proxies of the environment. The headless build ignores --no-proxy-server.
    "--proxy-server=direct://",
    # WebRTC sends datagrams to any address in a page and ignores the rules for host names. With this policy it needs a
    # proxy for datagrams, and there is no such proxy. QUIC sends datagrams too.
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-quic",
)


class BrowserError(DogfoodError):
    """Chromium is missing, or the wiki does not behave in it as a scenario requires."""

    page = "docs/guide/troubleshooting.md"


def installed_browser() -> str:
    """Return the path of the Chromium that sessions use. Raises BrowserError when it is missing."""
    with sync_playwright() as playwright:
        return find_browser(playwright.chromium.executable_path)


def find_browser(own: str, names: Sequence[str] | None = None, *, headed: bool = False) -> str:
    """Return the path of a Chromium: the installed one, or the one that Playwright downloaded.

    Args:
        own: path of Playwright's Chromium.
        names: commands to look for in PATH; by default those of Chromium, headless builds first.
        headed: show windows.

    Raises:
        BrowserError: both are missing.
    """
    names = names if names is not None else (*(() if headed else _WINDOWLESS), *_NAMES)
    installed = next((path for name in names if (path := shutil.which(name))), None)
    if installed is None and not Path(own).exists():
        raise BrowserError(
            "Chromium is missing: on Debian, apt-get install chromium; elsewhere, .venv/bin/playwright install chromium"
        )
    return installed or own


async def start_browser(
    playwright: Playwright,
    *,
    intake: str,
    recorder_port: int,
    egress: Egress,
    reached: Mapping[str, str] | None = None,
    trusted: str = "",
    headed: bool = False,
) -> Browser:
    """Start Chromium with the recorder in front of the intake.

    The browser connects to the recorder for each request to the intake's host and port, so the wiki's configuration
    does not change.

    Args:
        playwright: Playwright's driver.
        intake: URL to which the wiki makes browsers send events.
        recorder_port: port of the recorder on this machine.
        egress: network policy: its hosts resolve to their pinned addresses, other names do not resolve; its tag is
            appended to the user agent.
        reached: responding address of each host with several addresses; a browser's rule allows only one.
        trusted: fingerprint of the recorder's key for an HTTPS intake; the browser accepts certificates with that key
            and checks all others as usual.
        headed: show the browser's window.

    Raises:
        BrowserError: Chromium is missing.
        KitFaultError: Chromium does not start.
    """
    parts = urlsplit(intake)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    intake_rule = f"MAP {_bracketed(parts.hostname or '')}:{port} 127.0.0.1:{recorder_port}"
    arguments = [*_QUIET, f"--host-resolver-rules={resolver_rules(intake_rule, egress, reached or {})}"]
    if trusted:
        arguments.append(f"--ignore-certificate-errors-spki-list={trusted}")
    if os.geteuid() == 0:
        # Chromium's sandbox does not work for root.
        arguments.append("--no-sandbox")
    try:
        executable = find_browser(playwright.chromium.executable_path, headed=headed)
        browser = await playwright.chromium.launch(executable_path=executable, args=arguments, headless=not headed)
        if not egress.tag:
            return browser
        # Beacons ignore a context's user agent: only the command line changes theirs.
        agent = await _user_agent(browser)
        await browser.close()
        return await playwright.chromium.launch(
            executable_path=executable, args=[*arguments, f"--user-agent={agent} {egress.tag}"],
            headless=not headed,
        )  # fmt: skip
    except PlaywrightError as error:
        raise KitFaultError(f"Chromium does not start: {str(error).splitlines()[0]}") from error


def resolver_rules(first: str, egress: Egress, reached: Mapping[str, str]) -> str:
    """Return Chromium's host rules: *first*, then pinned addresses of hosts; other names do not resolve.

    The first matching rule applies. Rules hold for names, addresses and redirects.
    """
    pins = {host: reached.get(host, addresses[0]) for host, addresses in egress.pins.items() if addresses}
    named = (f"MAP {_bracketed(host)} {_bracketed(address)}" for host, address in sorted(pins.items()))
    return ", ".join([first, *named, "MAP * ~NOTFOUND"])


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


async def _user_agent(browser: Browser) -> str:
    page = await browser.new_page()
    name: str = await page.evaluate("navigator.userAgent")
    return name
