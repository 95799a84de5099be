"""Mapping of column and member names to fields of an event, in the spelling of any export.

`$schema`, `_schema` and `schema` are one field; `meta.dt`, `meta_dt`, `META__DT`, `metaDt` and `event.meta.dt` are
another. Names are compared in lower case, with each sequence of other characters as one underscore.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

from contracts.table import structure

#: Prefixes that exports add to every column.
_PREFIXES = ("event_", "value_", "payload_", "after_", "data_", "source_")

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_OTHER = re.compile(r"[^A-Za-z0-9]+")
#: Separators between the parts of a flattened name.
_SEPARATOR = r"(?:\.|__?|/|:)"


class FieldPath(NamedTuple):
    """Field of an event that a name maps to.

    Attributes:
        path: names from the outside to the inside, as in events: `("meta", "dt")`.
        kind: type of the field, as in `contracts.table.structure`.
        key: key of a map's or list's entry, if the name includes one; otherwise empty.
    """

    path: tuple[str, ...]
    kind: object
    key: str = ""

    @property
    def name(self) -> str:
        """The field's name with dots, such as `meta.dt`."""
        return ".".join((*self.path, self.key) if self.key else self.path)


def normal(name: str) -> str:
    """Return *name* in normal form, in which names are compared."""
    return _OTHER.sub("_", _HUMP.sub("_", name)).strip("_").lower()


@cache
def fields() -> Mapping[str, FieldPath]:
    """Return every field of an event, nested objects included, by its name in normal form."""
    return {normal(target.name): target for target in _fields((), structure())}


def _fields(outer: tuple[str, ...], kinds: Mapping[str, object]) -> Iterator[FieldPath]:
    for name, kind in kinds.items():
        path = (*outer, name)
        yield FieldPath(path, kind)
        if isinstance(kind, Mapping):
            yield from _fields(path, kind)


@cache
def leaves() -> tuple[FieldPath, ...]:
    """Return every field that is not an object, in the order of the table."""
    return tuple(target for target in _fields((), structure()) if not isinstance(target.kind, Mapping))


@cache
def field_of(name: str) -> FieldPath | None:
    """Return the field that *name* maps to; None without one."""
    for form in _forms(name):
        target = fields().get(form)
        if target is not None:
            return target
    return _entry(name)


@cache
def member_of(path: tuple[str, ...], name: str) -> FieldPath | None:
    """Return the member of the object at *path* that *name* maps to; None without one."""
    member = fields().get(normal(".".join((*path, name))))
    return member if member is not None and member.path[:-1] == path else None


def _forms(name: str) -> Iterator[str]:
    """Yield *name* in normal form, then without a leading table name or common prefix."""
    normalised = normal(name)
    yield normalised
    _, dot, rest = name.partition(".")
    if dot:
        yield normal(rest)
    for prefix in _PREFIXES:
        if normalised.startswith(prefix):
            yield normalised.removeprefix(prefix)


def _entry(name: str) -> FieldPath | None:
    """Return the map or list that *name* has an entry of, such as `experiments.assigned.feature`."""
    for pattern, target in _containers():
        match = pattern.fullmatch(name)
        if match is not None:
            return target._replace(key=match["key"])
    return None


@cache
def _containers() -> tuple[tuple[re.Pattern[str], FieldPath], ...]:
    """Return the maps and lists of an event, with a pattern for the names of their entries."""
    containers = []
    for target in leaves():
        key = None
        if isinstance(target.kind, list):
            key = rf"(?:{_SEPARATOR}|\[)(?P<key>\d+)\]?"
        elif str(target.kind).startswith("MAP"):
            key = rf"{_SEPARATOR}(?P<key>.+)"
        if key is not None:
            name = _SEPARATOR.join(map(re.escape, target.path))
            containers.append((re.compile(rf"(?:\w+\.)?{name}{key}", re.IGNORECASE), target))
    return tuple(containers)
