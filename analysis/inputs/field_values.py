"""Values of exports as values of events: text as numbers, times in any notation, maps as objects or lists."""

import ast
import math
from collections.abc import Mapping
from datetime import UTC, datetime

import orjson

from analysis.inputs.field_names import member_of

#: Fields that hold a moment.
TIMES = frozenset({("dt",), ("meta", "dt"), ("performer", "registration_dt")})

_TRUE = frozenset({"true", "t", "yes", "y", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "0"})

#: What entries of a map are called where a map is written as a list.
_KEYS = ("key", "k", "name", "_1")
_VALUES = ("value", "v", "_2")

#: Numbers below these are seconds, milliseconds and microseconds since 1970; from the last on, nanoseconds.
_SCALES = ((10**11, 1), (10**14, 10**3), (10**17, 10**6))


class UnreadableError(ValueError):
    """A value that has no sensible reading as the type of its field."""


def read_as(value: object, kind: object, path: tuple[str, ...]) -> object:
    """Return *value* as the field at *path* has it; None stays None.

    Args:
        value: as JSON, a CSV cell or a Python literal has it.
        kind: the field's type, as in `contracts.table.structure`.
        path: names from the outside to the inside.

    Raises:
        UnreadableError: it cannot be read as that type.
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
    """Return whether *text* is a moment as browsers write it, or does not look like a moment at all."""
    return len(text) > 10 and text[10] == "T" and text.endswith("Z")


def parse(text: str) -> object:
    """Return what *text* holds: JSON, a Python literal, or a list or map as databases print it; else the text."""
    stripped = text.strip()
    if not stripped or stripped[0] not in "[{(\"'":
        return text
    try:
        content: object = orjson.loads(stripped)
    except orjson.JSONDecodeError:
        return _literal(stripped)
    # JSON in a JSON string is one level more.
    return parse(content) if isinstance(content, str) and content[:1] in "[{" and content else content


def _literal(text: str) -> object:
    try:
        content: object = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return _printed(text)
    return content


def _printed(text: str) -> object:
    """Return a list or map that a database printed: `[a, b]`, `{a=b}`, `{a:b}`; else *text*."""
    inside = text[1:-1].strip()
    if text[0] == "[" and text.endswith("]"):
        return [item.strip().strip("\"'") for item in inside.split(",")] if inside else []
    if text[0] != "{" or not text.endswith("}"):
        return text
    entries: dict[str, object] = {}
    for item in filter(None, map(str.strip, inside.split(","))):
        sign = "=" if "=" in item else ":"
        key, found, value = item.partition(sign)
        if not found:
            return text
        entries[key.strip().strip("\"'")] = value.strip().strip("\"'")
    return entries


def _object(value: object, kind: Mapping[str, object], path: tuple[str, ...]) -> object:
    content = _as_mapping(value, path)
    found: dict[str, object] = {}
    for name, item in content.items():
        member = name if name in kind else None
        if member is None:
            place = member_of(path, str(name))
            member = place.path[-1] if place is not None else None
        if member is None:
            continue
        read = read_as(item, kind[member], (*path, member))
        if read is not None or member not in found:
            found[member] = read
    return found


def _map(value: object, path: tuple[str, ...]) -> object:
    return {str(key): _text(item) for key, item in _as_mapping(value, path).items()}


def _text(value: object) -> object:
    """Return an entry of a map as text: databases have texts in maps, whatever the event had."""
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
    """Return the key and the value of an entry of a map that is written as a list."""
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
        # Parquet's three levels, Avro's union, or a list by number.
        content = next(iter(content.values())) if len(content) == 1 else list(content.values())
    if not isinstance(content, (list, tuple)):
        raise UnreadableError(f"{_shown(value)} is not a list")
    return [_scalar(item, kind, path) if item is not None else None for item in content]


def _unwrapped(value: object) -> object:
    """Return the value in an object with one member, as Avro's unions and Parquet's lists write it."""
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
        raise UnreadableError(f"{_shown(value)} is not {_WORDS[kind]}")
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
    """Return a moment as events write it; a text that is not a moment stays as it is: the checks report it."""
    if isinstance(value, str):
        text = value.strip()
        if not text or canonical_time(text):
            return text or None
        if not text.replace(".", "", 1).isdigit():
            return _written(_parsed(text)) or text
        value = float(text) if "." in text else int(text)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    scale = next((scale for limit, scale in _SCALES if abs(value) < limit), 10**9)
    try:
        return _written(datetime.fromtimestamp(value / scale, UTC))
    except (OverflowError, OSError, ValueError):
        return str(value)


def _parsed(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.removesuffix(" UTC").removesuffix(" Z"))
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _written(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    # To the nearest millisecond: seconds as a floating-point number are not exact.
    moment = datetime.fromtimestamp(round(moment.timestamp() * 1000) / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


_READERS = {"BIGINT": _integer, "DOUBLE": _number, "BOOLEAN": _boolean, "VARCHAR": _string}
_WORDS = {"BIGINT": "an integer", "DOUBLE": "a number", "BOOLEAN": "true or false", "VARCHAR": "text"}
