"""The egress policy and its HTTP clients, against servers on several addresses."""

import asyncio
import ipaddress
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from browser_scenarios.certificate import temporary_certificate
from common.egress import AGENT, LOOPBACK, Egress, EgressError
from common.http import open_async_client, open_client
from tests.common.echo import Moving, serving, two_hosts

NAME = "intake.example"


def test_a_name_that_moves_is_not_followed() -> None:
    moving = Moving("127.0.0.2", "127.0.0.3")
    egress = Egress.resolve("mine", [NAME], resolver=moving)
    with two_hosts() as (first, second):
        url = f"http://{NAME}:{first.server_port}/v1/events?hasty=true"
        for _ in range(3):
            with open_client(egress) as client:
                assert client.post(url, json={"secret": 1}).status_code == 200
        assert [item.headers["host"] for item in first.requests] == [f"{NAME}:{first.server_port}"] * 3
        assert {item.path for item in first.requests} == {"/v1/events?hasty=true"}
        assert second.requests == []
    assert moving.requests == [NAME]


def test_an_asyncio_client_follows_the_policy() -> None:
    async def post(url: str) -> None:
        async with open_async_client(Egress.resolve("mine", [NAME], resolver=Moving("127.0.0.2"))) as client:
            assert (await client.post(url, content=b"x")).status_code == 200
            with pytest.raises(EgressError, match="is not a host of 'mine'"):
                await client.post(url.replace(NAME, "127.0.0.3"))

    with two_hosts() as (first, second):
        asyncio.run(post(f"http://{NAME}:{first.server_port}/"))
        assert len(first.requests) == 1
        assert second.requests == []


@pytest.mark.parametrize("url", ["http://other.example/", "http://127.0.0.3/", "http://[::1]/", "http://0x7f000001/"])
def test_a_host_that_is_not_named_is_refused(url: str) -> None:
    egress = Egress("mine", {NAME: ("127.0.0.2",)})
    with open_client(egress) as client, pytest.raises(EgressError, match="nothing is sent there"):
        client.get(url)


def test_an_address_outside_the_networks_is_refused() -> None:
    networks = (ipaddress.ip_network("127.0.0.2/32"),)
    with pytest.raises(EgressError, match=r"intake.example is at 127.0.0.3 now, outside its networks"):
        Egress.resolve("mine", [NAME], networks=networks, resolver=Moving("127.0.0.3"))


def test_an_optional_host_may_be_unknown() -> None:
    def resolver(host: str) -> list[str]:
        if host == "missing.example":
            raise OSError("no such name")
        return ["127.0.0.2"]

    egress = Egress.resolve("mine", [NAME], optional=["missing.example"], resolver=resolver)
    assert dict(egress.pins) == {NAME: ("127.0.0.2",)}
    with pytest.raises(EgressError, match=r"the host 'missing.example' is not known"):
        Egress.resolve("mine", ["missing.example"], resolver=resolver)


def test_a_redirect_is_not_followed() -> None:
    with serving("127.0.0.3") as elsewhere, serving("127.0.0.2", elsewhere=elsewhere.url) as first:
        egress = Egress("mine", {"127.0.0.2": ("127.0.0.2",), "127.0.0.3": ("127.0.0.3",)})
        with open_client(egress) as client:
            assert client.get(first.url).status_code == 307
        assert elsewhere.requests == []


def test_the_next_address_is_tried() -> None:
    with serving("127.0.0.2") as server:
        egress = Egress("mine", {NAME: ("127.0.0.3", "127.0.0.2")})
        url = f"http://{NAME}:{server.server_port}/"
        with open_client(egress) as client:
            assert client.get(url).status_code == 200
        assert egress.answering(url) == "127.0.0.2"


def test_the_tag_ends_the_user_agent() -> None:
    with serving() as server:
        with open_client(LOOPBACK.tagged("my-tag")) as client:
            client.get(server.url)
        assert server.requests[0].headers["user-agent"] == f"{AGENT} my-tag"


def test_an_unconfirmed_production_target_is_only_read() -> None:
    with serving() as server:
        egress = Egress("prod", {"127.0.0.1": ("127.0.0.1",)}, sends=False)
        with open_client(egress) as client:
            for method in ("GET", "HEAD", "OPTIONS"):
                client.request(method, server.url)
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                with pytest.raises(EgressError, match=r"nothing was sent\. .*--confirm prod"):
                    client.request(method, server.url)
        assert [item.method for item in server.requests] == ["GET", "HEAD", "OPTIONS"]


def test_the_default_policy_allows_only_this_machine() -> None:
    assert LOOPBACK.addresses_of("127.9.9.9") == ("127.9.9.9",)
    assert LOOPBACK.addresses_of("[::1]") == ("::1",)
    for host in ("192.0.2.1", "intake.example", "::2", ""):
        with pytest.raises(EgressError):
            LOOPBACK.addresses_of(host)


def test_proxies_and_passwords_of_the_environment_are_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password sesame\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serving("127.0.0.3") as proxy, serving() as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url)

        async def ask() -> None:
            async with open_async_client(LOOPBACK) as client:
                await client.get(server.url)

        with open_client(LOOPBACK) as client:
            client.get(server.url)
        asyncio.run(ask())
        assert proxy.requests == []
        assert [item.headers.get("authorization") for item in server.requests] == [None, None]


@pytest.mark.parametrize("content", [{}, {"name": "a"}, {"name": "a", "tag": "", "pins": {"h": ["nowhere"]}}, [], None])
def test_damaged_pins_are_one_clear_line(content: object) -> None:
    with pytest.raises(EgressError, match="the pinned addresses of the target are malformed"):
        Egress.from_json(content)  # type: ignore[arg-type]


def test_pins_can_be_sent_to_another_process() -> None:
    egress = Egress("mine", {NAME: ("127.0.0.2", "::1")}, tag="my-tag")
    assert Egress.from_json(egress.to_json()) == egress


def test_certificates_are_checked_against_the_name() -> None:
    items: list[str | None] = []
    with temporary_certificate(NAME) as certificate, socket.create_server(("127.0.0.2", 0)) as listening:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate.file, certificate.key)
        context.sni_callback = lambda _socket, name, _context: items.append(name)

        def greet() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                context.wrap_socket(connection, server_side=True).close()

        thread = threading.Thread(target=greet)
        thread.start()
        egress = Egress("mine", {NAME: ("127.0.0.2",)})
        # Nobody vouches for this certificate.
        with open_client(egress) as client, pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            client.get(f"https://{NAME}:{listening.getsockname()[1]}/")
        thread.join()
    assert items == [NAME]


def test_other_clients_ignore_proxies_and_passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trino's and OpenTelemetry's clients are not the kit's: they go where the user says, but by no proxy."""
    pytest.importorskip("trino")
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    from analysis.engines.trino_engine import TrinoOptions, connect
    from dogfood.metrics.otel import send

    (tmp_path / "netrc").write_text("default login someone password sesame\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serving("127.0.0.3") as proxy, serving() as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
        send(list)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"{server.url}/v1/metrics")
        connection = connect(TrinoOptions("127.0.0.1", server.server_port, "me", "hive", "memory"))
        with suppress(Exception):
            connection.cursor().execute("SELECT 1")
        assert proxy.requests == []
        assert {item.path for item in server.requests} >= {"/v1/statement"}
        assert all("authorization" not in item.headers for item in server.requests)
