"""The parser of HTTP responses: every way to cut the bytes gives the same response."""

from itertools import pairwise

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from traffic.sender.http import HttpError, Response, ResponseParser

reasons = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
bodies = st.binary(max_size=300)
values = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)
fields = st.lists(
    st.tuples(st.sampled_from(["date", "server", "X-Thing", "access-control-allow-origin"]), values), max_size=4
)
interim = st.lists(
    st.sampled_from([b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early\r\nlink: a\r\n\r\n"]), max_size=2
)


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, Response]:
    """Return the bytes of a response with a definite end, and the parsed response."""
    status, reason, body = draw(st.sampled_from([200, 201, 202, 207, 400, 404, 500])), draw(reasons), draw(bodies)
    lines = [f"{name}: {value}" for name, value in draw(fields)]
    closing = draw(st.booleans())
    if closing:
        lines.append(draw(st.sampled_from(["Connection: close", "connection: Close, x"])))
    sent = body
    if draw(st.booleans()):
        lines.append("Transfer-Encoding: chunked")
        pieces = draw(st.lists(st.integers(1, 100), max_size=5))
        sent, rest = b"", body
        for size in [*pieces, 1000]:
            piece, rest = rest[:size], rest[size:]
            if piece:
                sent += b"%x;ext=1\r\n%b\r\n" % (len(piece), piece)
        sent += b"0\r\n" + draw(st.sampled_from([b"", b"trailer: x\r\n"])) + b"\r\n"
    else:
        lines.append(draw(st.sampled_from(["Content-Length: ", "content-length:"])) + str(len(body)))
    head = "\r\n".join([f"HTTP/1.1 {status} {reason}", *draw(st.permutations(lines))]).encode()
    data = b"".join(draw(interim)) + head + b"\r\n\r\n" + sent
    return data, Response(status, reason, body, not closing)


def parse(pieces: list[bytes]) -> Response | None:
    """Feed the pieces in order; only the last one may complete the response."""
    parser = ResponseParser()
    responses = [parser.feed(piece) for piece in pieces]
    assert all(response is None for response in responses[:-1])
    return responses[-1]


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(position % (len(data) + 1) for position in cuts)})
    return [data[begin:end] for begin, end in pairwise(edges)]


@given(answers(), st.lists(st.integers(0, 2000), max_size=12))
def test_every_cut_gives_the_same_response(answer: tuple[bytes, Response], cuts: list[int]) -> None:
    data, expected = answer
    assert parse(cut(data, cuts)) == expected
    assert parse([data[i : i + 1] for i in range(len(data))]) == expected


@given(answers())
def test_h11_reads_the_same(answer: tuple[bytes, Response]) -> None:
    data, expected = answer
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="POST", target="/", headers=[("host", "x"), ("content-length", "0")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    body, status, reason = b"", 0, b""
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        if isinstance(event, h11.Response):
            status, reason = event.status_code, bytes(event.reason)
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
    assert (status, reason.decode().strip(), body) == (expected.status, expected.reason.strip(), expected.body)


@given(answers(), st.integers(1, 3000))
def test_a_truncated_response_is_an_error(answer: tuple[bytes, Response], missing: int) -> None:
    data, _ = answer
    parser = ResponseParser()
    assert parser.feed(data[: max(0, len(data) - missing)]) is None
    with pytest.raises(HttpError, match="closed"):
        parser.end()


@given(st.binary(max_size=400), st.lists(st.integers(0, 500), max_size=5))
@example(b"HTTP/1.1 2", [])
@example(b"HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", [3])
def test_other_bytes_are_a_response_or_an_error(data: bytes, cuts: list[int]) -> None:
    parser = ResponseParser()
    try:
        for piece in cut(data, cuts):
            if parser.feed(piece) is not None:
                return
        parser.end()
    except HttpError:
        pass


def test_a_body_without_length_ends_with_the_connection() -> None:
    parser = ResponseParser()
    assert parser.feed(b"HTTP/1.1 200 OK\r\n\r\nabc") is None
    assert parser.feed(b"def") is None
    assert parser.end() == Response(200, "OK", b"abcdef", reusable=False)


@pytest.mark.parametrize(
    ("head", "reusable"),
    [
        ("HTTP/1.0 200 OK\r\ncontent-length: 0", False),
        ("HTTP/1.0 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive", True),
        ("HTTP/1.1 204 No Content", True),
        ("HTTP/1.1 304 Not Modified\r\ncontent-length: 500", True),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0, 0", True),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-length: 0", True),
    ],
)
def test_reusable_connections(head: str, reusable: bool) -> None:
    result = ResponseParser().feed(head.encode() + b"\r\n\r\n")
    assert result is not None
    assert result.reusable is reusable


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"SSH-2.0-OpenSSH\r\n\r\n", "not HTTP"),
        (b"garbage", "not HTTP"),
        (b"HTTP/2 200 OK\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "not a header field"),
        (b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n", "not a header field"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "not a length"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1, 2\r\n\r\n", "not a length"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", "two different"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9999999999\r\n\r\n", "too long"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n", "unsupported"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "size of a chunk"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc\r\n", "longer than its size"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffff\r\n", "too long"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "switched"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1", "more than one"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000, "no end"),
    ],
)  # fmt: skip
def test_malformed_responses_are_errors(data: bytes, message: str) -> None:
    with pytest.raises(HttpError, match=message):
        ResponseParser().feed(data)
