"""Mutations of a file of JSON: another type, another depth, something missing, something more, damaged bytes."""

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

import orjson

_UNEXPECTED_VALUES: tuple[object, ...] = (
    None, True, False, -1, 0, 1.5, -0.0, 1e308, 2**31, 2**53, 2**63 - 1, 2**64 - 1, "", "x", "1", "\x00\x1b[2J",
    "\u202e",
    "=1+1",
    "javascript:alert(1)", "../..", [], {}, [[]], [None], {"": None}, {"x": {"y": [1]}}, [[[[[[]]]]]], "9" * 400,
)  # fmt: skip


def mutations(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Yield *count* mutations of *content*: one JSON value, or one per line."""
    rng = random.Random(seed)  # noqa: S311 (the same mutations every time)
    try:
        orjson.loads(content)
        lines = [content]
    except orjson.JSONDecodeError:
        lines = content.splitlines()
    for _ in range(count):
        changed = list(lines)
        position = rng.randrange(len(changed))
        changed[position] = rng.choice(_MUTATORS)(changed[position], rng)
        yield b"\n".join(changed) + b"\n"


def _value(line: bytes, rng: random.Random) -> bytes:
    """Replace a random value of the line."""
    row = orjson.loads(line)
    slots = list(_slots(row))
    if not slots:
        return orjson.dumps(rng.choice(_UNEXPECTED_VALUES))
    holder, key = rng.choice(slots)
    holder[key] = copy.deepcopy(rng.choice(_UNEXPECTED_VALUES))
    return orjson.dumps(row)


def _missing(line: bytes, rng: random.Random) -> bytes:
    row = orjson.loads(line)
    slots = list(_slots(row))
    if slots:
        holder, key = rng.choice(slots)
        del holder[key]
    return orjson.dumps(row)


def _more(line: bytes, rng: random.Random) -> bytes:
    row = orjson.loads(line)
    holders = [holder for holder, _ in _slots(row)]
    if holders:
        holder = rng.choice(holders)
        if isinstance(holder, dict):
            holder["surprise"] = copy.deepcopy(rng.choice(_UNEXPECTED_VALUES))
        else:
            holder.append(copy.deepcopy(rng.choice(_UNEXPECTED_VALUES)))
    return orjson.dumps(row)


def _whole(_: bytes, rng: random.Random) -> bytes:
    return orjson.dumps(rng.choice(_UNEXPECTED_VALUES))


def _deep(_: bytes, rng: random.Random) -> bytes:
    depth = rng.choice((50, 500, 5_000, 100_000))
    return b"[" * depth + b"]" * depth if rng.random() < 0.5 else b'{"x":' * depth + b"1" + b"}" * depth


def _bytes(line: bytes, rng: random.Random) -> bytes:
    changed = bytearray(line)
    for _ in range(rng.randint(1, 3)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed).replace(b"\n", b" ")


def _cut(line: bytes, rng: random.Random) -> bytes:
    return line[: rng.randrange(len(line))]


_MUTATORS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _value, _value, _value, _value, _missing, _missing, _more, _whole, _deep, _bytes, _cut,
)  # fmt: skip


def _slots(value: object) -> Iterator[tuple[Any, Any]]:
    """Yield the container and the key or index of every nested value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield value, key
            yield from _slots(item)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield value, position
            yield from _slots(item)
