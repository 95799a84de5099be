"""A fake intake with a known limit of requests per second, which it serves one after the other.

Faster requests wait in a queue. `python -m tests.limited_intake --port P --limit 400`
"""

import argparse
import asyncio

_CREATED = b"HTTP/1.1 201 All 1 out of 1 events were accepted.\r\nContent-Length: 0\r\n\r\n"
_HEALTHY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Limited(asyncio.Protocol):
    """One connection. All connections share the time from which the server is free."""

    free_at = 0.0
    service_time_s = 0.0

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0)
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            self._answer(head.startswith(b"post"))

    def _answer(self, is_event: bool) -> None:
        if not is_event:
            self._transport.write(_HEALTHY)
            return
        loop, kind = asyncio.get_running_loop(), type(self)
        kind.free_at = max(kind.free_at, loop.time()) + kind.service_time_s
        loop.call_at(kind.free_at, self._transport.write, _CREATED)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--limit", type=float, required=True)
    requested = parser.parse_args()
    Limited.service_time_s = 1 / requested.limit
    server = await asyncio.get_running_loop().create_server(Limited, "127.0.0.1", requested.port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
