"""Random request bodies for an intake: valid events, and events with changes in every validated property."""

import copy
import gzip
import json
import random
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from contracts.schemas import FOLDER, WEB_BASE_1_3_0, WEB_BASE_1_4_2

Event = dict[str, Any]

STREAM = "product_metrics.web_base"
BEACON = "text/plain;charset=UTF-8"

_EXPERIMENTS = {"enrolled": ["e"], "assigned": {"feature": "true"}}
_EXPERIMENT = {"enrolled": "e", "assigned": "a", "subject_id": "s", "sampling_unit": "mw-user", "coordinator": "xLab"}

_SCHEMAS: tuple[Any, ...] = (
    f"{WEB_BASE_1_3_0}/", f"{WEB_BASE_1_3_0}#", f"/{WEB_BASE_1_3_0}", WEB_BASE_1_3_0[1:], f"{WEB_BASE_1_3_0}?x=1",
    f"{WEB_BASE_1_3_0}.json", "/analytics/product_metrics/web/base/9.9.9",
    "/analytics/product_metrics/web/base/latest", "/no/such/1.0.0", "", "/",
    "/analytics/../analytics/product_metrics/web/base/1.3.0", WEB_BASE_1_4_2, None, 5, [], {},
)  # fmt: skip
_TIMES = (
    "2025-02-30T00:00:00Z", "2025-13-01T00:00:00Z", "2025-01-01 00:00:00Z", "2025-01-01T24:00:00Z",
    "2025-01-01T00:00:00+0000", "2025-01-01T00:00:00+00", "2025-01-01T00:00:00", "2025-01-01", "2025-01-01T00:00Z",
    "2025-01-01t00:00:00.123456789z", "2025-01-01T23:59:60Z", "2025-20-01T00:00:00Z", "2025-01-40T00:00:00Z",
    "2025-01-01T30:00:00Z", "2025-01-01T00:60:00Z", "2025-01-01T00:00:00.Z", "x2025-01-01T00:00:00Z",
    "2025-01-01T00:00:00Z ", "٢٠٢٥-01-01T00:00:00Z", "2025-01-01T00:00:00-99:99", "",
)  # fmt: skip
_ADDRESSES = (
    "é", "http://[::1", "http://x/y?z#w", "a b", "\\x", "//\\x", "#a#b", "#a\\b", "/w/index.php?title=Ä", "mailto:",
    ":", "x" * 8193, "%zz", "\t", "",
)  # fmt: skip
_TEXTS = (
    "",
    "x",
    "é",
    "x" * 64,
    "x" * 65,
    "😀" * 64,
    "😀" * 65,
    "x" * 8193,
    "a" * 20,
    "A" * 20,
    "\u0000",
    "\uffff",
    "0 edits",
)
_NUMBERS = (0, 1, -1, 0.5, 1.0, 1.5, 2**53 - 1, 2**53, 2**63, 2**64, 10**25, -(2**53), 1e300, -0.0)
_VALUES: tuple[Any, ...] = (None, True, False, [], {}, ["x"], [1], {"a": "b"}, {"a": 1}, [None], *_NUMBERS, *_TEXTS)
_JUNK: tuple[Any, ...] = (None, 1, "x", True, [], {}, [[]], {"a": 1}, 1.5)

#: Content types, also those that no browser sends.
_TYPES = (
    "text/plain", "application/json", "application/reports+json", "APPLICATION/JSON; charset=utf-8", "text/plain;",
    "application/json;", "application/json; charset", "text/plain; charset=utf8", 'text/plain; charset="utf-8"',
    "text/plain; charset=latin1", "text/plain;charset=utf-16", "application/x-www-form-urlencoded", "text/html", "",
    "json", "application/vnd.api+json", "text/plain; a=b; charset=UTF-8", "text/plain; charset=utf-8; a=b",
    "text/plain ; charset=utf-8", "application/json, text/plain",
)  # fmt: skip
_QUERIES = (
    "hasty=true",
    "hasty=",
    "hasty",
    "hasty[]=a",
    "hasty[a]=b",
    "hasty=0",
    "Hasty=1",
    "hasty=&hasty=",
    "hasty%5B%5D=a",
)

#: JSON text that Python's serializer does not produce.
_RAW = (
    b"1E400", b"-1E400", b'"\\ud800"', b'"\\udc00x"', b'"\\ud83d\\ude00"', b'"\xff"', b'"\xc3"', b"1.0", b"1e2", b"-0",
    b"123456789012345678901234567890", b"NaN", b"01", b'"\t"', b'{"a":1,"a":"b"}', b"1" * 5_000,
)  # fmt: skip


class Body(NamedTuple):
    """One request.

    Attributes:
        content: bytes of the body.
        headers: headers that an intake uses.
        query: query string of the URL.
        marks: `meta.id` of the events that have one.
    """

    content: bytes
    headers: Mapping[str, str]
    query: str
    marks: tuple[str, ...]


def bodies(seed: int) -> Iterator[Body]:
    """Yield an infinite sequence of bodies, determined by *seed*."""
    number = 0
    while True:
        yield _body(random.Random(f"{seed}/{number}"), f"{seed}-{number}")  # noqa: S311 (reproducible)
        number += 1


def _body(chance: random.Random, name: str) -> Body:
    events = [_event(chance, f"{name}-{index}") for index in range(chance.choice((1, 1, 1, 2, 3, 6)))]
    marks = tuple(mark for event in events if (mark := _mark(event)))
    single = len(events) == 1 and chance.random() < 0.5
    content = json.dumps(events[0] if single else events, ensure_ascii=False).encode()
    content = content.replace(b'"@raw"', chance.choice(_RAW))
    depth = chance.choice((3, 30, 100, 200))
    content = content.replace(b'"@deep"', b'{"a":' * depth + b"1" + b"}" * depth)
    headers = {"content-type": BEACON, "user-agent": "bodies"}
    if chance.random() < 0.15:
        content = chance.choice(_TRANSPORTS)(content, headers, chance)
    query = chance.choice(_QUERIES) if chance.random() < 0.1 else ""
    return Body(content, headers, query, marks)


