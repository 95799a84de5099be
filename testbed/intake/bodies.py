"""Parses request bodies as EventGate does: its content types, encodings, and JavaScript's JSON.

`orjson` parses most bodies. A body that it rejects is parsed again by JavaScript's rules: invalid UTF-8 and lone
surrogates become replacement characters, numbers have the range of a double, and a byte order mark is skipped. An event
nested deeper than the intake can serialize is truncated there and marked, so that the other events of its body survive.
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

#: Maximum levels of nesting of an event; deeper content is removed. `orjson` serializes at most 254 levels.
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
    """A body that cannot be parsed; *title* is EventGate's name for the error."""

    def __init__(self, title: str, detail: str) -> None:
        super().__init__(detail)
        self.title = title


class TooDeep(NamedTuple):
    """An event that was nested too deeply: *event* is its truncated form."""

    event: object


def is_json(content_type: bytes) -> bool:
    """Return whether a body of *content_type* is parsed; any other body counts as empty."""
    match = _CONTENT_TYPE.fullmatch(content_type.decode("latin-1"))
    return match is not None and match["type"].lower() in _JSON_TYPES


async def events_of(body: bytes, headers: Mapping[bytes, bytes], limit: int) -> list[object]:
    """Return the events of *body*; an empty list when it counts as empty. A too deeply nested event is a `TooDeep`.

    Args:
        body: bytes as received.
        headers: headers of the request, with names in lower case; the content type is one of JSON's.
        limit: largest body in bytes after decompression.

    Raises:
        BodyError: the body cannot be decompressed or decoded, or is neither a JSON object nor an array.
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
        # Slow for a large body, so the event loop serves other requests meanwhile.
        return await asyncio.to_thread(_as_javascript, body, charset)
    if isinstance(content, list):
        return content
    if not isinstance(content, dict):
        raise BodyError("SyntaxError", "the body is neither an object nor an array")
    return [content] if content else []


def _charset(content_type: str) -> str:
    match = _CONTENT_TYPE.fullmatch(content_type)
    options = {item["name"].lower(): item["value"] for item in _OPTION.finditer(match["options"] if match else "")}
    charset = options.get("charset", "utf-8").strip('"').lower()
    if charset not in _CHARSETS:
        raise BodyError("UnsupportedMediaTypeError", f'unsupported charset "{charset.upper()}"')
    return charset


def _unpack(body: bytes, coding: bytes, limit: int) -> bytes:
    if coding not in (b"gzip", b"deflate"):
        raise BodyError("UnsupportedMediaTypeError", f'unsupported content encoding "{coding.decode("latin-1")}"')
    is_gzip = coding == b"gzip"
    unpacked = b""
    while True:
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16 if is_gzip else zlib.MAX_WBITS)
        try:
            unpacked += unpacker.decompress(body, limit + 1 - len(unpacked))
        except zlib.error as error:
            raise BodyError("Error", str(error)) from error
        if len(unpacked) > limit:
            raise BodyError("PayloadTooLargeError", "request entity too large")
        if not unpacker.eof:
            raise BodyError("Error", "unexpected end of file")
        # A gzip file may have several members; zeros after the last one are padding.
        body = unpacker.unused_data
        if not is_gzip or not body or body.startswith(b"\0"):
            return unpacked


def _as_javascript(body: bytes, charset: str) -> list[object]:
    text = codecs.decode(body, charset, "replace").removeprefix("\ufeff")
    if text.lstrip(_BLANK)[:1] not in ("[", "{"):
        raise BodyError("SyntaxError", "the body is neither an object nor an array")
    text, deep = _truncate(text)
    try:
        content = json.loads(text, parse_constant=_reject_constant, parse_int=_parse_int, parse_float=_parse_float)
        # Remove lone surrogates and turn large integers into numbers that orjson can serialize.
        cleaned = (
            json.dumps(content, ensure_ascii=False).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        )
        content = orjson.loads(cleaned)
    except (ValueError, RecursionError) as error:
        raise BodyError("SyntaxError", str(error)) from error
    events: list[object] = content if isinstance(content, list) else [content] if content else []
    return [TooDeep(event) if number in deep else event for number, event in enumerate(events)]


def _reject_constant(constant: str) -> object:
    raise ValueError(f"Unexpected token {constant} in JSON")


def _parse_int(digits: str) -> int | float:
    return int(digits) if len(digits) < 19 else _parse_float(digits)


def _parse_float(digits: str) -> float:
    return max(-sys.float_info.max, min(float(digits), sys.float_info.max))


def _truncate(text: str) -> tuple[str, frozenset[int]]:
    """Return *text* with null in place of too deep nesting, and the indexes of the truncated events."""
    is_array = text.lstrip(_BLANK).startswith("[")
    deepest = MAX_DEPTH + is_array
    kept: list[str] = []
    deep: set[int] = set()
    depth = number = begin = 0
    for match in _STRUCTURE.finditer(text):
        if match[0] in ("[", "{"):
            depth += 1
            if depth == deepest + 1:
                kept.append(text[begin : match.start()])
                deep.add(number)
        elif match[0] in ("]", "}"):
            if depth == deepest + 1:
                kept.append("null")
                begin = match.end()
            depth -= 1
        elif match[0] == "," and depth == 1:
            number += is_array
    return "".join([*kept, text[begin:]]), frozenset(deep)
