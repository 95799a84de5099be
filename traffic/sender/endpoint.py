"""An intake's endpoint, and the framing of a body as an HTTP request."""

import socket
from collections.abc import Callable, Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from common.egress import LOOPBACK, Egress


class Endpoint(NamedTuple):
    """The parts of an http(s) URL, with the IP addresses of its host."""

    host: str
    port: int
    path: str
    tls: bool
    addresses: tuple[tuple[socket.AddressFamily, tuple[str | int, ...]], ...]

    @classmethod
    def of(cls, url: str, egress: Egress = LOOPBACK) -> "Endpoint":
        """Return the endpoint of *url*, at the addresses that *egress* pins. Raises EgressError."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or (443 if tls else 80)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(host, port, path, tls, tuple(_address(text, port) for text in egress.addresses_of(host)))

    @property
    def authority(self) -> str:
        """Value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def _address(text: str, port: int) -> tuple[socket.AddressFamily, tuple[str | int, ...]]:
    """Return the IP address *text* in the form that sockets take."""
    return (socket.AF_INET6, (text, port, 0, 0)) if ":" in text else (socket.AF_INET, (text, port))


def framing(endpoint: Endpoint, fields: Iterable[tuple[str, str]]) -> Callable[[bytes], bytes]:
    """Return a function from a body to the bytes of its POST; *fields* are headers besides Host and Content-Length."""
    lines = [f"POST {endpoint.path} HTTP/1.1", f"Host: {endpoint.authority}"]
    lines += [f"{name}: {value}" for name, value in fields]
    head = ("\r\n".join([*lines, "Content-Length: "])).encode("latin-1")

    def frame(body: bytes) -> bytes:
        return b"%b%d\r\n\r\n%b" % (head, len(body), body)

    return frame
