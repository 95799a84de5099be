"""A pool of non-blocking connections to one server, each with at most one request in flight.

The pool follows no redirect, uses no proxy and reads no environment variable: it sends to its endpoint only.
"""

import contextlib
import errno
import os
import select
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from traffic.sender.endpoint import Endpoint
from traffic.sender.http import HttpError, Response, ResponseParser

_READ = 16 << 10
_CACHE_SIZE = 4096
_IN = select.EPOLLIN | select.EPOLLRDHUP
_SSL_WAITS = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


class RequestResult(NamedTuple):
    """The common result of one request or several.

    Attributes:
        tags: the caller's tag of each request.
        sent_us: when each was sent, by the clock.
        response: the response to each; None without one.
        problem: why there is no response: `refused`, `reset`, `closed`, `timeout`, `unreachable`, `tls`, `not http`.
        detail: the same in words.
        at_us: when the result came, by the clock.
    """

    tags: Sequence[Any]
    sent_us: Sequence[int]
    response: Response | None
    problem: str
    detail: str
    at_us: int


class Limits(NamedTuple):
    """Limits of a pool.

    Attributes:
        connections: maximum open connections.
        request_timeout_us: maximum time for connecting, and for a response.
        idle_us: a connection that was idle longer is not reused: the server may be about to close it.
    """

    connections: int = 1_000
    request_timeout_us: int = 15_000_000
    idle_us: int = 4_000_000


class _Connection:
    """One connection and its request in flight; *since_us* is when the request, or the idle time, began."""

    __slots__ = (
        "attempts",
        "busy",
        "outgoing",
        "parser",
        "ready",
        "receive",
        "send",
        "since_us",
        "sock",
        "tag",
        "writing",
    )

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.send, self.receive = sock.send, sock.recv
        self.ready = False
        self.busy = False
        self.writing = False
        self.outgoing = b""
        self.tag: object = None
        self.since_us = 0
        self.attempts = 1
        self.parser: ResponseParser | None = None

    def wrap(self, tls: ssl.SSLContext, host: str) -> None:
        """Start TLS on the connected socket; its descriptor stays the same."""
        self.sock = tls.wrap_socket(self.sock, server_hostname=host, do_handshake_on_connect=False)
        self.send, self.receive = self.sock.send, self.sock.recv


