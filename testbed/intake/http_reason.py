"""Custom HTTP reason phrases: EventGate reports its outcome in them, and ASGI does not support them."""

import asyncio
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Response header that carries the phrase from the application to the protocol, which removes it.
HEADER = b"x-testbed-reason"
_MARK = b"\r\n" + HEADER + b": "


class _ReasonTransport:
    """A transport that moves the phrase from the header into the status line."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def write(self, data: bytes) -> None:
        before, mark, after = data.partition(_MARK)
        if mark and data.startswith(b"HTTP/1.1 "):
            phrase, _, rest = after.partition(b"\r\n")
            _, _, headers = before.partition(b"\r\n")
            data = b"".join((data[:13], phrase, b"\r\n", headers, b"\r\n" if headers else b"", rest))
        self._transport.write(data)

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)


class ReasonProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with the application's reason phrases."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start a connection."""
        wrapped = _ReasonTransport(cast(asyncio.Transport, transport))
        super().connection_made(cast(asyncio.Transport, wrapped))
