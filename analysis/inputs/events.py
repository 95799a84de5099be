"""Objects of a file as events: taken out of envelopes, with the names and types that events have."""

import base64
import binascii
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import orjson

from analysis.inputs.field_names import FieldPath, place_of
from analysis.inputs.field_values import UnreadableError, canonical_time, parse, read_as
from contracts.table import structure

#: Members that envelopes keep an event in, the most common first; any other is looked at after these.
_ENVELOPES = ("value", "event", "payload", "message", "data", "body", "record", "after", "_source", "records", "rows")

#: Envelopes within envelopes are followed so deep.
_DEEPEST = 4

#: What JSON looks like in base64.
_BASE64_JSON = ("eyJ", "ewog", "ewoJ", "W3s")

#: How many examples of values that cannot be read are kept for each field.
_EXAMPLES = 3


@dataclass
class Notes:
    """What reading a source had to do; filled while it is read.

    Attributes:
        mapped: fields by the names that the source has for them, where those differ.
        unmapped: members of events that no field has.
        coerced: how many values were read as another type, by field.
        unreadable: how many could not be, by field.
        filled: how many values each field had that needed reading.
        examples: some of those that could not be read.
        envelopes: how many events came out of which envelope.
    """

    mapped: dict[str, str] = field(default_factory=dict)
    unmapped: set[str] = field(default_factory=set)
    coerced: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)
    filled: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    envelopes: Counter[str] = field(default_factory=Counter)


def is_plain(event: Mapping[str, object]) -> bool:
    """Return whether *event* is written as the platform writes events, so that nothing has to be mapped."""
    kinds = structure()
    if "$schema" not in event or not isinstance(event.get("meta"), dict):
        return False
    for name, value in event.items():
        kind = kinds.get(name)
        if isinstance(kind, Mapping):
            if not isinstance(value, dict) or not _plain_members(name, value, kind):
                return False
        elif kind is None and place_of(name) is not None:
            return False
    moment = event.get("dt")
    return moment is None or (isinstance(moment, str) and canonical_time(moment))


def _plain_members(outer: str, content: Mapping[str, object], kinds: Mapping[str, object]) -> bool:
    for name, value in content.items():
        kind = kinds.get(name)
        if kind is None:
            if place_of(f"{outer}.{name}") is not None:
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


def found_in(content: object, notes: Notes, way: str = "", deep: int = 0) -> Iterator[dict[str, object]]:
    """Yield the events, and reports of the error stream, in *content*.

    Args:
        content: a JSON value: an event, a list of events, or an envelope around either.
        notes: to fill.
        way: names of the envelope's members that led to *content*.
        deep: how many envelopes are around *content*.
    """
    if deep > _DEEPEST:
        return
    if isinstance(content, list):
        for item in content:
            yield from found_in(item, notes, way, deep)
    elif isinstance(content, dict):
        event = content if is_report(content) or is_plain(content) else mapped(content, notes)
        inside = iter(()) if event is not None and event.keys() != {"meta"} else _inside(content, notes, way, deep)
        first = next(inside, event)
        if first is event and event is not None and way:
            notes.envelopes[way] += 1
        if first is not None:
            yield first
        yield from inside


def _inside(content: Mapping[str, object], notes: Notes, way: str, deep: int) -> Iterator[dict[str, object]]:
    """Yield the events of the first member of an envelope that holds any."""
    order = sorted(content, key=lambda name: _ENVELOPES.index(name) if name in _ENVELOPES else len(_ENVELOPES))
    for name in order:
        member = content[name]
        if isinstance(member, str):
            member = _decoded(member)
        if not isinstance(member, (dict, list)) or not member:
            continue
        any_found = False
        for event in found_in(member, notes, f"{way}.{name}".strip("."), deep + 1):
            any_found = True
            yield event
        if any_found:
            return


def _decoded(text: str) -> object:
    """Return what a text in an envelope holds: JSON as it is or in base64; else the text."""
    if text.startswith(_BASE64_JSON):
        try:
            text = base64.b64decode(text, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return text
    return parse(text)


def mapped(content: Mapping[str, object], notes: Notes, *, cells: bool = False) -> dict[str, object] | None:
    """Return the event that *content* is, None where it is not one.

    Args:
        content: an object, or a row whose columns may be flattened.
        notes: to fill, where it is an event.
        cells: whether its values are those of a CSV file, whose empty cells are null.
    """
    mine = Notes()
    event: dict[str, object] = {}
    for name, value in content.items():
        place = place_of(name)
        if place is None:
            mine.unmapped.add(name)
            continue
        if value is None or (cells and value in _NULLS):
            continue
        if place.name != name:
            mine.mapped[name] = place.name
        _put(event, place, value, mine)
    if not _is_event(event):
        return None
    _add(notes, mine)
    return event


_NULLS = ("", "\\N", "NULL", "null", "None", "nan", "NaN", "<NA>")


def _put(event: dict[str, object], place: FieldPath, value: object, notes: Notes) -> None:
    """Read *value* and put it where *place* says."""
    try:
        read = _entry(place, value) if place.key else read_as(value, place.kind, place.path)
    except UnreadableError as error:
        notes.filled[place.name] += 1
        notes.unreadable[place.name] += 1
        notes.examples.setdefault(place.name, []).append(str(error))
        return
    if read is None:
        return
    if read != value or type(read) is not type(value):
        notes.coerced[place.name] += 1
        notes.filled[place.name] += 1
    outer = event
    for name in place.path[:-1]:
        inner = outer.setdefault(name, {})
        if not isinstance(inner, dict):
            return
        outer = inner
    _merge(outer, place, read)


def _entry(place: FieldPath, value: object) -> object:
    """Return a map or list with one entry."""
    if isinstance(place.kind, list):
        return read_as([value], place.kind, place.path)
    return read_as({place.key: value}, place.kind, place.path)


def _merge(outer: dict[str, object], place: FieldPath, read: object) -> None:
    have = outer.get(place.path[-1])
    if isinstance(have, dict) and isinstance(read, dict):
        have.update(read)
    elif place.key and isinstance(have, list) and isinstance(read, list):
        have += read
    else:
        outer[place.path[-1]] = read


def _is_event(event: Mapping[str, object]) -> bool:
    """Return whether so much of an event is there that it is one, not merely an object with a like-named member."""
    meta = event.get("meta")
    known = len(event) + (len(meta) - 1 if isinstance(meta, Mapping) and meta else 0)
    return known >= 2 and ("meta" in event or "$schema" in event or {"action", "dt"} <= event.keys())


def _add(notes: Notes, more: Notes) -> None:
    notes.mapped |= more.mapped
    notes.unmapped |= more.unmapped
    for name in ("coerced", "unreadable", "filled"):
        getattr(notes, name).update(getattr(more, name))
    for name, examples in more.examples.items():
        kept = notes.examples.setdefault(name, [])
        kept += examples[: _EXAMPLES - len(kept)]


def line_of(event: Mapping[str, object]) -> bytes:
    """Return *event* as JSON; whole numbers of any size as text, which the table's reader takes alike."""
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS)
