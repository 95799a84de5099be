"""Events at the limits of a JSON Schema: valid ones, changed where a rule could break."""

import copy
import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

Schema = Mapping[str, Any]
Event = dict[str, Any]
Rule = tuple[str, ...]

_BIGGEST = 2**53 - 1

#: Values of every type.
_ANYTHING: tuple[object, ...] = (
    None, True, False, 0, 1, -1, 1.0, 0.5, 1.5, -0.0, _BIGGEST, _BIGGEST + 1, float(_BIGGEST + 1), 10**25, 1e300,
    "", "x", "0", "true", "é" * 64, [], ["x"], [""], [1], [None], [[]], {}, {"x": "y"}, {"x": ""}, {"x": 1}, {"": "y"},
)  # fmt: skip

_FORMATS: Mapping[str, tuple[str, ...]] = {
    "date-time": (
        "2025-01-31T14:30:00.000Z", "2025-01-31T14:30:00Z", "2025-01-31T14:30:00+01:00", "2024-02-29T00:00:00Z",
        "2025-01-31T14:30:00.123456789Z", "2025-02-29T00:00:00Z", "2025-02-30T00:00:00Z", "2025-13-01T00:00:00Z",
        "2025-01-31T24:00:00Z", "2025-01-31T14:60:00Z", "2025-01-31T14:30:00", "2025-01-31 14:30:00Z", "2025-01-31",
        "14:30:00Z", "20250131T143000Z", "2025-01-31T14:30Z", "2025-01-31T14:30:00+0100", "now", "", "1738333800",
        "2025-01-31T14:30:00.000Z ", "2025-01-31T14:30:00." + "0" * 108 + "Z", "2025-01-31T14:30:00." + "0" * 107 + "Z",
    ),
    "uri-reference": (
        "http://example.org", "https://en.wikipedia.org/wiki/A?b=c#d", "/wiki/A", "//host/path", "A", "?q", "#f", "",
        "http://example.org/a b", "http://example.org/%zz", "/wiki/%C3%A9", "/wiki/é", "http://[::1]/", "http://[::1",
        "a:b", ":b", "http://host:port/", "<x>", "/a\\b", "\\a", "#a\\b", " ", "a\tb", "/A ", "/" + "x" * 8191,
        "/" + "x" * 8192,
    ),
}  # fmt: skip

_TOKENS = ("0" * 20, "z" * 20, "09az" * 5, "Z" * 20, "-" * 20, "0" * 19, "0" * 21, "0" * 19 + "\n", "٣" * 20)


class Site(NamedTuple):
    """A field of an event and its schema.

    Attributes:
        path: keys of the field; `*` is any key, `#` any element.
        schema: schema of the field.
        where: path of that schema in the whole schema.
    """

    path: tuple[str, ...]
    schema: Schema
    where: Rule


def sites(schema: Schema, path: tuple[str, ...] = (), where: Rule = ()) -> Iterator[Site]:
    """Yield the event and every field that the schema describes."""
    yield Site(path, schema, where)
    for name, member in schema.get("properties", {}).items():
        yield from sites(member, (*path, name), (*where, "properties", name))
    for keyword, step in (("additionalProperties", "*"), ("items", "#")):
        if isinstance(schema.get(keyword), Mapping):
            yield from sites(schema[keyword], (*path, step), (*where, keyword))


def rules(schema: Schema) -> set[Rule]:
    """Return where in the schema each of its rules is."""
    keywords = {"type", "enum", "minimum", "maximum", "minLength", "maxLength", "pattern", "format", "required"}
    return {
        (*site.where, keyword)
        for site in sites(schema)
        for keyword, value in site.schema.items()
        if keyword in keywords or (keyword == "additionalProperties" and value is False)
    }


def mutations(schema: Schema, bases: Sequence[Event], count: int, seed: int) -> Iterator[Event]:
    """Yield *count* events: one of *bases* each, with none, one or two places changed. The seed decides all."""
    draw = random.Random(seed)  # noqa: S311
    places = list(sites(schema))
    for _ in range(count):
        event = copy.deepcopy(draw.choice(bases))
        for _ in range(draw.choice((0, 1, 1, 1, 1, 2))):
            _change(event, draw.choice(places), draw)
        yield event


def _change(event: Event, site: Site, draw: random.Random) -> None:
    """Change *event* at *site*: drop something, or put a value there that is near a limit of one of its rules."""
    if not site.path and draw.random() < 0.5:
        event["surprise"] = draw.choice(_ANYTHING)
    elif not site.path:
        event.pop(draw.choice(site.schema["required"]), None)
    elif draw.random() < 0.05:
        _drop(event, site.path)
    else:
        _put(event, site.path, _near(site.schema, draw), draw)


def _near(schema: Schema, draw: random.Random) -> object:
    """Return a value just inside or just outside of one rule of *schema*."""
    keyword = draw.choice([name for name in schema if name not in ("description", "properties")])
    limit = schema[keyword]
    match keyword:
        case "enum":
            return draw.choice((*limit, *limit, limit[0].upper(), f"{limit[0]} ", ""))
        case "minimum" | "maximum":
            return draw.choice((limit - 1, limit, limit + 1, limit + 0.5, float(limit), str(limit)))
        case "minLength" | "maxLength":
            # One character, three octets, or two units of UTF-16: a length counts characters.
            return draw.choice("xé𝒳") * max(0, limit + draw.choice((-1, 0, 1)))
        case "pattern":
            return draw.choice(_TOKENS)
        case "format":
            return draw.choice(_FORMATS[limit])
        case "additionalProperties" if limit is False:
            return {"surprise": draw.choice(_ANYTHING)}
        case "additionalProperties":
            return {"x": "y", "z": _near(limit, draw)}
        case "items":
            return ["x", _near(limit, draw)]
        case "required":
            return {name: "x" for name in limit if draw.random() < 0.5}
        case _:
            return copy.deepcopy(draw.choice(_ANYTHING))


def _put(event: Event, path: tuple[str, ...], value: object, draw: random.Random) -> None:
    holder: Any = event
    for name, following in pairwise(path):
        if not isinstance(holder.get(name), list if following == "#" else dict):
            holder[name] = [] if following == "#" else {}
        holder = holder[name]
    if isinstance(holder, list):
        holder.insert(draw.randrange(len(holder) + 1), value)
    else:
        holder[draw.choice(("x", "user-agent", "")) if path[-1] == "*" else path[-1]] = value


def _drop(event: Event, path: tuple[str, ...]) -> None:
    holder: Any = event
    for name in path[:-1]:
        holder = holder.get(name) if isinstance(holder, dict) else None
    if isinstance(holder, dict):
        holder.pop(path[-1], None)
