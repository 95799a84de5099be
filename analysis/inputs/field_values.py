"""Conversion of exported values to event values: numbers in text, times in any notation, maps as objects or lists."""

import ast
import math
from collections.abc import Mapping
from datetime import UTC, datetime

import orjson

from analysis.inputs.field_names import member_of

#: Fields that hold a time.
TIMES = frozenset({("dt",), ("meta", "dt"), ("performer", "registration_dt")})

_TRUE = frozenset({"true", "t", "yes", "y", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "0"})

#: Names of key and value where a map is written as a list of entries.
_KEYS = ("key", "k", "name", "_1")
_VALUES = ("value", "v", "_2")

#: Limits below which a number is in seconds, milliseconds or microseconds since 1970; above them, nanoseconds.
_SCALES = ((10**11, 1), (10**14, 10**3), (10**17, 10**6))


class UnreadableError(ValueError):
    """A value does not convert to the type of its field."""


def read_as(value: object, kind: object, path: tuple[str, ...]) -> object:
    """Return *value* converted to the field at *path*; None stays None.

    Args:
        value: value of JSON, a CSV cell or a Python literal.
        kind: type of the field, as in `contracts.table.structure`.
        path: names from the outside to the inside.

    Raises:
        UnreadableError: the value does not convert to that type.
    """
    if value is None:
        return None
    if isinstance(kind, Mapping):
        return _object(value, kind, path)
    if isinstance(kind, list):
        return _list(value, str(kind[0]), path)
    if str(kind).startswith("MAP"):
        return _map(value, path)
    return _scalar(value, str(kind), path)


def canonical_time(text: str) -> bool:
    """Return whether *text* has the form of a browser's time, such as `2025-01-31T14:30:10.250Z`."""
    return len(text) > 10 and text[10] == "T" and text.endswith("Z")


def parse(text: str) -> object:
    """Return the value of *text*: JSON, a Python literal, or a list or map in database notation; otherwise the text."""
    stripped = text.strip()
    if not stripped or stripped[0] not in "[{(\"'":
        return text
    try:
        content: object = orjson.loads(stripped)
    except orjson.JSONDecodeError:
        return _literal(stripped)
    # JSON may be nested in a JSON string.
    return parse(content) if isinstance(content, str) and content[:1] in "[{" and content else content


def _literal(text: str) -> object:
    try:
        content: object = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return _printed(text)
    return content


def _printed(text: str) -> object:
    """Return a list or map in database notation, `[a, b]`, `{a=b}` or `{a:b}`; otherwise *text*."""
    inside = text[1:-1].strip()
    if text[0] == "[" and text.endswith("]"):
        return [item.strip().strip("\"'") for item in inside.split(",")] if inside else []
    if text[0] != "{" or not text.endswith("}"):
        return text
    entries: dict[str, object] = {}
    for item in filter(None, map(str.strip, inside.split(","))):
        sign = "=" if "=" in item else ":"
        key, separator, value = item.partition(sign)
        if not separator:
            return text
        entries[key.strip().strip("\"'")] = value.strip().strip("\"'")
    return entries


def _object(value: object, kind: Mapping[str, object], path: tuple[str, ...]) -> object:
    content = _as_mapping(value, path)
    converted: dict[str, object] = {}
    for name, item in content.items():
        member = name if name in kind else None
        if member is None:
            target = member_of(path, str(name))
            member = target.path[-1] if target is not None else None
        if member is None:
            continue
        read = read_as(item, kind[member], (*path, member))
        if read is not None or member not in converted:
            converted[member] = read
    return converted


def _map(value: object, path: tuple[str, ...]) -> object:
    return {str(key): _text(item) for key, item in _as_mapping(value, path).items()}


def _text(value: object) -> object:
    """Return an entry of a map as text, which is the type of all map entries in the table."""
    value = _unwrapped(value)
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def _as_mapping(value: object, path: tuple[str, ...]) -> Mapping[str, object]:
    content = parse(value) if isinstance(value, str) else value
    if isinstance(content, str) and not content.strip():
        return {}
    if isinstance(content, Mapping):
        inner = next(iter(content.values())) if len(content) == 1 else None
        # Avro writes {"map": {...}}; older Parquet writers {"key_value": [...]}.
        if isinstance(inner, (Mapping, list)) and next(iter(content)) in {"map", "key_value", "entries", "record"}:
            return _as_mapping(inner, path)
        return content
    if isinstance(content, (list, tuple)):
        return dict(_pair(item, path) for item in content)
    raise UnreadableError(f"{_shown(value)} is not an object")