class ConnectionPool:
    """Sends requests and returns their results.

    Args:
        endpoint: where requests go.
        clock: monotonic time in microseconds.
        limits: on connections and waiting.
    """

    def __init__(self, endpoint: Endpoint, clock: Callable[[], int], limits: Limits) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._limits = limits
        self._epoll = select.epoll()
        self._open: dict[int, _Connection] = {}
        # Most recently used last. The last one is reused first, so that surplus connections time out.
        self._idle: deque[_Connection] = deque()
        self._results: list[RequestResult] = []
        self._tls = ssl.create_default_context() if endpoint.tls else None
        self._address = 0
        # Parsed responses by their bytes: an intake has few different responses per second.
        self._cache: dict[bytes, Response] = {}
        # The bytes of the latest cached response that leaves its connection reusable.
        self._last_hit = b""

    @property
    def in_flight(self) -> int:
        """Number of requests that wait for a response."""
        return len(self._open) - len(self._idle)

    @property
    def free(self) -> int:
        """Number of requests that can be sent now."""
        return self._limits.connections - self.in_flight

    def send(self, requests: Iterable[bytes], tags: Iterable[object]) -> None:
        """Send *requests*, each with a tag; at most `free` of them."""
        clock, idle, max_idle_us = self._clock, self._idle, self._limits.idle_us
        for request, tag in zip(requests, tags, strict=False):
            now = clock()
            if idle and now - idle[-1].since_us <= max_idle_us:
                connection: _Connection | None = idle.pop()
            else:
                self._close_idle()
                connection = self._connect(now)
            if connection is None:
                self._results.append(RequestResult([tag], [now], None, "unreachable", "no connection can be made", now))
                continue
            connection.tag, connection.since_us, connection.busy = tag, now, True
            if not connection.ready:
                connection.outgoing = request
                continue
            try:
                sent = connection.send(request)
            except (BlockingIOError, *_SSL_WAITS):
                sent = 0
            except OSError as error:
                self._fail(connection, _problem_of(error), str(error))
                continue
            if sent != len(request):
                connection.outgoing = request[sent:]
                self._set_writing(connection, writing=True)

    def poll(self, timeout_s: float) -> list[RequestResult]:
        """Wait at most *timeout_s* for a response; return all results since the last call."""
        events = self._epoll.poll(0 if self._results else timeout_s, 1024)
        # Data that is readable now has arrived by now.
        now = self._clock()
        connections, plaintext, last_hit = self._open, self._tls is None, self._last_hit
        tags: list[object] = []
        sent_us: list[int] = []
        for number, event in events:
            connection = connections.get(number)
            if connection is None:
                continue
            if not plaintext or event != select.EPOLLIN or not connection.ready:
                self._handle_event(connection, event)
                continue
            try:
                data = connection.receive(_READ)
            except OSError as error:
                if not isinstance(error, BlockingIOError):
                    self._fail(connection, _problem_of(error), str(error))
                continue
            # Fast path: the whole of the latest cached response, on a connection that waits for one.
            if data and data == last_hit and connection.busy and connection.parser is None and not connection.writing:
                tags.append(connection.tag)
                sent_us.append(connection.since_us)
                connection.busy, connection.since_us = False, now
                self._idle.append(connection)
            else:
                self._handle_data(connection, data)
        if tags:
            self._results.append(RequestResult(tags, sent_us, self._cache[last_hit], "", "", now))
        results, self._results = self._results, []
        return results

    def _handle_event(self, connection: _Connection, event: int) -> None:
        if not connection.ready or event & select.EPOLLOUT:
            self._advance(connection, event)
        else:
            self._read(connection)

    def reap(self) -> None:
        """Fail requests that have timed out, and close connections that were idle too long. Call it regularly."""
        now = self._clock()
        for connection in [item for item in self._open.values() if item.busy]:
            if now - connection.since_us > self._limits.request_timeout_us:
                self._fail(connection, "timeout", f"no answer within {self._limits.request_timeout_us / 1e6:g} s")
        while self._idle and now - self._idle[0].since_us > self._limits.idle_us:
            self._close(self._idle.popleft())

    def abandon(self) -> list[RequestResult]:
        """Return a result without a response for each request in flight."""
        now = self._clock()
        return [
            RequestResult([item.tag], [item.since_us], None, "unanswered", "the run was over", now)
            for item in self._open.values() if item.busy
        ]  # fmt: skip

    def close(self) -> None:
        """Close all connections; requests in flight get no result."""
        for connection in list(self._open.values()):
            self._close(connection)
        self._idle.clear()
        self._epoll.close()

    def _close_idle(self) -> None:
        """Close all idle connections: even the most recently used one was idle too long."""
        for connection in self._idle:
            self._close(connection)
        self._idle.clear()

    def _connect(self, now: int) -> _Connection | None:
        family, address = self._endpoint.addresses[self._address % len(self._endpoint.addresses)]
        try:
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError:
            return None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # An error is reported again by SO_ERROR.
        sock.connect_ex(address)
        connection = _Connection(sock)
        connection.since_us = now
        connection.writing = True
        self._open[sock.fileno()] = connection
        self._epoll.register(sock.fileno(), _IN | select.EPOLLOUT)
        return connection

    def _advance(self, connection: _Connection, event: int) -> None:
        """Continue connecting, the TLS handshake, or a partial send."""
        try:
            if not connection.ready:
                self._finish_connecting(connection)
            if connection.ready and connection.outgoing:
                sent = connection.sock.send(connection.outgoing)
                connection.outgoing = connection.outgoing[sent:]
        except ssl.SSLWantReadError:
            self._set_writing(connection, writing=False)
            return
        except (BlockingIOError, ssl.SSLWantWriteError):
            self._set_writing(connection, writing=True)
            return
        except OSError as error:
            # After a refused certificate, no other address is tried.
            unreached = not connection.ready and not isinstance(error, ssl.SSLError)
            if unreached and self._try_next_address(connection):
                return
            self._fail(connection, _problem_of(error), str(error))
            return
        self._set_writing(connection, writing=bool(connection.outgoing))
        if event & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR) and connection.sock.fileno() in self._open:
            self._read(connection)

    def _try_next_address(self, connection: _Connection) -> bool:
        """Retry at the host's next address, as nothing was sent yet; return whether there is one."""
        self._address += 1
        if connection.attempts >= len(self._endpoint.addresses):
            return False
        retry = self._connect(connection.since_us)
        if retry is None:
            return False
        retry.tag, retry.outgoing, retry.busy = connection.tag, connection.outgoing, True
        retry.attempts = connection.attempts + 1
        self._close(connection)
        return True

    def _finish_connecting(self, connection: _Connection) -> None:
        error = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        if self._tls is not None and not isinstance(connection.sock, ssl.SSLSocket):
            # Not earlier: wrapping a socket reads from it, which raises on a refused connection.
            connection.wrap(self._tls, self._endpoint.host)
        if isinstance(connection.sock, ssl.SSLSocket):
            connection.sock.do_handshake()
        connection.ready = True

    def _set_writing(self, connection: _Connection, *, writing: bool) -> None:
        if writing != connection.writing:
            connection.writing = writing
            self._epoll.modify(connection.sock.fileno(), _IN | select.EPOLLOUT if writing else _IN)

    def _read(self, connection: _Connection) -> None:
        data = self._receive(connection)
        if data is not None:
            self._handle_data(connection, data)

    def _receive(self, connection: _Connection) -> bytes | None:
        """Return received bytes, b"" at the end of the connection, None without data or after an error."""
        try:
            data = connection.receive(_READ)
            while isinstance(connection.sock, ssl.SSLSocket) and connection.sock.pending():
                data += connection.receive(_READ)
        except (BlockingIOError, *_SSL_WAITS):
            return None
        except OSError as error:
            self._fail(connection, _problem_of(error), str(error))
            return None
        return data

    def _handle_data(self, connection: _Connection, data: bytes) -> None:
        """Complete the request from the cache, or parse *data*."""
        if connection.parser is None and connection.busy and (cached := self._cache.get(data)) is not None:
            if cached.reusable:
                self._last_hit = data
            self._complete(connection, cached)
        else:
            self._parse(connection, data)

    def _parse(self, connection: _Connection, data: bytes) -> None:
        if not connection.busy:
            # The server closes an idle connection, or sends unrequested data.
            with contextlib.suppress(ValueError):
                self._idle.remove(connection)
            self._close(connection)
            return
        is_first = connection.parser is None
        parser = connection.parser = connection.parser or ResponseParser()
        try:
            response = parser.feed(data) if data else parser.end()
        except HttpError as error:
            self._fail(connection, "not http" if data else "closed", str(error))
            return
        if response is None:
            return
        connection.parser = None
        if is_first and data and len(self._cache) < _CACHE_SIZE and len(data) < 1024:
            self._cache[data] = response
        self._complete(connection, response)

    def _complete(self, connection: _Connection, response: Response) -> None:
        now = self._clock()
        self._results.append(RequestResult([connection.tag], [connection.since_us], response, "", "", now))
        connection.busy = False
        # A response before the request was sent completely leaves the connection in mid-request.
        if response.reusable and not connection.outgoing:
            connection.since_us = now
            self._idle.append(connection)
        else:
            self._close(connection)

    def _fail(self, connection: _Connection, problem: str, detail: str) -> None:
        if connection.busy:
            sent_us = [connection.since_us]
            self._results.append(RequestResult([connection.tag], sent_us, None, problem, detail, self._clock()))
        self._close(connection)

    def _close(self, connection: _Connection) -> None:
        self._open.pop(connection.sock.fileno(), None)
        connection.busy = False
        connection.sock.close()


def _problem_of(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError) or error.errno == errno.ECONNREFUSED:
        return "refused"
    if isinstance(error, ssl.SSLError):
        return "tls"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "reset"
    return "unreachable"