def _event(chance: random.Random, name: str) -> Any:  # noqa: ANN401 (JSON)
    if chance.random() < 0.04:
        return copy.deepcopy(chance.choice(_JUNK))
    event: Event = {
        "$schema": WEB_BASE_1_3_0, "action": "click", "agent": {"client_platform": "mediawiki_js"},
        "meta": {"stream": STREAM, "domain": "test.example", "id": name}, "dt": "2025-01-31T14:30:00.123Z",
        "page": {"id": 1, "title": "Ä"}, "performer": {"is_logged_in": True, "edit_count": 7},
        "sample": {"rate": 0.5, "unit": "session"}, "experiments": copy.deepcopy(_EXPERIMENTS),
    }  # fmt: skip
    if chance.random() < 0.3:
        event["$schema"] = WEB_BASE_1_4_2
        event["experiment"] = dict(_EXPERIMENT)
        del event["experiments"]
    for _ in range(chance.choice((0, 0, 1, 1, 2))):
        chance.choice(_CHANGES)(event, chance)
    return event


def _mark(event: object) -> str:
    meta = event.get("meta") if isinstance(event, dict) else None
    mark = meta.get("id") if isinstance(meta, dict) else None
    return mark if isinstance(mark, str) and "-" in mark else ""


def _paths() -> tuple[tuple[str, ...], ...]:
    """Return the paths of all fields of the first schema, in the schema's order."""
    schema = orjson.loads((FOLDER / f"{WEB_BASE_1_3_0[1:]}.json").read_bytes())
    fields = schema["properties"].items()
    return tuple(
        (name, *more) for name, field in fields for more in ((), *((key,) for key in field.get("properties", ())))
    )


_PATHS = _paths()
_TIMES_AT = (("dt",), ("meta", "dt"), ("performer", "registration_dt"))


def _put(event: Event, path: tuple[str, ...], value: object) -> None:
    value = copy.deepcopy(value)
    if len(path) > 1:
        parent = event.setdefault(path[0], {})
        if isinstance(parent, dict):
            parent[path[1]] = value
    else:
        event[path[0]] = value


def _drop(event: Event, chance: random.Random) -> None:
    path = chance.choice(_PATHS)
    parent = event if len(path) == 1 else event.get(path[0])
    if isinstance(parent, dict) and path != ("meta", "id"):
        parent.pop(path[-1], None)


def _set_any(values: tuple[Any, ...]) -> Callable[[Event, random.Random], None]:
    return lambda event, chance: _put(event, chance.choice(_PATHS), chance.choice(values))


_CHANGES: tuple[Callable[[Event, random.Random], None], ...] = (
    _drop,
    _set_any(_VALUES),
    _set_any(_VALUES),
    _set_any(("@raw",)),
    _set_any(("@deep",)),
    lambda event, chance: _put(event, chance.choice(_TIMES_AT), chance.choice(_TIMES)),
    lambda event, chance: _put(event, ("meta", "uri"), chance.choice(_ADDRESSES)),
    lambda event, chance: _put(event, ("$schema",), chance.choice(_SCHEMAS)),
    lambda event, chance: _put(event, ("meta", "stream"), chance.choice(("no.such", "", STREAM.upper(), 1, None))),
    lambda event, chance: _put(event, (chance.choice(("extra", "http", "@raw")),), chance.choice(_VALUES)),
    lambda event, chance: _put(event, ("agent", "extra"), chance.choice(_VALUES)),
)

Headers = dict[str, str]


def _typed(content: bytes, headers: Headers, chance: random.Random) -> bytes:
    headers["content-type"] = chance.choice(_TYPES)
    if not headers["content-type"]:
        del headers["content-type"]
    return content.decode(errors="replace").encode("utf-16") if "utf-16" in headers.get("content-type", "") else content


def _packed(content: bytes, headers: Headers, chance: random.Random) -> bytes:
    coding, pack = chance.choice(_CODINGS)
    headers["content-encoding"] = coding
    return pack(content)


_CODINGS: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    ("gzip", gzip.compress),
    ("GZIP", gzip.compress),
    ("gzip", lambda content: gzip.compress(content) + gzip.compress(b" ")),
    ("gzip", lambda content: gzip.compress(content) + b"junk"),
    ("gzip", lambda content: gzip.compress(content)[:-9]),
    ("gzip", lambda content: content),
    ("gzip", zlib.compress),
    ("gzip", lambda _: gzip.compress(b"")),
    ("deflate", zlib.compress),
    ("deflate", gzip.compress),
    ("deflate", lambda content: zlib.compress(content)[2:-4]),
    ("identity", lambda content: content),
    ("br", lambda content: content),
)


def _broken(content: bytes, _: Headers, chance: random.Random) -> bytes:
    return chance.choice(
        (
            b"\xef\xbb\xbf" + content,
            b" \r\n\t" + content + b"\n",
            b"\x0b" + content,
            content[: chance.randrange(len(content))],
            content + b"x",
            content.replace(b"click", b"cl\xffick", 1),
            content.replace(b"click", b"cl\xed\xa0\x80ick", 1),
            b"not json", b"1", b'"text"', b"null", b"", b" ", b"[]", b"{}", b"[" * 900, b"\xff\xfe",
        )
    )  # fmt: skip


_TRANSPORTS: tuple[Callable[[bytes, Headers, random.Random], bytes], ...] = (_typed, _packed, _broken)
