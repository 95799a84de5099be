"""In a real browser, a missing page is the machine's fault, and a page with status 500 the wiki's."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from browser_scenarios.runner import BrowserRequest, run_scenarios
from contracts.generation import Generation
from run_record.manifest import Manifest
from run_record.roster import Account, Fidelity, write_roster
from run_record.scenario_findings import ScenarioFinding
from tests.plans import plan

#: The part of MediaWiki's JavaScript that a session uses.
_PAGE = b"""<!doctype html><title>Main Page</title><script>
window.mw = {
    loader: { using: () => Promise.resolve(), getState: () => null },
    config: { get: () => null },
    user: { getPageviewToken: () => 'a'.repeat(20), sessionId: () => 'b'.repeat(20) },
};
</script>"""


class Wiki(ThreadingHTTPServer):
    """A wiki that never responds to the first *stalls* requests for a page, and then responds with *status*."""

    daemon_threads = True

    def __init__(self, stalls: int, status: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stalls, self.status = stalls, status
        self.over = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    server: Wiki

    def do_GET(self) -> None:
        if self.path.startswith("/api.php"):
            self._respond(200, b'{"streams": {}}', "application/json")
        elif self.path.startswith("/wiki/"):
            self.server.stalls -= 1
            if self.server.stalls >= 0:
                self.server.over.wait()
            else:
                self._respond(self.server.status, _PAGE, "text/html")
        else:
            self._respond(404, b"", "text/plain")

    def _respond(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(stalls: int, status: int = 200) -> Iterator[Wiki]:
    with Wiki(stalls, status) as wiki:
        threading.Thread(target=wiki.serve_forever, daemon=True).start()
        try:
            yield wiki
        finally:
            wiki.over.set()
            wiki.shutdown()


def played(folder: Path, wiki: Wiki, within_s: float, *scenarios: str) -> list[ScenarioFinding]:
    address = f"http://127.0.0.1:{wiki.server_address[1]}"
    Manifest(
        run_id="stalls", created="2025-01-31T14:30:00+00:00", fidelity="browser", generation=Generation.ALPHA,
        wiki="testwiki", stream="product_metrics.web_base", visitors=0, hasty=False, batch_size=1,
        target={"name": "local", "source": "local", "intake": "http://127.0.0.1:9/v1/events", "mpic": address,
                "wiki": address},
        plan=plan(visitors=0).settings.to_json(), started_ms=1,
    ).write(folder)  # fmt: skip
    (folder / "ledger").mkdir()
    write_roster(folder, [Account(0, Fidelity.BROWSER, 0, 0, "", chosen=True)])
    return run_scenarios(BrowserRequest(folder, (), scenarios, 1, 1, False, None, 0.0, lambda _: None, within_s))


def test_a_page_that_stalls_once_is_reloaded(tmp_path: Path) -> None:
    with serving(stalls=1) as wiki:
        result = played(tmp_path, wiki, 20.0, "anonymous")
    assert [finding.step for finding in result if finding.ok] == ["nobody is enrolled", "no event is sent"]
    assert len(result) == 2


def test_a_missing_page_is_the_machines_fault(tmp_path: Path) -> None:
    with serving(stalls=1_000) as wiki:
        result = played(tmp_path, wiki, 20.0, "anonymous")
        assert wiki.stalls <= 998, "it was requested at least twice"
    assert [(finding.ok, finding.layer) for finding in result] == [(False, "generator")]
    assert "Timeout" in result[0].observation


@pytest.mark.parametrize("status", [500, 503])
def test_a_page_with_status_500_is_a_finding(tmp_path: Path, status: int) -> None:
    with serving(stalls=0, status=status) as wiki:
        result = played(tmp_path, wiki, 45.0, "anonymous")
        assert wiki.stalls == -1
    assert [(finding.ok, finding.layer) for finding in result] == [(False, "exposure")]
    assert str(status) in result[0].observation
