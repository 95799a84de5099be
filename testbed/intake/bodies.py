"""The events in a request's body, read as EventGate reads them: its content types, encodings, and JavaScript's JSON.

What `orjson` takes is read by it. The rest is read once more as JavaScript would: invalid UTF-8 and lone surrogates
become replacement characters, numbers have the range of a double, and a byte order mark is skipped. An event that is
nested deeper than the intake can write it is cut there, and marked, so that its neighbours are kept.
"""

import asyncio
import codecs
import json
import re
import sys
import zlib
from collections.abc import Mapping
from typing import NamedTuple

import orjson

#: Levels of nesting that an event may have; what lies deeper is cut. `orjson` writes no more than 254.
MAX_DEPTH = 250

_JSON_TYPES = frozenset({"text/plain", "application/json", "application/reports+json"})
_CHARSETS = frozenset({"utf-8", "utf-16", "utf-16le", "utf-16be", "utf-32", "utf-32le", "utf-32be"})
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = rf'(?:{_WORD}|"(?:[^"\\]|\\.)*")'
_CONTENT_TYPE = re.compile(
    rf"[ \t]*(?P<type>{_WORD}/{_WORD})[ \t]*(?P<options>(?:;[ \t]*{_WORD}[ \t]*=[ \t]*{_VALUE}[ \t]*)*)"
)
_OPTION = re.compile(rf";[ \t]*(?P<name>{_WORD})[ \t]*=[ \t]*(?P<value>{_VALUE})")
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{},]', re.S)
_BLANK = " \t\r\n"


class BodyError(Exception):
    """A body that cannot be read; *title* is what EventGate calls it."""

    def __init__(self, title: str, detail: str) -> None:
        super().__init__(detail)
        self.title = title


class TooDeep(NamedTuple):
    """An event that was nested too deeply: *event* is what is left of it."""

    event: object


def is_json(content_type: bytes) -> bool:
    """Return whether a body of *content_type* is read at all; any other counts as an empty one."""
    found = _CONTENT_TYPE.fullmatch(content_type.decode("latin-1"))
    return found is not None and found["type"].lower() in _JSON_TYPES


async def events_of(body: bytes, headers: Mapping[bytes, bytes], limit: int) -> list[object]:
    """Return the events of *body*, none when it counts as empty. One nested too deeply is a `TooDeep`.

    Args:
        body: as it came.
        headers: of the request, with names in lower case; its content type is one of JSON's.
        limit: bytes that the body may have after it was unpacked.

    Raises:
        BodyError: it cannot be unpacked or decoded, or is neither an object nor an array of JSON.
    """
    charset = _charset(headers.get(b"content-type", b"").decode("latin-1"))
    coding = headers.get(b"content-encoding", b"identity").lower()
    if coding != b"identity" and body:
        body = _unpack(body, coding, limit)
    if not body:
        return []
    content: object
    try:
        content = orjson.loads(body if charset == "utf-8" else b"?")
    except orjson.JSONDecodeError:
        # This takes a while for a large body; other requests are answered meanwhile.
        return await asyncio.to_thread(_as_javascript, body, charset)
    if isinstance(content, list):
        return content
    if not isinstance(content, dict):
        raise BodyError("SyntaxError", "the body is neither an object nor an array")
    return [content] if content else []


def _charset(content_type: str) -> str:
    found = _CONTENT_TYPE.fullmatch(content_type)
    options = {item["name"].lower(): item["value"] for item in _OPTION.finditer(found["options"] if found else "")}
    charset = options.get("charset", "utf-8").strip('"').lower()
    if charset not in _CHARSETS:
        raise BodyError("UnsupportedMediaTypeError", f'unsupported charset "{charset.upper()}"')
    return charset


def _unpack(body: bytes, coding: bytes, limit: int) -> bytes:
    if coding not in (b"gzip", b"deflate"):
        raise BodyError("UnsupportedMediaTypeError", f'unsupported content encoding "{coding.decode("latin-1")}"')
    is_gzip = coding == b"gzip"
    plain = b""
    while True:
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16 if is_gzip else zlib.MAX_WBITS)
        try:
            plain += unpacker.decompress(body, limit + 1 - len(plain))
        except zlib.error as error:
            raise BodyError("Error", str(error)) from error
        if len(plain) > limit:
            raise BodyError("PayloadTooLargeError", "request entity too large")
        if not unpacker.eof:
            raise BodyError("Error", "unexpected end of file")
        # The members of a gzip file follow each other; zeros behind the last are padding.
        body = unpacker.unused_data
        if not is_gzip or not body or body.startswith(b"\0"):
            return plain


def _as_javascript(body: bytes, charset: str) -> list[object]:
    text = codecs.decode(body, charset, "replace").removeprefix("\ufeff")
    if text.lstrip(_BLANK)[:1] not in ("[", "{"):
        raise BodyError("SyntaxError", "the body is neither an object nor an array")
    text, deep = _cut(text)
    try:
        content = json.loads(text, parse_constant=_refuse, parse_int=_whole, parse_float=_finite)
        # Without lone surrogates, and with whole numbers of any size: so that it can be written.
        plain = (
            json.dumps(content, ensure_ascii=False).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        )
        content = orjson.loads(plain)
    except (ValueError, RecursionError) as error:
        raise BodyError("SyntaxError", str(error)) from error
    events: list[object] = content if isinstance(content, list) else [content] if content else []
    return [TooDeep(event) if number in deep else event for number, event in enumerate(events)]


def _refuse(constant: str) -> object:
    raise ValueError(f"Unexpected token {constant} in JSON")


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < 19 else _finite(digits)


def _finite(digits: str) -> float:
    return max(-sys.float_info.max, min(float(digits), sys.float_info.max))


def _cut(text: str) -> tuple[str, frozenset[int]]:
    """Return *text* with null for what is nested too deeply, and the numbers of the events that lost something."""
    is_array = text.lstrip(_BLANK).startswith("[")
    deepest = MAX_DEPTH + is_array
    kept: list[str] = []
    deep: set[int] = set()
    depth = number = begin = 0
    for found in _STRUCTURE.finditer(text):
        if found[0] in ("[", "{"):
            depth += 1
            if depth == deepest + 1:
                kept.append(text[begin : found.start()])
                deep.add(number)
        elif found[0] in ("]", "}"):
            if depth == deepest + 1:
                kept.append("null")
                begin = found.end()
            depth -= 1
        elif found[0] == "," and depth == 1:
            number += is_array
    return "".join([*kept, text[begin:]]), frozenset(deep)
