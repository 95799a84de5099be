"""A browser of a scenario: it reaches the target's hosts and the recorder, and carries the tag."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.async_api import Error, async_playwright

from browser_scenarios.chromium import start_browser


class Site(ThreadingHTTPServer):
    """Answers every request, redirects from /away, and remembers who asked for what."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str]] = []


class Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.seen.append((str(self.headers["Host"]).split(":")[0], str(self.headers["User-Agent"])))
        self.send_response(302 if self.path == "/away" else 200)
        self.send_header("Location", f"http://localhost:{self.server.server_port}/")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[Site]:
    server = Site()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_only_the_targets_hosts_are_reached(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    port = site.server_port
    # A proxy in the environment changes nothing.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    async def visit() -> list[str]:
        outcomes = []
        async with async_playwright() as playwright:
            browser = await start_browser(
                playwright, intake="http://intake.example:8192/v1/events", recorder_port=port, hosts=["127.0.0.1"],
                tag="experiment-dogfood",
            )  # fmt: skip
            page = await browser.new_page()
            for address in (
                f"http://127.0.0.1:{port}/", "http://intake.example:8192/",
                f"http://localhost:{port}/", f"http://127.0.0.2:{port}/", f"http://127.0.0.1:{port}/away",
            ):  # fmt: skip
                try:
                    await page.goto(address)
                    outcomes.append("reached")
                except Error as error:
                    outcomes.append("not found" if "ERR_NAME_NOT_RESOLVED" in str(error) else str(error))
            await browser.close()
        return outcomes

    assert asyncio.run(visit()) == ["reached", "reached", "not found", "not found", "not found"]
    assert {host for host, _ in site.seen} == {"127.0.0.1", "intake.example"}
    assert all(agent.endswith(" experiment-dogfood") for _, agent in site.seen)
