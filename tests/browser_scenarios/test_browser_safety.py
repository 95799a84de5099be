"""Network policy of a scenario's browser: it reaches only the target's hosts and the recorder, and sends the tag."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.async_api import Error, async_playwright

from browser_scenarios.certificate import temporary_certificate
from browser_scenarios.chromium import start_browser
from browser_scenarios.recorder import Recorded, Recorder
from common.egress import Egress
from run_record.ledger.files import LedgerWriter, read_ledger

BEACON = '{"action":"click","performer":{"id":7,"pageview_id":"aa"}}'


class Site(ThreadingHTTPServer):
    """A site that responds to every request, redirects from /away, and records host and user agent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str]] = []


class Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.requests.append((str(self.headers["Host"]).split(":")[0], str(self.headers["User-Agent"])))
        self.send_response(302 if self.path == "/away" else 200)
        self.send_header("Location", f"http://localhost:{self.server.server_port}/")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def egress(tag: str = "") -> Egress:
    """Return the policy of a target on one address of this machine."""
    return Egress("test", {"127.0.0.1": ("127.0.0.1",)}, tag=tag)


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
    # A proxy in the environment is ignored.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    async def visit() -> list[str]:
        outcomes = []
        async with async_playwright() as playwright:
            browser = await start_browser(
                playwright, intake="http://intake.example:8192/v1/events", recorder_port=port,
                egress=egress("experiment-dogfood"),
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
    assert {host for host, _ in site.requests} == {"127.0.0.1", "intake.example"}
    assert all(agent.endswith(" experiment-dogfood") for _, agent in site.requests)


def test_https_beacons_are_recorded_and_other_certificates_rejected(site: Site, tmp_path: Path) -> None:
    """A page sends a beacon to an intake by HTTPS; the browser rejects another server's certificate."""

    async def visit(recorder: Recorder, stranger: Recorder, trusted: str) -> tuple[str, list[Recorded]]:
        async with async_playwright() as playwright:
            browser = await start_browser(
                playwright, intake="https://intake.example/v1/events", recorder_port=recorder.port,
                egress=egress(), trusted=trusted,
            )  # fmt: skip
            page = await browser.new_page()
            await page.goto(f"http://127.0.0.1:{site.server_port}/")
            await page.evaluate(f"navigator.sendBeacon('https://intake.example/v1/events?hasty=true', '{BEACON}')")
            # Beacons are for the moment when the page is left.
            await page.goto("about:blank")
            await recorder.settle()
            try:
                await page.goto(f"https://127.0.0.1:{stranger.port}/")
            except Error as error:
                return str(error), recorder.events()
            finally:
                await browser.close()
        return "", recorder.events()

    upstream = "http://127.0.0.1:1"
    with (
        temporary_certificate("intake.example") as trusted_certificate,
        temporary_certificate("127.0.0.1") as other_certificate,
        LedgerWriter(tmp_path, "browser") as ledger,
        closing(Recorder(ledger, upstream, lambda _: 3, trusted_certificate)) as recorder,
        closing(Recorder(ledger, upstream, lambda _: 4, other_certificate)) as stranger,
    ):
        recorder.start()
        stranger.start()
        finished, recorded = asyncio.run(visit(recorder, stranger, trusted_certificate.fingerprint))
        assert trusted_certificate.key.stat().st_mode & 0o077 == 0
    assert "ERR_CERT_AUTHORITY_INVALID" in finished
    assert [(item.action, item.status) for item in recorded] == [("click", None)]
    assert read_ledger(tmp_path).bodies == {(3, 0): BEACON.encode()}
    assert not trusted_certificate.key.exists()
    assert not trusted_certificate.file.exists()


def test_named_hosts_are_at_their_pinned_addresses(site: Site) -> None:
    """DNS does not know the name: the browser gets its address from the policy only."""
    policy = Egress("test", {"wiki.example": ("127.0.0.3", "127.0.0.1"), "gone.example": ("127.0.0.3",)})
    port = site.server_port

    async def visit() -> list[str]:
        outcomes = []
        async with async_playwright() as playwright:
            browser = await start_browser(
                playwright, intake="http://intake.example/v1/events", recorder_port=1, egress=policy,
                reached={"wiki.example": policy.answering(f"http://wiki.example:{port}/")},
            )  # fmt: skip
            page = await browser.new_page()
            for host in ("wiki.example", "gone.example", "127.0.0.1"):
                try:
                    await page.goto(f"http://{host}:{port}/")
                    outcomes.append("reached")
                except Error as error:
                    outcomes.append(str(error).split("net::")[1].split()[0])
            await browser.close()
        return outcomes

    assert asyncio.run(visit()) == ["reached", "ERR_CONNECTION_REFUSED", "ERR_NAME_NOT_RESOLVED"]
    assert {host for host, _ in site.requests} == {"wiki.example"}


#: Tries the connections that ignore the host rules: datagrams to an address, and WebRTC over TCP.
_LEAVE = """async ([udp, tcp]) => {
    const servers = [
        { urls: `stun:127.0.0.1:${udp}` },
        { urls: `turn:127.0.0.1:${udp}?transport=udp`, username: 'a', credential: 'b' },
        { urls: `turn:127.0.0.2:${tcp}?transport=tcp`, username: 'a', credential: 'b' },
    ];
    const connection = new RTCPeerConnection({ iceServers: servers });
    connection.createDataChannel('out');
    const gathered = new Promise((done) => {
        connection.onicegatheringstatechange = () => connection.iceGatheringState === 'complete' && done();
    });
    await connection.setLocalDescription(await connection.createOffer());
    const other = new RTCPeerConnection();
    await other.setRemoteDescription(connection.localDescription);
    await other.setLocalDescription(await other.createAnswer());
    await connection.setRemoteDescription(other.localDescription);
    for (const line of [
        `candidate:1 1 udp 2122260223 127.0.0.1 ${udp} typ host`,
        `candidate:2 1 tcp 1518280447 127.0.0.2 ${tcp} typ host tcptype passive`,
    ]) {
        await connection.addIceCandidate({ candidate: line, sdpMid: '0', sdpMLineIndex: 0 });
    }
    await Promise.race([gathered, new Promise((done) => setTimeout(done, 15000))]);
    try { await new WebTransport(`https://127.0.0.1:${udp}/`).ready; } catch (error) { /* as it should */ }
    await new Promise((done) => setTimeout(done, 2000));
}"""


def test_webrtc_and_quic_do_not_leave(site: Site) -> None:
    policy = Egress("test", {"wiki.example": ("127.0.0.1",)})

    async def visit(udp: int, tcp: int) -> None:
        async with async_playwright() as playwright:
            browser = await start_browser(
                playwright, intake="http://intake.example/v1/events", recorder_port=1, egress=policy
            )
            page = await browser.new_page()
            await page.goto(f"http://wiki.example:{site.server_port}/")
            await page.evaluate(_LEAVE, [udp, tcp])
            await browser.close()

    with socket.socket(type=socket.SOCK_DGRAM) as datagrams, socket.create_server(("127.0.0.2", 0)) as stream:
        datagrams.bind(("127.0.0.1", 0))
        asyncio.run(visit(datagrams.getsockname()[1], stream.getsockname()[1]))
        for listening in (datagrams, stream):
            listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            datagrams.recv(1500)
        with pytest.raises(BlockingIOError):
            stream.accept()