def _pair(item: object, path: tuple[str, ...]) -> tuple[str, object]:
    """Return key and value of an entry, in a map that is written as a list."""
    if isinstance(item, Mapping):
        lower = {str(name).lower(): member for name, member in item.items()}
        key = next((name for name in _KEYS if name in lower), None)
        value = next((name for name in _VALUES if name in lower), None)
        if key is not None and value is not None:
            return str(lower[key]), lower[value]
        if len(item) == 1:
            [(name, member)] = item.items()
            return str(name), member
    if isinstance(item, (list, tuple)) and len(item) == 2:
        return str(item[0]), item[1]
    raise UnreadableError(f"{_shown(item)} is not an entry of {'.'.join(path)}")


def _list(value: object, kind: str, path: tuple[str, ...]) -> object:
    content = parse(value) if isinstance(value, str) else value
    if isinstance(content, str):
        content = [item.strip() for item in content.split(",")] if content.strip() else []
    if isinstance(content, Mapping):
        # Parquet's three-level list, Avro's union, or a list as an object with numbers as keys.
        content = next(iter(content.values())) if len(content) == 1 else list(content.values())
    if not isinstance(content, (list, tuple)):
        raise UnreadableError(f"{_shown(value)} is not a list")
    return [_scalar(item, kind, path) if item is not None else None for item in content]


def _unwrapped(value: object) -> object:
    """Return the value inside an object with one member, as in Avro's unions and Parquet's lists."""
    while isinstance(value, Mapping) and len(value) == 1:
        value = next(iter(value.values()))
    return value


def _scalar(value: object, kind: str, path: tuple[str, ...]) -> object:
    value = _unwrapped(value)
    if value is None:
        return None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, (Mapping, list, tuple)):
        raise UnreadableError(f"{_shown(value)} is not {_TYPE_NAMES[kind]}")
    if path in TIMES:
        return _time(value)
    return _READERS[kind](value)


def _integer(value: object) -> object:
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            value = _number(text)
    if isinstance(value, float):
        if not math.isfinite(value) or value != int(value):
            raise UnreadableError(f"{_shown(value)} is not an integer")
        return int(value)
    return int(value) if isinstance(value, bool) else value


def _number(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return float(value)
    except ValueError:
        raise UnreadableError(f"{_shown(value)} is not a number") from None


def _boolean(value: object) -> object:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower().removesuffix(".0")
    if not word:
        return None
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise UnreadableError(f"{_shown(value)} is not true or false")


def _string(value: object) -> object:
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode() if isinstance(value, (bool, int, float)) else str(value)


def _time(value: object) -> object:
    """Return a time in the notation of events; another text stays, as the checks report it."""
    if isinstance(value, str):
        text = value.strip()
        if not text or canonical_time(text):
            return text or None
        if not text.replace(".", "", 1).isdigit():
            return _formatted(_parsed(text)) or text
        value = float(text) if "." in text else int(text)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    scale = next((scale for limit, scale in _SCALES if abs(value) < limit), 10**9)
    try:
        return _formatted(datetime.fromtimestamp(value / scale, UTC))
    except (OverflowError, OSError, ValueError):
        return str(value)


def _parsed(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text.removesuffix(" UTC").removesuffix(" Z"))
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _formatted(time: datetime | None) -> str | None:
    if time is None:
        return None
    # Rounded to milliseconds: seconds as a floating-point number are not exact.
    time = datetime.fromtimestamp(round(time.timestamp() * 1000) / 1000, UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


_READERS = {"BIGINT": _integer, "DOUBLE": _number, "BOOLEAN": _boolean, "VARCHAR": _string}
_TYPE_NAMES = {"BIGINT": "an integer", "DOUBLE": "a number", "BOOLEAN": "true or false", "VARCHAR": "text"}
