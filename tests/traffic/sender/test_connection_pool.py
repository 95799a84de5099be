"""The connection pool with real sockets: responses in pieces, closed connections, concurrency, and TLS."""

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from traffic.sender.connection_pool import ConnectionPool, Limits, RequestResult
from traffic.sender.endpoint import Endpoint, framing

ANSWER = b"HTTP/1.1 201 Fine\r\ncontent-length: 0\r\n\r\n"

Serve = Callable[[socket.socket, int], None]


def clock() -> int:
    return time.monotonic_ns() // 1000


@contextmanager
def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Accept connections until the block ends; *serve* gets each one, and its number."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            number = 0
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve_one, args=(connection, number), daemon=True).start()
                number += 1

        def serve_one(connection: socket.socket, number: int) -> None:
            with connection:
                try:
                    if tls is None:
                        serve(connection, number)
                    else:
                        with tls.wrap_socket(connection, server_side=True) as secured:
                            serve(secured, number)
                except OSError:
                    pass

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def read_request(connection: socket.socket) -> bytes:
    """Return the body of the next request; nothing at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65_536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65_536)
    return body


def send_all(pool: ConnectionPool, requests: list[bytes], seconds: float = 120.0) -> dict[object, RequestResult]:
    """Send all *requests* as fast as the pool allows; return their results by index."""
    by_tag: dict[object, RequestResult] = {}
    position, deadline = 0, time.monotonic() + seconds
    while len(by_tag) < len(requests):
        assert time.monotonic() < deadline, f"{len(by_tag)} of {len(requests)} have a result"
        free = min(pool.free, len(requests) - position)
        pool.send(requests[position : position + free], range(position, position + free))
        position += free
        for result in pool.poll(0.01):
            for tag, sent_us in zip(result.tags, result.sent_us, strict=True):
                assert tag not in by_tag
                assert sent_us <= result.at_us
                by_tag[tag] = result
        pool.reap()
    return by_tag


def pool_to(
    port: int, *, tls: bool = False, host: str = "127.0.0.1", **limits: int
) -> tuple[ConnectionPool, Callable[[bytes], bytes]]:
    endpoint = Endpoint.of(f"http{'s' * tls}://{host}:{port}/v1/events")
    return ConnectionPool(endpoint, clock, Limits(**limits)), framing(endpoint, [("Content-Type", "text/plain")])


def test_responses_match_requests_over_few_connections(tmp_path: Path) -> None:
    received, connections = [], set()

    def serve(connection: socket.socket, number: int) -> None:
        connections.add(number)
        while body := read_request(connection):
            received.append(body)
            answer = b"HTTP/1.1 201 Fine\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
            half = len(body) % len(answer)
            # In one piece, or in two.
            connection.sendall(answer[:half])
            if body[0] % 2:
                time.sleep(0.002)
            connection.sendall(answer[half:])

    bodies = [b"%d" % number for number in range(300)]
    with serving(serve) as port:
        pool, frame = pool_to(port, connections=4)
        results = send_all(pool, [frame(body) for body in bodies])
        pool.close()
    assert sorted(received) == sorted(bodies)
    assert len(connections) <= 4
    for tag, result in results.items():
        assert isinstance(tag, int)
        assert result.response is not None
        assert result.response.body == bodies[tag]


def test_closed_connections_are_replaced() -> None:
    def serve(connection: socket.socket, number: int) -> None:
        for _ in range(3):
            if read_request(connection):
                connection.sendall(ANSWER)

    with serving(serve) as port:
        pool, frame = pool_to(port, connections=2)
        results = send_all(pool, [frame(b"x")] * 30)
        pool.close()
    problems = [result.problem for result in results.values() if result.response is None]
    # A request on a connection that is being closed gets no response, and is not sent again.
    assert set(problems) <= {"closed", "reset"}
    assert len(results) == 30
    assert len(problems) < 15


def test_two_responses_to_one_request_are_an_error() -> None:
    def serve(connection: socket.socket, number: int) -> None:
        count = 0
        while read_request(connection):
            count += 1
            connection.sendall(ANSWER * (2 if count == 3 else 1))

    with serving(serve) as port:
        pool, frame = pool_to(port, connections=1)
        results = send_all(pool, [frame(b"x")] * 4)
        pool.close()
    assert [results[tag].problem for tag in range(4)] == ["", "", "not http", ""]


def test_a_body_larger_than_the_systems_buffers() -> None:
    size = 8 << 20

    def serve(connection: socket.socket, number: int) -> None:
        time.sleep(0.1)
        body = read_request(connection)
        connection.sendall(b"HTTP/1.1 201 %d\r\ncontent-length: 0\r\n\r\n" % len(body))

    with serving(serve) as port:
        pool, frame = pool_to(port)
        [result] = send_all(pool, [frame(b"x" * size)]).values()
        pool.close()
    assert result.response is not None
    assert result.response.reason == str(size)


def test_timeout_and_refused_connection() -> None:
    is_over = threading.Event()

    def serve(connection: socket.socket, number: int) -> None:
        read_request(connection)
        is_over.wait(240)

    with serving(serve) as port:
        pool, frame = pool_to(port, request_timeout_us=200_000)
        assert {result.problem for result in send_all(pool, [frame(b"x")] * 3).values()} == {"timeout"}
        is_over.set()
        pool.close()
    pool, frame = pool_to(port)
    assert {result.problem for result in send_all(pool, [frame(b"x")] * 3).values()} == {"refused"}
    pool.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a self-signed certificate for `localhost`, with its key, in one file."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(path), "-out", str(path.with_suffix(".crt"))]
    subprocess.run(command, check=True, capture_output=True)
    with path.open("a") as file:
        file.write(path.with_suffix(".crt").read_text())
    return path


def secure_echo(certificate: Path) -> tuple[Serve, ssl.SSLContext]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve(connection: socket.socket, number: int) -> None:
        while body := read_request(connection):
            # Longer than a TLS record, so that it comes in several.
            connection.sendall(b"HTTP/1.1 201 Fine\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    return serve, context


def test_https_with_a_trusted_certificate(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    serve, context = secure_echo(certificate)
    bodies = [b"%d" % number * (1 + number * 977 % 20_000) for number in range(60)]
    with serving(serve, context) as port:
        pool, frame = pool_to(port, tls=True, host="localhost", connections=5)
        results = send_all(pool, [frame(body) for body in bodies])
        pool.close()
    for number, body in enumerate(bodies):
        response = results[number].response
        assert response is not None, results[number]
        assert response.body == body


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_https_with_an_untrusted_certificate_sends_nothing(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    if host != "localhost":
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    received = []

    def serve(connection: socket.socket, number: int) -> None:
        received.append(read_request(connection))

    with serving(serve, secure_echo(certificate)[1]) as port:
        pool, frame = pool_to(port, tls=True, host=host)
        [result] = send_all(pool, [frame(b"secret")]).values()
        pool.close()
    assert (result.problem, result.response) == ("tls", None)
    assert "certificate verify failed" in result.detail.lower() or "mismatch" in result.detail.lower()
    assert not any(received)
