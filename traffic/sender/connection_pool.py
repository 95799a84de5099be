"""Many connections to one server, each with at most one request under way; nothing here ever waits.

It follows no redirect, uses no proxy and reads no environment: what it is given is the only place it sends to.
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
_KEPT_ANSWERS = 4096
_IN = select.EPOLLIN | select.EPOLLRDHUP
_SSL_WAITS = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


class RequestResult(NamedTuple):
    """What became of requests that fared alike.

    Attributes:
        tags: what the caller gave with each of them.
        sent_us: when each was sent, by the clock.
        response: the answer to each, None when there is none.
        problem: why there is none: `refused`, `reset`, `closed`, `timeout`, `unreachable`, `tls`, `not http`.
        detail: the same for people.
        at_us: when, by the clock.
    """

    tags: Sequence[Any]
    sent_us: Sequence[int]
    response: Response | None
    problem: str
    detail: str
    at_us: int


class Limits(NamedTuple):
    """What the wire allows itself.

    Attributes:
        connections: the most at once.
        request_timeout_us: how long an answer may take, or a connection to be made.
        idle_us: a connection that rested longer is not used again: the server may be about to close it.
    """

    connections: int = 1_000
    request_timeout_us: int = 15_000_000
    idle_us: int = 4_000_000


class _Connection:
    """One connection, and the request that is under way on it."""

    __slots__ = (
        "begun_us",
        "busy",
        "outgoing",
        "parser",
        "ready",
        "receive",
        "send",
        "sock",
        "tag",
        "tries",
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
        self.begun_us = 0
        self.tries = 1
        self.parser: ResponseParser | None = None

    def wrap(self, tls: ssl.SSLContext, host: str) -> None:
        """Put TLS on the connected socket, whose descriptor stays the same."""
        self.sock = tls.wrap_socket(self.sock, server_hostname=host, do_handshake_on_connect=False)
        self.send, self.receive = self.sock.send, self.sock.recv


class ConnectionPool:
    """Sends requests and gives back what became of each.

    Args:
        endpoint: where they go.
        clock: microseconds, never going back.
        limits: on connections and waiting.
    """

    def __init__(self, endpoint: Endpoint, clock: Callable[[], int], limits: Limits) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._limits = limits
        self._epoll = select.epoll()
        self._open: dict[int, _Connection] = {}
        # Those that rest, the last used at the right: it is taken first, so that surplus ones grow old.
        self._idle: deque[_Connection] = deque()
        self._outcomes: list[RequestResult] = []
        self._tls = ssl.create_default_context() if endpoint.tls else None
        self._address = 0
        # Answers are read once: the same bytes mean the same, and an intake has few different answers a second.
        self._known: dict[bytes, Response] = {}
        # The bytes of the known answer that came last, if the connection can be used again after it.
        self._usual = b""

    @property
    def under_way(self) -> int:
        """How many requests wait for an answer."""
        return len(self._open) - len(self._idle)

    @property
    def free(self) -> int:
        """How many requests could be sent now."""
        return self._limits.connections - self.under_way

    def send(self, requests: Iterable[bytes], tags: Iterable[object]) -> None:
        """Put *requests* on the wire, a tag with each. Only call with as many as are `free`."""
        clock, idle, longest_us = self._clock, self._idle, self._limits.idle_us
        for request, tag in zip(requests, tags, strict=False):
            now = clock()
            if idle and now - idle[-1].begun_us <= longest_us:
                connection: _Connection | None = idle.pop()
            else:
                self._close_rested()
                connection = self._connect(now)
            if connection is None:
                self._outcomes.append(
                    RequestResult([tag], [now], None, "unreachable", "no connection can be made", now)
                )
                continue
            connection.tag, connection.begun_us, connection.busy = tag, now, True
            if not connection.ready:
                connection.outgoing = request
                continue
            try:
                sent = connection.send(request)
            except (BlockingIOError, *_SSL_WAITS):
                sent = 0
            except OSError as error:
                self._fail(connection, _problem(error), str(error))
                continue
            if sent != len(request):
                connection.outgoing = request[sent:]
                self._watch_writing(connection, writing=True)

    def poll(self, timeout_s: float) -> list[RequestResult]:
        """Wait at most *timeout_s* for something to happen; return what became of requests since the last call."""
        events = self._epoll.poll(0 if self._outcomes else timeout_s, 1024)
        # Whatever can be read now has come by now.
        now = self._clock()
        connections, ordinary, usual = self._open, self._tls is None, self._usual
        tags: list[object] = []
        sent_us: list[int] = []
        for number, event in events:
            connection = connections.get(number)
            if connection is None:
                continue
            if not ordinary or event != select.EPOLLIN or not connection.ready:
                self._turn_to(connection, event)
                continue
            try:
                data = connection.receive(_READ)
            except OSError as error:
                if not isinstance(error, BlockingIOError):
                    self._fail(connection, _problem(error), str(error))
                continue
            # Nearly always: the whole of the same answer as the last time, on a connection that waits for one.
            if data and data == usual and connection.busy and connection.parser is None and not connection.writing:
                tags.append(connection.tag)
                sent_us.append(connection.begun_us)
                connection.busy, connection.begun_us = False, now
                self._idle.append(connection)
            else:
                self._take(connection, data)
        if tags:
            self._outcomes.append(RequestResult(tags, sent_us, self._known[usual], "", "", now))
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def _turn_to(self, connection: _Connection, event: int) -> None:
        if not connection.ready or event & select.EPOLLOUT:
            self._advance(connection, event)
        else:
            self._read(connection)

    def reap(self) -> None:
        """Give up what has waited too long, and close what has rested too long; to be called now and then."""
        now = self._clock()
        for connection in [item for item in self._open.values() if item.busy]:
            if now - connection.begun_us > self._limits.request_timeout_us:
                self._fail(connection, "timeout", f"no answer within {self._limits.request_timeout_us / 1e6:g} s")
        while self._idle and now - self._idle[0].begun_us > self._limits.idle_us:
            self._close(self._idle.popleft())

    def abandon(self) -> list[RequestResult]:
        """Return an outcome without an answer for each request that is under way; they are not waited for."""
        now = self._clock()
        return [
            RequestResult([item.tag], [item.begun_us], None, "unanswered", "the run was over", now)
            for item in self._open.values() if item.busy
        ]  # fmt: skip

    def close(self) -> None:
        """Close all connections; requests under way get no outcome."""
        for connection in list(self._open.values()):
            self._close(connection)
        self._idle.clear()
        self._epoll.close()

    def _close_rested(self) -> None:
        """Close all that rest: to be called when even the one that was used last has rested too long."""
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
        # Whatever is wrong is told once more when the socket is asked.
        sock.connect_ex(address)
        connection = _Connection(sock)
        connection.begun_us = now
        connection.writing = True
        self._open[sock.fileno()] = connection
        self._epoll.register(sock.fileno(), _IN | select.EPOLLOUT)
        return connection

    def _advance(self, connection: _Connection, event: int) -> None:
        """Go on connecting, shaking hands, or sending what did not fit."""
        try:
            if not connection.ready:
                self._finish_connecting(connection)
            if connection.ready and connection.outgoing:
                sent = connection.sock.send(connection.outgoing)
                connection.outgoing = connection.outgoing[sent:]
        except ssl.SSLWantReadError:
            self._watch_writing(connection, writing=False)
            return
        except (BlockingIOError, ssl.SSLWantWriteError):
            self._watch_writing(connection, writing=True)
            return
        except OSError as error:
            # Whose certificate is refused is not asked for at another address.
            unreached = not connection.ready and not isinstance(error, ssl.SSLError)
            if unreached and self._try_next_address(connection):
                return
            self._fail(connection, _problem(error), str(error))
            return
        self._watch_writing(connection, writing=bool(connection.outgoing))
        if event & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR) and connection.sock.fileno() in self._open:
            self._read(connection)

    def _try_next_address(self, connection: _Connection) -> bool:
        """Try the host's next address, as nothing was sent yet; return whether there is one."""
        self._address += 1
        if connection.tries >= len(self._endpoint.addresses):
            return False
        other = self._connect(connection.begun_us)
        if other is None:
            return False
        other.tag, other.outgoing, other.busy = connection.tag, connection.outgoing, True
        other.tries = connection.tries + 1
        self._close(connection)
        return True

    def _finish_connecting(self, connection: _Connection) -> None:
        error = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        if self._tls is not None and not isinstance(connection.sock, ssl.SSLSocket):
            # Only now: of a socket that is not connected, wrapping it reads, which raises where it was refused.
            connection.wrap(self._tls, self._endpoint.host)
        if isinstance(connection.sock, ssl.SSLSocket):
            connection.sock.do_handshake()
        connection.ready = True

    def _watch_writing(self, connection: _Connection, *, writing: bool) -> None:
        if writing != connection.writing:
            connection.writing = writing
            self._epoll.modify(connection.sock.fileno(), _IN | select.EPOLLOUT if writing else _IN)

    def _read(self, connection: _Connection) -> None:
        data = self._receive(connection)
        if data is not None:
            self._take(connection, data)

    def _receive(self, connection: _Connection) -> bytes | None:
        """Return what came, nothing at the end of the connection; None when nothing came yet, or it broke."""
        try:
            data = connection.receive(_READ)
            while isinstance(connection.sock, ssl.SSLSocket) and connection.sock.pending():
                data += connection.receive(_READ)
        except (BlockingIOError, *_SSL_WAITS):
            return None
        except OSError as error:
            self._fail(connection, _problem(error), str(error))
            return None
        return data

    def _take(self, connection: _Connection, data: bytes) -> None:
        """Take in bytes that came."""
        if connection.parser is None and connection.busy and (known := self._known.get(data)) is not None:
            if known.reusable:
                self._usual = data
            self._answer(connection, known)
        else:
            self._parse(connection, data)

    def _parse(self, connection: _Connection, data: bytes) -> None:
        if not connection.busy:
            # The server closes a connection that rests, or says something that nobody asked for.
            with contextlib.suppress(ValueError):
                self._idle.remove(connection)
            self._close(connection)
            return
        fresh = connection.parser is None
        parser = connection.parser = connection.parser or ResponseParser()
        try:
            response = parser.feed(data) if data else parser.end()
        except HttpError as error:
            self._fail(connection, "not http" if data else "closed", str(error))
            return
        if response is None:
            return
        connection.parser = None
        if fresh and data and len(self._known) < _KEPT_ANSWERS and len(data) < 1024:
            self._known[data] = response
        self._answer(connection, response)

    def _answer(self, connection: _Connection, response: Response) -> None:
        now = self._clock()
        self._outcomes.append(RequestResult([connection.tag], [connection.begun_us], response, "", "", now))
        connection.busy = False
        # An answer that came before the request was out leaves the connection in the middle of it.
        if response.reusable and not connection.outgoing:
            connection.begun_us = now
            self._idle.append(connection)
        else:
            self._close(connection)

    def _fail(self, connection: _Connection, problem: str, detail: str) -> None:
        if connection.busy:
            sent_us = [connection.begun_us]
            self._outcomes.append(RequestResult([connection.tag], sent_us, None, problem, detail, self._clock()))
        self._close(connection)

    def _close(self, connection: _Connection) -> None:
        self._open.pop(connection.sock.fileno(), None)
        connection.busy = False
        connection.sock.close()


def _problem(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError) or error.errno == errno.ECONNREFUSED:
        return "refused"
    if isinstance(error, ssl.SSLError):
        return "tls"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "reset"
    return "unreachable"
