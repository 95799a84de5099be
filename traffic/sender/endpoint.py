"""Where requests go, and how a body becomes one."""

import socket
from collections.abc import Callable, Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from common.egress import LOOPBACK, Egress


class Endpoint(NamedTuple):
    """Where requests go: an http(s) URL, taken apart, with the addresses of its host."""

    host: str
    port: int
    path: str
    tls: bool
    addresses: tuple[tuple[socket.AddressFamily, tuple[str | int, ...]], ...]

    @classmethod
    def of(cls, url: str, egress: Egress = LOOPBACK) -> "Endpoint":
        """Return the endpoint that *url* names, at the addresses that *egress* pins. Raises EgressError."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or (443 if tls else 80)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(host, port, path, tls, tuple(_address(text, port) for text in egress.addresses_of(host)))

    @property
    def authority(self) -> str:
        """What the Host field says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def _address(text: str, port: int) -> tuple[socket.AddressFamily, tuple[str | int, ...]]:
    """Return an IP address as sockets take it."""
    return (socket.AF_INET6, (text, port, 0, 0)) if ":" in text else (socket.AF_INET, (text, port))


def framing(endpoint: Endpoint, fields: Iterable[tuple[str, str]]) -> Callable[[bytes], bytes]:
    """Return what makes a POST's bytes of its body; *fields* are those of its head, besides host and length."""
    lines = [f"POST {endpoint.path} HTTP/1.1", f"Host: {endpoint.authority}"]
    lines += [f"{name}: {value}" for name, value in fields]
    head = ("\r\n".join([*lines, "Content-Length: "])).encode("latin-1")

    def frame(body: bytes) -> bytes:
        return b"%b%d\r\n\r\n%b" % (head, len(body), body)

    return frame
