"""Where requests go, and how a body becomes one."""

import socket
from collections.abc import Callable, Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from metrics_platform.errors import DogfoodError


class Endpoint(NamedTuple):
    """Where requests go: an http(s) URL, taken apart, with the addresses of its host."""

    host: str
    port: int
    path: str
    tls: bool
    addresses: tuple[tuple[socket.AddressFamily, tuple[str | int, ...]], ...]

    @classmethod
    def of(cls, url: str) -> "Endpoint":
        """Return the endpoint that *url* names. Raises DogfoodError when its host is not known."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or (443 if tls else 80)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise DogfoodError(f"the intake's host {host!r} is not known: {error.strerror}") from error
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(host, port, path, tls, tuple((family, address) for family, _, _, _, address in found))  # type: ignore[misc]

    @property
    def authority(self) -> str:
        """What the Host field says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def framing(endpoint: Endpoint, fields: Iterable[tuple[str, str]]) -> Callable[[bytes], bytes]:
    """Return what makes a POST's bytes of its body; *fields* are those of its head, besides host and length."""
    lines = [f"POST {endpoint.path} HTTP/1.1", f"Host: {endpoint.authority}"]
    lines += [f"{name}: {value}" for name, value in fields]
    head = ("\r\n".join([*lines, "Content-Length: "])).encode("latin-1")

    def frame(body: bytes) -> bytes:
        return b"%b%d\r\n\r\n%b" % (head, len(body), body)

    return frame
