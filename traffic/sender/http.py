"""A parser of HTTP/1.1 responses (RFC 9112) for a client that posts events and follows no redirect."""

import re
from typing import NamedTuple

#: Bytes; an intake's response to a few hundred events is shorter. Longer ones are errors.
LONGEST_HEAD, LONGEST_BODY = 64 << 10, 64 << 20

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([^\r\n]*))?")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEX = re.compile(rb"[0-9A-Fa-f]{1,8}")
_DIGITS = re.compile(rb"[0-9]{1,10}")


class HttpError(Exception):
    """The data is not an HTTP/1.1 response; the connection is no longer usable."""


class Response(NamedTuple):
    """A final response. *reusable*: whether the connection may carry another request."""

    status: int
    reason: str
    body: bytes
    reusable: bool


class _Head(NamedTuple):
    """A status line, and the header fields that determine the body's length."""

    status: int
    reason: str
    length: int | None
    chunked: bool
    reusable: bool


class ResponseParser:
    """Parses the final response to one request from a connection's bytes, in pieces of any size.

    Interim responses (1xx) are skipped. A response without a length ends with the connection.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: _Head | None = None
        self._body = bytearray()
        self._in_trailer = False

    def feed(self, data: bytes) -> Response | None:
        """Parse *data*; return the response once it is complete.

        Raises:
            HttpError: the data is not a response, or more than one.
        """
        self._buffer += data
        while self._head is None:
            head = self._take_head()
            if head is None:
                return None
            if head.status >= 200:
                self._head = head
        head = self._head
        done = self._take_body(head)
        if done is None:
            return None
        if self._buffer:
            raise HttpError("more than one response to one request")
        return Response(head.status, head.reason, bytes(self._body), head.reusable)

    def end(self) -> Response:
        """Return the response that ends with the connection. Raises HttpError when it is incomplete."""
        head = self._head
        if head is None or head.chunked or head.length is not None:
            began = head is not None or bool(self._buffer)
            raise HttpError("the connection was closed within the response" if began else "the connection was closed")
        return Response(head.status, head.reason, bytes(self._body), reusable=False)

    def _take_head(self) -> _Head | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > LONGEST_HEAD:
                raise HttpError("the head of the response has no end")
            if self._buffer and not b"HTTP/1.".startswith(self._buffer[:7]):
                raise HttpError("not HTTP/1.1")
            return None
        head = _parse_head(bytes(self._buffer[:end]))
        del self._buffer[: end + 4]
        return head

    def _take_body(self, head: _Head) -> bool | None:
        """Move received bytes to the body; return True when the body is complete."""
        if head.chunked:
            return self._take_chunks()
        wanted = len(self._buffer) if head.length is None else head.length - len(self._body)
        self._body += self._buffer[:wanted]
        del self._buffer[:wanted]
        if len(self._body) > LONGEST_BODY:
            raise HttpError("the response is too long")
        return True if head.length is not None and len(self._body) == head.length else None

    def _take_chunks(self) -> bool | None:
        while not self._in_trailer:
            line, separator, _ = self._buffer.partition(b"\r\n")
            if not separator:
                if len(line) > LONGEST_HEAD:
                    raise HttpError("a chunk's size has no end")
                return None
            word = bytes(line).partition(b";")[0].strip(b" \t")
            if not _HEX.fullmatch(word):
                raise HttpError(f"not the size of a chunk: {word[:20]!r}")
            size, begin = int(word, 16), len(line) + 2
            if not size:
                del self._buffer[:begin]
                self._in_trailer = True
                break
            if size + len(self._body) > LONGEST_BODY:
                raise HttpError("the response is too long")
            if len(self._buffer) < begin + size + 2:
                return None
            if self._buffer[begin + size : begin + size + 2] != b"\r\n":
                raise HttpError("a chunk is longer than its size")
            self._body += self._buffer[begin : begin + size]
            del self._buffer[: begin + size + 2]
        return self._skip_trailer()

    def _skip_trailer(self) -> bool | None:
        while True:
            line, separator, _ = self._buffer.partition(b"\r\n")
            if not separator:
                return None
            del self._buffer[: len(line) + 2]
            if not line:
                return True


def _parse_head(head: bytes) -> _Head:
    first, *lines = head.split(b"\r\n")
    match = _STATUS_LINE.fullmatch(first)
    if match is None:
        raise HttpError(f"not HTTP/1.1: {first[:40]!r}")
    status = int(match[2])
    length: int | None = None
    connection, encodings = b"", b""
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not _TOKEN.fullmatch(name):
            raise HttpError(f"not a header field: {line[:40]!r}")
        name, value = name.lower(), value.strip(b" \t")
        if name == b"content-length":
            length = _length(value, length)
        elif name == b"transfer-encoding":
            encodings += b"," + value.lower()
        elif name == b"connection":
            connection += b"," + value.lower()
    options = {word.strip() for word in connection.split(b",")}
    reusable = b"keep-alive" in options if match[1] == b"0" else b"close" not in options
    chunked = bool(encodings)
    if chunked and encodings.strip(b", ") != b"chunked":
        raise HttpError(f"unsupported transfer encoding: {encodings.strip(b', ')[:40]!r}")
    if status == 101:
        raise HttpError("the server switched protocols without a request")
    if status in (204, 304):
        length, chunked = 0, False
    # A length besides chunks may hide two messages in one: do not reuse the connection (RFC 9112, 6.3).
    reusable = reusable and not (chunked and length is not None) and (chunked or length is not None)
    return _Head(status, (match[3] or b"").decode("latin-1"), None if chunked else length, chunked, reusable)


def _length(value: bytes, before: int | None) -> int:
    # A repeated identical length counts once (RFC 9110, 8.6).
    words = {word.strip(b" \t") for word in value.split(b",")}
    if len(words) != 1 or not _DIGITS.fullmatch(next(iter(words))):
        raise HttpError(f"not a length: {value[:40]!r}")
    length = int(next(iter(words)))
    if before not in (None, length):
        raise HttpError("two different lengths")
    if length > LONGEST_BODY:
        raise HttpError("the response is too long")
    return length
