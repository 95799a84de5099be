"""Which browser there is, and how it is started."""

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

#: Builds without windows, preferred where no window is shown: a session takes a third of the CPU.
_WINDOWLESS = ("chromium-headless-shell", "chrome-headless-shell")

#: A test browser talks to the systems under test and to nobody else.
_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    # Proxies of the environment are not used.
    "--no-proxy-server",
    # WebRTC sends datagrams to any address that a page names, past the rules for names; without a proxy that takes
    # datagrams, this policy leaves it none. QUIC sends datagrams as well.
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-quic",
)


class BrowserError(DogfoodError):
    """There is no browser, or the wiki did not do in it what a scenario needs."""

    page = "docs/guide/troubleshooting.md"


def installed_browser() -> str:
    """Return the path of the Chromium that sessions use. Raises BrowserError when there is none."""
    with sync_playwright() as playwright:
        return find_browser(playwright.chromium.executable_path)


def find_browser(own: str, names: Sequence[str] | None = None, *, headed: bool = False) -> str:
    """Return the path of a Chromium: the machine's own, or the one that Playwright has downloaded.

    Args:
        own: where Playwright keeps its own.
        names: to look for in PATH; by default those of Chromium, first of builds without windows.
        headed: whether windows are to be shown.

    Raises:
        BrowserError: there is neither.
    """
    names = names if names is not None else (*(() if headed else _WINDOWLESS), *_NAMES)
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
    egress: Egress,
    reached: Mapping[str, str] | None = None,
    trusted: str = "",
    headed: bool = False,
) -> Browser:
    """Start Chromium with the recorder in front of the intake.

    The browser connects to the recorder wherever a page names the intake's host and port; the wiki's own configuration
    stays as it is.

    Args:
        playwright: starts it.
        intake: where the wiki lets browsers send events to.
        recorder_port: where the recorder listens on this machine.
        egress: the policy: its hosts are reached at their pinned addresses, every other name resolves to nothing; its
            tag ends the browser's name for itself.
        reached: the address of a host that answers, where it has several; a browser's rule has one.
        trusted: fingerprint of the recorder's key, where the intake is reached by HTTPS; the browser takes a
            certificate with that key for the intake's, and judges all others as ever.
        headed: show the browser's window.

    Raises:
        BrowserError: there is no browser.
        KitFaultError: it does not start.
    """
    parts = urlsplit(intake)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    intake_rule = f"MAP {_bracketed(parts.hostname or '')}:{port} 127.0.0.1:{recorder_port}"
    arguments = [*_QUIET, f"--host-resolver-rules={resolver_rules(intake_rule, egress, reached or {})}"]
    if trusted:
        arguments.append(f"--ignore-certificate-errors-spki-list={trusted}")
    if os.geteuid() == 0:
        # Chromium's sandbox refuses to work for root.
        arguments.append("--no-sandbox")
    try:
        executable = find_browser(playwright.chromium.executable_path, headed=headed)
        browser = await playwright.chromium.launch(executable_path=executable, args=arguments, headless=not headed)
        if not egress.tag:
            return browser
        # Beacons keep the browser's own name, whatever a context says: only the command line reaches them.
        agent = await _own_name(browser)
        await browser.close()
        return await playwright.chromium.launch(
            executable_path=executable, args=[*arguments, f"--user-agent={agent} {egress.tag}"],
            headless=not headed,
        )  # fmt: skip
    except PlaywrightError as error:
        raise KitFaultError(f"Chromium does not start: {str(error).splitlines()[0]}") from error


def resolver_rules(first: str, egress: Egress, reached: Mapping[str, str]) -> str:
    """Return Chromium's rules for names: *first*, then pinned addresses for hosts; every other name is not found.

    The first rule that fits decides. They hold for addresses as well as for names, and for redirects.
    """
    pins = {host: reached.get(host, addresses[0]) for host, addresses in egress.pins.items() if addresses}
    named = (f"MAP {_bracketed(host)} {_bracketed(address)}" for host, address in sorted(pins.items()))
    return ", ".join([first, *named, "MAP * ~NOTFOUND"])


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


async def _own_name(browser: Browser) -> str:
    page = await browser.new_page()
    name: str = await page.evaluate("navigator.userAgent")
    return name
