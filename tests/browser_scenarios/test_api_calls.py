"""Calls of the wiki's API come from a page in the browser, so that the browser's network rules apply."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import pytest
from playwright.async_api import async_playwright

from browser_scenarios.chromium import BrowserError, start_browser
from browser_scenarios.environment import PAGE_WITHIN_S
from browser_scenarios.session import Session
from common.egress import Egress
from tests.common.echo import serving


class Wiki(ThreadingHTTPServer):
    """A wiki that returns a token and accepts forms, or redirects them to *elsewhere*."""

    def __init__(self, elsewhere: str = "") -> None:
        super().__init__(("127.0.0.2", 0), Api)
        self.elsewhere = elsewhere
        self.forms: list[dict[str, list[str]]] = []


class Api(BaseHTTPRequestHandler):
    server: Wiki

    def do_GET(self) -> None:
        self._answer(200, b'{"query": {"tokens": {"csrftoken": "a+\\\\"}}}')

    def do_POST(self) -> None:
        self.server.forms.append(parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        self._answer(307 if self.server.elsewhere else 200, b"{}")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Frame-Options", "DENY")
        if self.server.elsewhere and status == 307:
            self.send_header("Location", self.server.elsewhere)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def wiki(elsewhere: str = "") -> Iterator[Wiki]:
    """Serve a wiki until the block ends."""
    server = Wiki(elsewhere)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def log_out(port: int) -> None:
    """Log out of the wiki on *port* of a host that only the policy can resolve."""
    policy = Egress("test", {"wiki.example": ("127.0.0.2",)})
    async with async_playwright() as playwright:
        browser = await start_browser(playwright, intake="http://intake.example/", recorder_port=1, egress=policy)
        try:
            # All that a call needs of the environment.
            environment: Any = SimpleNamespace(
                wiki=f"http://wiki.example:{port}/w", intake="http://intake.example/", page_within_s=PAGE_WITHIN_S
            )
            await Session(environment, await browser.new_context(), None, "test", 1).log_out()
        finally:
            await browser.close()


def test_api_calls_go_to_the_pinned_address() -> None:
    with wiki() as server:
        asyncio.run(log_out(server.server_port))
        assert server.forms == [{"action": ["logout"], "format": ["json"], "token": ["a+\\"]}]


def test_a_redirected_api_call_is_not_followed() -> None:
    with serving("127.0.0.3") as elsewhere, wiki(elsewhere.url) as server:
        with pytest.raises(BrowserError, match="answered 0 to action=logout"):
            asyncio.run(log_out(server.server_port))
        assert elsewhere.requests == []
