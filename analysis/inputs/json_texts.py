"""JSON values of a text: NDJSON, a list, values over several lines, or rows of a CSV file."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import orjson

from analysis.inputs.errors import InputError
from analysis.inputs.field_names import field_of
from analysis.inputs.field_values import parse
from analysis.inputs.file_format import DAMAGE, Content, damaged

# A CSV cell may hold a whole event.
csv.field_size_limit(1 << 27)

_DELIMITERS = ",\t;|\x01"

#: Number of lines at the beginning that decide the form of a text.
_HEAD_LINES = 50


class Item(NamedTuple):
    """One value of a text.

    Attributes:
        number: number of its line, from 1; of the value, where values span several lines.
        value: the value.
        line: the line, if it holds only the value; otherwise empty.
        why: reason why a line cannot be read; it then has no value.
        cut_short: whether an unreadable line has no line end, so that the file may be incomplete.
    """

    number: int
    value: object = None
    line: bytes = b""
    why: str = ""
    cut_short: bool = False


class Text(NamedTuple):
    """Values of a text.

    Attributes:
        form: `NDJSON`, `JSON`, `CSV` or `TSV`.
        items: the values.
        cells: whether the values are rows of a CSV file.
    """

    form: str
    items: Iterator[Item]
    cells: bool = False


def read_text(content: Content) -> Text:
    """Return the values of a text, which are read on demand.

    Raises:
        InputError: the text is damaged; also raised while the items are read.
    """
    lines = _lines(content)
    head: list[bytes] = []
    for line in lines:
        head.append(line)
        if len(head) >= _HEAD_LINES:
            break
    first = next((line.strip() for line in head if line.strip()), b"")
    if first.startswith((b"[", b"{")) and not _has_value_per_line(head):
        return Text("JSON", _values(b"".join(head) + b"".join(lines), content))
    delimiter = _delimiter(first)
    if delimiter:
        form = {"\t": "TSV", ",": "CSV"}.get(delimiter, f"CSV with {delimiter!r}")
        return Text(form, _rows(head, lines, delimiter), cells=True)
    return Text("NDJSON", _objects(head, lines))


def _lines(content: Content) -> Iterator[bytes]:
    """Yield the lines of a text in UTF-8, with their line ends."""
    try:
        if content.encoding == "utf-8":
            for line in content.stream:
                # A carriage return alone ends a line in old files.
                yield from line.splitlines(keepends=True) if b"\r" in line[:-2] else (line,)
            return
        text = content.stream.read().decode(content.encoding, "replace")
        yield from (line.encode() for line in text.splitlines(keepends=True))
    except DAMAGE as error:
        raise damaged(content.name, content.layers, error) from error


def _has_value_per_line(head: Sequence[bytes]) -> bool:
    """Return whether most lines at the beginning of a text hold one JSON value."""
    filled = [line for line in head if line.strip()]
    # A list on one line may be the whole file or one batch of many; both are read by line.
    return sum(_value(line) is not _NOTHING for line in filled) * 2 >= len(filled)


#: No value.
_NOTHING = object()


def _value(line: bytes) -> object:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return _tolerant(line)


def _tolerant(line: bytes) -> object:
    """Return the value of a line with more than JSON: a record mark, a comma, text before it, single quotes."""
    text = line.decode("utf-8", "replace").strip(" \t\r\n\x1e").removesuffix(",")
    start = text.find("{")
    if start < 0 or not text.endswith("}"):
        return _NOTHING
    try:
        return orjson.loads(text[start:])
    except orjson.JSONDecodeError:
        pass
    if "'" not in text[: start + 3]:
        return _NOTHING
    content = parse(text[start:])
    return content if isinstance(content, dict) and len(content) > 1 else _NOTHING


def _objects(head: Sequence[bytes], rest: Iterator[bytes]) -> Iterator[Item]:
    number = 0
    for source in (head, rest):
        for line in source:
            number += 1
            if not line.strip():
                continue
            try:
                value = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                value = _tolerant(line)
                if value is _NOTHING:
                    yield Item(number, why=f"not JSON: {error.msg}", cut_short=not line.endswith((b"\n", b"\r")))
                else:
                    yield Item(number, value)
                continue
            if isinstance(value, (dict, list)):
                yield Item(number, value, line)
            else:
                yield Item(number, why="not a JSON object")


def _values(content: bytes, source: Content) -> Iterator[Item]:
    """Yield the values of a text whose values span several lines."""
    text = content.decode("utf-8", "replace")
    decoder, at, number = json.JSONDecoder(), 0, 0
    while at < len(text):
        while at < len(text) and text[at] in " \t\r\n,\x1e":
            at += 1
        if at >= len(text):
            return
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            line = text.count("\n", 0, at) + 1
            raise InputError(
                f"{source.name} is damaged: the JSON value that begins in line {line} cannot be read ({error}); "
                "copy it again"
            ) from None
        number += 1
        yield Item(number, _as_objects(value))


def _as_objects(value: object) -> object:
    """Return a table of names and rows (`{"columns": [...], "data": [[...]]}`) as a list of objects."""
    if not isinstance(value, Mapping):
        return value
    columns, rows = value.get("columns"), value.get("data", value.get("rows"))
    if not (isinstance(columns, list) and isinstance(rows, list) and rows and isinstance(rows[0], list)):
        return value
    names = [str(column.get("name")) if isinstance(column, Mapping) else str(column) for column in columns]
    return [dict(zip(names, row, strict=False)) for row in rows]


def _delimiter(header: bytes) -> str:
    """Return the delimiter of a CSV header; empty for another line."""
    text = header.decode("utf-8", "replace").strip()
    if text.startswith(("{", "[")):
        return ""
    for delimiter in _DELIMITERS:
        names = next(csv.reader([text], delimiter=delimiter), [])
        known = sum(field_of(name.strip(" '\"")) is not None for name in names)
        if len(names) > 1 and known >= 2:
            return delimiter
    return ""


def _rows(head: Sequence[bytes], rest: Iterator[bytes], delimiter: str) -> Iterator[Item]:
    texts = (line.decode("utf-8", "replace") for lines in (head, rest) for line in lines)
    first = next(text for text in texts if text.strip())
    quote = "'" if first.lstrip().startswith("'") else '"'
    names = [name.strip(" '\"") for name in next(csv.reader([first], delimiter=delimiter, quotechar=quote))]
    # Exports double a quote in a cell, or escape it: `\"` never ends a cell that holds JSON.
    reader = csv.reader(texts, delimiter=delimiter, quotechar=quote, strict=False)
    try:
        for row in reader:
            if not row:
                continue
            if len(row) != len(names):
                yield Item(reader.line_num + 1, why=f"{len(row)} cells under {len(names)} names")
            else:
                yield Item(reader.line_num + 1, dict(zip(names, row, strict=True)))
    except csv.Error as error:
        yield Item(reader.line_num + 1, why=f"not CSV: {error}")
