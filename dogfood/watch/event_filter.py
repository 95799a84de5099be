"""Filter of events by the value of a field, as in `action=click` or `meta.domain!=canary`."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import orjson

from common.errors import DogfoodError

_ABSENT = object()


class EventFilter(NamedTuple):
    """Condition on one field of an event.

    Attributes:
        path: names of nested members, the outermost first.
        value: the member's value as in JSON, strings without quotes.
        negated: whether the member must not have the value.
    """

    path: tuple[str, ...]
    value: str
    negated: bool = False

    def matches(self, event: Mapping[str, object]) -> bool:
        """Return whether *event* matches; a list matches by any element, and a missing member equals no value."""
        member: object = event
        for name in self.path:
            member = member.get(name, _ABSENT) if isinstance(member, Mapping) else _ABSENT
        values = member if isinstance(member, list) else [member]
        return any(value is not _ABSENT and _text(value) == self.value for value in values) is not self.negated


def parse_filter(text: str) -> EventFilter:
    """Return the filter that *text* describes: `field=value` or `field!=value`, where dots lead to members.

    Raises:
        DogfoodError: *text* is not a filter.
    """
    field, equals, value = text.partition("=")
    negated = field.endswith("!")
    path = tuple(field.removesuffix("!").split("."))
    if not equals or not all(path):
        raise DogfoodError(f"filter {text!r} has to be field=value or field!=value, such as action=click")
    return EventFilter(path, value, negated)


def matching(filters: Iterable[EventFilter], event: Mapping[str, object]) -> bool:
    """Return whether *event* matches all *filters*."""
    return all(item.matches(event) for item in filters)


def _text(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
