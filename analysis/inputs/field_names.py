"""Which field of an event a column or member stands for, however the export wrote its name.

`$schema`, `_schema` and `schema` are one field; `meta.dt`, `meta_dt`, `META__DT`, `metaDt` and `event.meta.dt` are
another. Names are compared in lower case, with every run of other characters as one underscore.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

from contracts.table import structure

#: Prefixes that exports put before every column.
_PREFIXES = ("event_", "value_", "payload_", "after_", "data_", "source_")

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_OTHER = re.compile(r"[^A-Za-z0-9]+")
#: What exports put between the parts of a flattened name.
_SEPARATOR = r"(?:\.|__?|/|:)"


class FieldPath(NamedTuple):
    """The field that a name stands for.

    Attributes:
        path: names from the outside to the inside, as in events: `("meta", "dt")`.
        kind: its type, as in `contracts.table.structure`.
        key: of an entry of a map or list, where the name includes it; else empty.
    """

    path: tuple[str, ...]
    kind: object
    key: str = ""

    @property
    def name(self) -> str:
        """The field's name with dots, such as `meta.dt`."""
        return ".".join((*self.path, self.key) if self.key else self.path)


def normal(name: str) -> str:
    """Return *name* in the form in which names are compared."""
    return _OTHER.sub("_", _HUMP.sub("_", name)).strip("_").lower()


@cache
def fields() -> Mapping[str, FieldPath]:
    """Return every field of an event by its name in normal form, nested objects included."""
    return {normal(place.name): place for place in _fields((), structure())}


def _fields(outer: tuple[str, ...], kinds: Mapping[str, object]) -> Iterator[FieldPath]:
    for name, kind in kinds.items():
        path = (*outer, name)
        yield FieldPath(path, kind)
        if isinstance(kind, Mapping):
            yield from _fields(path, kind)


@cache
def leaves() -> tuple[FieldPath, ...]:
    """Return every field that is not an object, in the order of the table."""
    return tuple(place for place in _fields((), structure()) if not isinstance(place.kind, Mapping))


@cache
def place_of(name: str) -> FieldPath | None:
    """Return the field that *name* stands for, None where it is not one of an event."""
    for form in _forms(name):
        found = fields().get(form)
        if found is not None:
            return found
    return _entry(name)


@cache
def member_of(path: tuple[str, ...], name: str) -> FieldPath | None:
    """Return the member that *name* stands for in the object at *path*, None where the object has no such member."""
    found = fields().get(normal(".".join((*path, name))))
    return found if found is not None and found.path[:-1] == path else None


def _forms(name: str) -> Iterator[str]:
    """Yield *name* in normal form, then without the table's name or a common prefix before it."""
    whole = normal(name)
    yield whole
    _, dot, rest = name.partition(".")
    if dot:
        yield normal(rest)
    for prefix in _PREFIXES:
        if whole.startswith(prefix):
            yield whole.removeprefix(prefix)


def _entry(name: str) -> FieldPath | None:
    """Return the map or list that *name* has an entry of, such as `experiments.assigned.feature`."""
    for pattern, place in _containers():
        found = pattern.fullmatch(name)
        if found is not None:
            return place._replace(key=found["key"])
    return None


@cache
def _containers() -> tuple[tuple[re.Pattern[str], FieldPath], ...]:
    """Return the maps and lists of an event, each with what the name of one of its entries looks like."""
    found = []
    for place in leaves():
        key = None
        if isinstance(place.kind, list):
            key = rf"(?:{_SEPARATOR}|\[)(?P<key>\d+)\]?"
        elif str(place.kind).startswith("MAP"):
            key = rf"{_SEPARATOR}(?P<key>.+)"
        if key is not None:
            name = _SEPARATOR.join(map(re.escape, place.path))
            found.append((re.compile(rf"(?:\w+\.)?{name}{key}", re.IGNORECASE), place))
    return tuple(found)
