"""The minimal cost of sending in Python: one fixed request repeatedly, without parsing, timing or ledger.

`python -m bench.bare_loop PORT BODY_FILE CONNECTIONS SECONDS OUT` writes [requests, CPU seconds, seconds] into OUT.
"""

import select
import socket
import sys
import time
from pathlib import Path

import orjson


def main(port: str, body: str, connections: str, seconds: str, out: str) -> None:
    """Send for *seconds* seconds, and write the cost to *out*."""
    content = Path(body).read_bytes()
    head = b"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain;charset=UTF-8\r\n"
    request = b"%bContent-Length: %d\r\n\r\n%b" % (head, len(content), content)
    epoll = select.epoll()
    calls = {}
    for _ in range(int(connections)):
        connection = socket.create_connection(("127.0.0.1", int(port)))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        calls[connection.fileno()] = (connection.sendall, connection.recv)
        epoll.register(connection.fileno(), select.EPOLLIN)
        connection.sendall(request)
    begin, cpu, count = time.monotonic(), time.process_time(), 0
    while time.monotonic() - begin < float(seconds):
        for number, _ in epoll.poll(1):
            send, receive = calls[number]
            receive(4096)
            send(request)
            count += 1
    result = [count, time.process_time() - cpu, time.monotonic() - begin]
    Path(out).write_bytes(orjson.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
