"""Conversion of a file's objects to events: unwrap envelopes, map names, coerce types."""

import base64
import binascii
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import orjson

from analysis.inputs.field_names import FieldPath, field_of
from analysis.inputs.field_values import UnreadableError, canonical_time, parse, read_as
from contracts.table import structure

#: Envelope members that hold an event, the most common first; other members are tried after these.
_ENVELOPES = ("value", "event", "payload", "message", "data", "body", "record", "after", "_source", "records", "rows")

#: Maximum depth of nested envelopes.
_MAX_DEPTH = 4

#: First characters of JSON in base64.
_BASE64_JSON = ("eyJ", "ewog", "ewoJ", "W3s")

#: Maximum number of examples of unreadable values per field.
_MAX_EXAMPLES = 3


@dataclass
class Notes:
    """Conversions in one source; filled while it is read.

    Attributes:
        mapped: field by source name, where the names differ.
        unmapped: members of events without a field.
        coerced: number of values that were converted from another type, by field.
        unreadable: number of values that did not convert, by field.
        filled: number of values that needed conversion, by field.
        examples: messages about unreadable values, by field.
        envelopes: number of events by envelope.
    """

    mapped: dict[str, str] = field(default_factory=dict)
    unmapped: set[str] = field(default_factory=set)
    coerced: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)
    filled: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    envelopes: Counter[str] = field(default_factory=Counter)


def is_plain(event: Mapping[str, object]) -> bool:
    """Return whether *event* has the platform's names and types, so that no mapping is needed."""
    kinds = structure()
    if "$schema" not in event or not isinstance(event.get("meta"), dict):
        return False
    for name, value in event.items():
        kind = kinds.get(name)
        if isinstance(kind, Mapping):
            if not isinstance(value, dict) or not _plain_members(name, value, kind):
                return False
        elif kind is None and field_of(name) is not None:
            return False
    dt = event.get("dt")
    return dt is None or (isinstance(dt, str) and canonical_time(dt))


def _plain_members(outer: str, content: Mapping[str, object], kinds: Mapping[str, object]) -> bool:
    for name, value in content.items():
        kind = kinds.get(name)
        if kind is None:
            if field_of(f"{outer}.{name}") is not None:
                return False
        elif isinstance(kind, list):
            if value is not None and not isinstance(value, list):
                return False
        elif kind not in _SCALARS:
            if value is not None and not isinstance(value, dict):
                return False
        elif isinstance(value, (dict, list)):
            return False
        if name == "dt" and not (isinstance(value, str) and canonical_time(value)):
            return False
    return True


_SCALARS = ("VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN")


def is_report(content: Mapping[str, object]) -> bool:
    """Return whether *content* is a report of the error stream."""
    return "raw_event" in content


def extract_events(content: object, notes: Notes, path: str = "", depth: int = 0) -> Iterator[dict[str, object]]:
    """Yield the events, and reports of the error stream, in *content*.

    Args:
        content: a JSON value: an event, a list of events, or an envelope around either.
        notes: records the conversions.
        path: dotted names of the envelope members around *content*.
        depth: number of envelopes around *content*.
    """
    if depth > _MAX_DEPTH:
        return
    if isinstance(content, list):
        for item in content:
            yield from extract_events(item, notes, path, depth)
    elif isinstance(content, dict):
        event = content if is_report(content) or is_plain(content) else as_event(content, notes)
        inside = iter(()) if event is not None and event.keys() != {"meta"} else _unwrap(content, notes, path, depth)
        first = next(inside, event)
        if first is event and event is not None and path:
            notes.envelopes[path] += 1
        if first is not None:
            yield first
        yield from inside


def _unwrap(content: Mapping[str, object], notes: Notes, path: str, depth: int) -> Iterator[dict[str, object]]:
    """Yield the events of the first envelope member that holds any."""
    order = sorted(content, key=lambda name: _ENVELOPES.index(name) if name in _ENVELOPES else len(_ENVELOPES))
    for name in order:
        member = content[name]
        if isinstance(member, str):
            member = _decoded(member)
        if not isinstance(member, (dict, list)) or not member:
            continue
        has_events = False
        for event in extract_events(member, notes, f"{path}.{name}".strip("."), depth + 1):
            has_events = True
            yield event
        if has_events:
            return


def _decoded(text: str) -> object:
    """Return the value of a text in an envelope: JSON, plain or in base64; otherwise the text."""
    if text.startswith(_BASE64_JSON):
        try:
            text = base64.b64decode(text, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return text
    return parse(text)


def as_event(content: Mapping[str, object], notes: Notes, *, cells: bool = False) -> dict[str, object] | None:
    """Return *content* as an event; None if it is another object.

    Args:
        content: an object, or a row whose columns may be flattened.
        notes: records the conversions, if *content* is an event.
        cells: whether the values are from a CSV file, whose empty cells are null.
    """
    own_notes = Notes()
    event: dict[str, object] = {}
    for name, value in content.items():
        target = field_of(name)
        if target is None:
            own_notes.unmapped.add(name)
            continue
        if value is None or (cells and value in _NULLS):
            continue
        if target.name != name:
            own_notes.mapped[name] = target.name
        _put(event, target, value, own_notes)
    if not _is_event(event):
        return None
    _add(notes, own_notes)
    return event


_NULLS = ("", "\\N", "NULL", "null", "None", "nan", "NaN", "<NA>")


def _put(event: dict[str, object], target: FieldPath, value: object, notes: Notes) -> None:
    """Convert *value* and set it as the field *target* of *event*."""
    try:
        read = _entry(target, value) if target.key else read_as(value, target.kind, target.path)
    except UnreadableError as error:
        notes.filled[target.name] += 1
        notes.unreadable[target.name] += 1
        notes.examples.setdefault(target.name, []).append(str(error))
        return
    if read is None:
        return
    if read != value or type(read) is not type(value):
        notes.coerced[target.name] += 1
        notes.filled[target.name] += 1
    outer = event
    for name in target.path[:-1]:
        inner = outer.setdefault(name, {})
        if not isinstance(inner, dict):
            return
        outer = inner
    _merge(outer, target, read)


def _entry(target: FieldPath, value: object) -> object:
    """Return a map or a list with one entry."""
    if isinstance(target.kind, list):
        return read_as([value], target.kind, target.path)
    return read_as({target.key: value}, target.kind, target.path)


def _merge(outer: dict[str, object], target: FieldPath, read: object) -> None:
    existing = outer.get(target.path[-1])
    if isinstance(existing, dict) and isinstance(read, dict):
        existing.update(read)
    elif target.key and isinstance(existing, list) and isinstance(read, list):
        existing += read
    else:
        outer[target.path[-1]] = read


def _is_event(event: Mapping[str, object]) -> bool:
    """Return whether *event* has enough fields of an event; one member of the same name is not enough."""
    meta = event.get("meta")
    known = len(event) + (len(meta) - 1 if isinstance(meta, Mapping) and meta else 0)
    return known >= 2 and ("meta" in event or "$schema" in event or {"action", "dt"} <= event.keys())


def _add(notes: Notes, more: Notes) -> None:
    notes.mapped |= more.mapped
    notes.unmapped |= more.unmapped
    for name in ("coerced", "unreadable", "filled"):
        getattr(notes, name).update(getattr(more, name))
    for name, examples in more.examples.items():
        all_examples = notes.examples.setdefault(name, [])
        all_examples += examples[: _MAX_EXAMPLES - len(all_examples)]


def line_of(event: Mapping[str, object]) -> bytes:
    """Return *event* as JSON; integers above 64 bits become text, which the table's reader accepts."""
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS)
