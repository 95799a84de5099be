"""HTTP clients that follow the egress policy."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from common.egress import LOOPBACK
from common.http import open_client

_RESPONSE = b"HTTP/1.1 204 No Content\r\n\r\n"


@contextmanager
def counting_server() -> Iterator[tuple[str, list[int]]]:
    """Yield the address of a server that keeps connections open, and the number of requests on each connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    requests: list[int] = []

    def serve(connection: socket.socket, index: int) -> None:
        with connection:
            while connection.recv(65536):
                requests[index] += 1
                connection.sendall(_RESPONSE)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            requests.append(0)
            threading.Thread(target=serve, args=(connection, len(requests) - 1), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", requests
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(20)


def test_idle_connections_are_not_reused() -> None:
    with counting_server() as (address, requests), open_client(LOOPBACK) as client:
        client.get(address)
        time.sleep(1.5)
        client.get(address)
    assert requests == [1, 1]
