"""HTTP clients that follow the policy for the way out: pinned addresses, no proxy, no netrc, no redirect.

These are the only HTTP clients of the kit. A request goes to the pinned address of its host; the host's name stays in
the Host header and in TLS, so that certificates are judged by the name.
"""

import ssl
from collections.abc import Iterator
from functools import cache

import httpx

from common.egress import Egress

_NO_CONNECTION = (httpx.ConnectError, httpx.ConnectTimeout)


def open_client(
    egress: Egress, *, timeout_s: float = 10.0, base_url: str = "", transport: httpx.BaseTransport | None = None
) -> httpx.Client:
    """Return a client that reaches what *egress* allows and nothing else.

    Args:
        egress: the policy.
        timeout_s: seconds to wait for a connection, and for each part of an answer.
        base_url: in front of every path.
        transport: answers the requests that the policy allows, instead of the network; for tests.

    Raises:
        httpx.InvalidURL: *base_url* is not an address.
    """
    return httpx.Client(
        transport=_Pinned(egress, transport), timeout=timeout_s, base_url=base_url, trust_env=False,
        follow_redirects=False, headers={"User-Agent": egress.agent},
    )  # fmt: skip


def open_async_client(egress: Egress, *, timeout_s: float = 10.0, base_url: str = "") -> httpx.AsyncClient:
    """Return the same as `open_client`, for asyncio."""
    return httpx.AsyncClient(
        transport=_AsyncPinned(egress), timeout=timeout_s, base_url=base_url, trust_env=False,
        follow_redirects=False, headers={"User-Agent": egress.agent},
    )  # fmt: skip


class _Pinned(httpx.BaseTransport):
    """Sends what the policy allows, to the pinned addresses of a host in their order."""

    def __init__(self, egress: Egress, instead: httpx.BaseTransport | None) -> None:
        self._egress, self._instead = egress, instead
        # One a host: a connection whose certificate was judged by one name is not used for another.
        self._wires: dict[str, httpx.HTTPTransport] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        moved = _moved(self._egress, request)
        if self._instead is not None:
            return self._instead.handle_request(request)
        host = request.url.host
        if host not in self._wires:
            self._wires[host] = httpx.HTTPTransport(verify=_tls(), trust_env=False)
        for attempt in moved[:-1]:
            try:
                return self._wires[host].handle_request(attempt)
            except _NO_CONNECTION:
                continue
        return self._wires[host].handle_request(moved[-1])

    def close(self) -> None:
        for wire in self._wires.values():
            wire.close()
        if self._instead is not None:
            self._instead.close()


class _AsyncPinned(httpx.AsyncBaseTransport):
    """The same for asyncio."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._wires: dict[str, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        moved = _moved(self._egress, request)
        host = request.url.host
        if host not in self._wires:
            self._wires[host] = httpx.AsyncHTTPTransport(verify=_tls(), trust_env=False)
        for attempt in moved[:-1]:
            try:
                return await self._wires[host].handle_async_request(attempt)
            except _NO_CONNECTION:
                continue
        return await self._wires[host].handle_async_request(moved[-1])

    async def aclose(self) -> None:
        for wire in self._wires.values():
            await wire.aclose()


def _moved(egress: Egress, request: httpx.Request) -> list[httpx.Request]:
    """Return *request* for each pinned address of its host. Raises EgressError, or httpx.UnsupportedProtocol."""
    if request.url.scheme not in ("http", "https") or not request.url.host:
        raise httpx.UnsupportedProtocol(
            f"{str(request.url)!r} is not an address like http://host:port", request=request
        )
    egress.check(request.method, str(request.url))
    return list(_at_addresses(egress, request))


def _at_addresses(egress: Egress, request: httpx.Request) -> Iterator[httpx.Request]:
    host = request.url.host
    for address in egress.addresses_of(host):
        extensions = {
            **request.extensions,
            **({} if address == host else {"sni_hostname": request.url.raw_host.decode()}),
        }
        yield httpx.Request(
            request.method, request.url.copy_with(host=address), headers=request.headers, stream=request.stream,
            extensions=extensions,
        )  # fmt: skip


@cache
def _tls() -> ssl.SSLContext:
    """Return how certificates are judged; SSL_CERT_FILE and the like in the environment change nothing."""
    return httpx.create_ssl_context(trust_env=False)
