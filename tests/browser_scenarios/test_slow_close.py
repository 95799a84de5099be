"""A page that a busy machine closes too slowly loses its events in Chromium, which is no fault of the instrument."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.async_api import async_playwright

from browser_scenarios.chromium import start_browser
from browser_scenarios.recorder import Recorder
from browser_scenarios.session import PageVisit
from common.egress import Egress
from run_record.ledger.files import LedgerWriter
from tests.common.echo import serving

_PAGEVIEW = "a" * 20

#: Stays busy for the milliseconds in the fragment when the page is hidden, and sends its event after that.
_PAGE = """<!doctype html><title>Page</title><script>
addEventListener('pagehide', () => {
    const until = performance.now() + Number(location.hash.slice(1));
    while (performance.now() < until) { /* busy */ }
    const event = { action: 'click', performer: { id: 1, pageview_id: '%s' } };
    navigator.sendBeacon('http://intake.example/v1/events', JSON.stringify(event));
});
</script>""".replace("%s", _PAGEVIEW).encode()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(_PAGE)))
        self.end_headers()
        self.wfile.write(_PAGE)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def page_server() -> Iterator[int]:
    """Serve the page on a port until the block ends."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


async def close(folder: Path, port: int, busy_ms: int, expected: dict[str, int]) -> int:
    """Open and close a page that stays busy for *busy_ms*; return the number of its recorded clicks."""
    with serving() as intake, LedgerWriter(folder, "browser") as ledger:
        recorder = Recorder(ledger, intake.url, lambda _: 0)
        recorder.start()
        with closing(recorder):
            async with async_playwright() as playwright:
                policy = Egress("test", {"127.0.0.1": ("127.0.0.1",)})
                browser = await start_browser(
                    playwright, intake="http://intake.example/", recorder_port=recorder.port, egress=policy
                )
                page = await (await browser.new_context()).new_page()
                await page.goto(f"http://127.0.0.1:{port}/#{busy_ms}")
                # All that closing needs of the session.
                session: Any = SimpleNamespace(environment=SimpleNamespace(recorder=recorder))
                values = {"client": "", "told": None, "title": "", "pageview": _PAGEVIEW, "session": "", "userId": 1}
                visit = PageVisit(session, page, values)
                visit.expected = expected
                try:
                    await visit.close()
                finally:
                    await recorder.settle()
                    await browser.close()
            return recorder.count(_PAGEVIEW, "click")


def test_events_cut_off_at_the_close_are_the_machines_fault(tmp_path: Path) -> None:
    with page_server() as port, pytest.raises(TimeoutError, match="to close"):
        asyncio.run(close(tmp_path, port, 3_000, {"click": 1}))


def test_a_slow_close_without_missing_events_passes(tmp_path: Path) -> None:
    with page_server() as port:
        assert asyncio.run(close(tmp_path, port, 3_000, {})) == 0
