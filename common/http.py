"""HTTP clients that enforce the egress policy: pinned addresses, no proxy, no netrc, no redirects.

These are the only HTTP clients of the kit. A request goes to the pinned address of its host; the host's name stays in
the Host header and in TLS, so certificates are checked against the name.
"""

import ssl
from collections.abc import Iterator
from functools import cache

import httpx

from common.egress import Egress

_NO_CONNECTION = (httpx.ConnectError, httpx.ConnectTimeout)

#: Servers such as uvicorn and Node close a connection after 5 s without a request. A request that is sent on it at that
#: moment gets no response, so a connection is used again for a second only.
_LIMITS = httpx.Limits(keepalive_expiry=1.0)


def open_client(
    egress: Egress, *, timeout_s: float = 10.0, base_url: str = "", transport: httpx.BaseTransport | None = None
) -> httpx.Client:
    """Return a client that connects only to what *egress* allows.

    Args:
        egress: the policy.
        timeout_s: seconds to wait for a connection, and for each part of an answer.
        base_url: prefix of every path.
        transport: replaces the network for requests that the policy allows; for tests.

    Raises:
        httpx.InvalidURL: *base_url* is not an address.
    """
    return httpx.Client(
        transport=_PinnedTransport(egress, transport), timeout=timeout_s, base_url=base_url, trust_env=False,
        follow_redirects=False, headers={"User-Agent": egress.agent},
    )  # fmt: skip


def open_async_client(egress: Egress, *, timeout_s: float = 10.0, base_url: str = "") -> httpx.AsyncClient:
    """Return a client as `open_client` does, for asyncio."""
    return httpx.AsyncClient(
        transport=_AsyncPinnedTransport(egress), timeout=timeout_s, base_url=base_url, trust_env=False,
        follow_redirects=False, headers={"User-Agent": egress.agent},
    )  # fmt: skip


class _PinnedTransport(httpx.BaseTransport):
    """Sends what the policy allows, trying the pinned addresses of a host in order."""

    def __init__(self, egress: Egress, substitute: httpx.BaseTransport | None) -> None:
        self._egress, self._substitute = egress, substitute
        # One per host: a connection whose certificate matches one name must not be used for another.
        self._transports: dict[str, httpx.HTTPTransport] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        attempts = _attempts(self._egress, request)
        if self._substitute is not None:
            return self._substitute.handle_request(request)
        host = request.url.host
        if host not in self._transports:
            self._transports[host] = httpx.HTTPTransport(verify=_tls_context(), trust_env=False, limits=_LIMITS)
        for attempt in attempts[:-1]:
            try:
                return self._transports[host].handle_request(attempt)
            except _NO_CONNECTION:
                continue
        return self._transports[host].handle_request(attempts[-1])

    def close(self) -> None:
        for transport in self._transports.values():
            transport.close()
        if self._substitute is not None:
            self._substitute.close()


class _AsyncPinnedTransport(httpx.AsyncBaseTransport):
    """`_PinnedTransport` for asyncio."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._transports: dict[str, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        attempts = _attempts(self._egress, request)
        host = request.url.host
        if host not in self._transports:
            self._transports[host] = httpx.AsyncHTTPTransport(verify=_tls_context(), trust_env=False, limits=_LIMITS)
        for attempt in attempts[:-1]:
            try:
                return await self._transports[host].handle_async_request(attempt)
            except _NO_CONNECTION:
                continue
        return await self._transports[host].handle_async_request(attempts[-1])

    async def aclose(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()


def _attempts(egress: Egress, request: httpx.Request) -> list[httpx.Request]:
    """Return *request* for each pinned address of its host. Raises EgressError, or httpx.UnsupportedProtocol."""
    if request.url.scheme not in ("http", "https") or not request.url.host:
        raise httpx.UnsupportedProtocol(
            f"{str(request.url)!r} is not an address like http://host:port", request=request
        )
    egress.check(request.method, str(request.url))
    return list(_per_address(egress, request))


def _per_address(egress: Egress, request: httpx.Request) -> Iterator[httpx.Request]:
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
def _tls_context() -> ssl.SSLContext:
    """Return the TLS settings, which ignore variables such as SSL_CERT_FILE."""
    return httpx.create_ssl_context(trust_env=False)
