"""HTTP servers on several addresses of this machine, in place of several hosts."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Request(NamedTuple):
    """What a server got: method, path with query, headers by small letters, and body."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Server(ThreadingHTTPServer):
    """Answers every request with 200, or redirects it to *elsewhere*; remembers all requests."""

    daemon_threads = True

    def __init__(self, address: str, port: int, elsewhere: str) -> None:
        super().__init__((address, port), Handler)
        self.address, self.elsewhere = address, elsewhere
        self.requests: list[Request] = []

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append(Request(self.command, self.path, headers, body))
        self.send_response(307 if self.server.elsewhere else 200)
        if self.server.elsewhere:
            self.send_header("Location", self.server.elsewhere)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"[]")

    do_GET = do_POST = do_PUT = do_OPTIONS = do_HEAD = do_CONNECT = _answer  # noqa: N815 (so the library calls them)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(address: str = "127.0.0.1", port: int = 0, elsewhere: str = "") -> Iterator[Server]:
    """Serve on *address* until the block ends."""
    server = Server(address, port, elsewhere)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def two_hosts() -> Iterator[tuple[Server, Server]]:
    """Serve on the same port of 127.0.0.2, the first address of a name, and of 127.0.0.3, its next one."""
    with serving("127.0.0.2") as first, serving("127.0.0.3", first.server_port) as second:
        yield first, second


class Moving:
    """A resolver whose names point to the next address on each request, and stay at the last one."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.requests: list[str] = []

    def __call__(self, host: str) -> list[str]:
        self.requests.append(host)
        return [self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]]
