"""The shape of an event: keys, types and formats, without the values."""

import re
from collections.abc import Iterator, Mapping

_FORMATS = (
    ("time with milliseconds and Z", re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")),
    ("token of 20 hex digits", re.compile(r"[0-9a-f]{20}")),
    ("digest of 64 hex digits", re.compile(r"[0-9a-f]{64}")),
    ("UUID", re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")),
    ("range of edits", re.compile(r"\d+(-\d+|\+)? edits")),
)

#: Fields whose value is the same in every event of an instrument.
_CONSTANT = {".action_source", ".$schema", ".meta.stream", ".agent.client_platform", ".mediawiki.version"}


def shape(event: Mapping[str, object], path: str = "") -> set[tuple[str, str]]:
    """Return (path, kind of value) of every leaf of *event*; names of features are left out of paths."""
    return set(_shape(event, path))


def _shape(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, member in value.items():
            step = "*" if path == ".experiments.assigned" else name
            yield from _shape(member, f"{path}.{step}")
    elif isinstance(value, list):
        yield path, "list of " + ",".join(sorted({type(item).__name__ for item in value})) if value else "list"
    else:
        yield path, _kind(value, path)


def _kind(value: object, path: str) -> str:
    if not isinstance(value, str):
        return type(value).__name__
    if path in _CONSTANT:
        return repr(value)
    return next((name for name, pattern in _FORMATS if pattern.fullmatch(value)), "text")
