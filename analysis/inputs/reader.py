"""Reader of observed files of any common format into the database."""

import itertools
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import duckdb
import orjson
import pyarrow as pa

from analysis.engines.duckdb_engine import DuckDbEngine
from analysis.inputs.columnar import (
    FILE,
    arrow_relation,
    is_table_of_events,
    parquet_groups,
    parquet_relation,
    read_table,
)
from analysis.inputs.description import ObservedKind, SourceSummary
from analysis.inputs.errors import InputError
from analysis.inputs.events import Notes, as_event, extract_events, is_plain, is_report, line_of
from analysis.inputs.file_format import DAMAGE, Content, contents_of, damaged
from analysis.inputs.folders import data_files, enclosing_table
from analysis.inputs.json_texts import Item, read_text
from analysis.inputs.pipes import is_pipe, open_pipe
from analysis.inputs.table_formats import read_lake
from contracts.table import BrokenLine, columns, rows_of

#: Lines that are converted to rows in one batch, so that a file need not fit into memory.
_BATCH_LINES = 32_768

_DATA_CENTRE = re.compile(r"/datacenter=([^/]+)/")

STANDARD_INPUT = Path("-")


@dataclass
class _Source:
    """State of one content while it is read."""

    name: str
    format: str
    kind: ObservedKind | None
    notes: Notes
    events: int = 0
    canaries: int = 0
    reports: int = 0
    broken: int = 0
    cut_short: bool = False
    names: Counter[str] = field(default_factory=Counter)

    def summary(self) -> SourceSummary:
        envelopes = [_envelope(path) for path in self.notes.envelopes]
        return SourceSummary(
            self.format, " and ".join(dict.fromkeys(envelopes)), self.kind or ObservedKind.TABLE, 1, self.name,
            self.events, self.canaries, self.reports, self.broken, self.cut_short,
        )  # fmt: skip


class Reader:
    """Reader of files into tables of *engine*.

    Args:
        engine: receives the rows.
        kind: kind of the files; None to detect it.

    Attributes:
        parts: relations with the table's columns, `datacenter` and `source_file`.
        reports: lines of the error stream.
        broken: lines that cannot be read.
        sources: description of each content.
        notes: conversions in all contents.
        skipped: files without events, in folders.
        absent: fields without a column in any table; None before the first table, empty after another source.
    """

    def __init__(self, engine: DuckDbEngine, kind: ObservedKind | None = None) -> None:
        self._engine = engine
        self._kind = kind
        self._numbers = itertools.count()
        self.parts: list[duckdb.DuckDBPyRelation] = []
        self.reports: list[bytes] = []
        self.broken: list[BrokenLine] = []
        self.sources: list[SourceSummary] = []
        self.notes = Notes()
        self.skipped: list[str] = []
        self.absent: frozenset[str] | None = None

    def read(self, path: Path) -> None:
        """Read a file, a folder, a pipe, or standard input (`-`). Raises InputError."""
        if path == STANDARD_INPUT:
            self._read_contents(Path("standard input"), sys.stdin.buffer, alone=True)
        elif is_pipe(path):
            self._read_contents(path, open_pipe(path), alone=True)
        else:
            table, format_ = enclosing_table(path)
            if format_ and table != path.resolve():
                raise InputError(f"{path} is inside {table}, a table of {format_}: name the table with --observed")
            if format_:
                self._read_lake(path, format_)
            elif path.is_dir():
                self._read_folder(path)
            else:
                self._read_files([path], alone=True)

    def _read_folder(self, folder: Path) -> None:
        files = list(data_files(folder))
        if not files:
            raise InputError(f"{folder} holds no files of events (hidden and empty ones do not count)")
        self._read_files(files, alone=False)

    def _read_files(self, files: Sequence[Path], *, alone: bool) -> None:
        parquet: list[Path] = []
        for path in files:
            if _is_parquet(path):
                parquet.append(path)
            else:
                self._read_contents(path, None, alone=alone)
        for group in parquet_groups(parquet):
            self._read_relation(parquet_relation(group, self._engine.connection), str(group[0]), "Parquet", len(group))

    def _read_contents(self, path: Path, stream: BinaryIO | None, *, alone: bool) -> None:
        before = len(self.sources)
        with closing(contents_of(path, stream)) as contents:
            for content in contents:
                if content.format == "text":
                    self._read_text(content, path, alone=alone)
                else:
                    self._read_binary(content)
        if alone and len(self.sources) == before:
            raise InputError(f"{path} is empty: nothing was observed in it; was it written to the end?")

    def _read_binary(self, content: Content) -> None:
        """Read Parquet or Arrow out of an archive, a compressed file or a pipe."""
        layers = " ".join(content.layers)
        if content.format == "arrow":
            relation = arrow_relation(content, self._engine.connection)
            self._read_relation(relation, content.name, f"{layers} Arrow".strip(), 1)
            return
        copy = self._engine.folder / f"input-{next(self._numbers)}.parquet"
        try:
            with copy.open("wb") as file:
                shutil.copyfileobj(content.stream, file)
        except DAMAGE as error:
            raise damaged(content.name, content.layers, error) from error
        [group] = parquet_groups([copy])
        relation = parquet_relation(group, self._engine.connection)
        self._read_relation(relation, content.name, f"{layers} Parquet".strip(), 1)

    def _read_lake(self, folder: Path, format_: str) -> None:
        name = f"lake_{next(self._numbers)}"
        relation = self._engine.stored(name, read_lake(folder, format_))
        self._read_relation(relation, str(folder), f"{format_} table", 1)

    def _read_relation(self, relation: duckdb.DuckDBPyRelation, name: str, format_: str, files: int) -> None:
        """Add rows with columns of events, or the events that one of the columns holds."""
        notes = Notes()
        if not is_table_of_events(relation):
            source = _Source(name, format_, self._kind, notes)
            self._add_items(source, _row_items(relation), "", cells=False)
            if not (source.events or source.reports or source.canaries):
                raise _no_events(name, format_, [column for column in relation.columns if column != "filename"])
            return
        read = read_table(relation, self._engine.connection, name, notes)
        rows = read.rows
        if not read.plain:
            # A table stores the values that Python converted, so that this happens once.
            table = f"observed_table_{next(self._numbers)}"
            _stored(rows, table, name)
            rows = self._engine.connection.table(table)
        kind = self._kind or ObservedKind.TABLE
        canaries = 0
        if kind is ObservedKind.STREAM:
            canaries = _count(rows.filter("meta.domain = 'canary'"), name)
            rows = rows.filter("coalesce(meta.domain, '') <> 'canary'")
        self._merge(notes)
        self.absent = read.absent if self.absent is None else self.absent & read.absent
        self.parts.append(rows)
        self.sources.append(SourceSummary(format_, "", kind, files, name, _count(rows, name), canaries))

    def _read_text(self, content: Content, path: Path, *, alone: bool) -> None:
        text = read_text(content)
        encoding = content.encoding.upper().removesuffix("-SIG")
        words = (*content.layers, "" if encoding == "UTF-8" else encoding, text.form)
        if content.encoding == "utf-8-sig":
            words = (*words, "with a byte order mark")
        source = _Source(content.name, " ".join(filter(None, words)), self._kind, Notes())
        self._add_items(source, text.items, str(path), cells=text.cells)
        if source.events or source.reports or source.canaries:
            return
        if not alone:
            self.skipped.append(content.name)
            self.broken = [item for item in self.broken if item.file != Path(content.name).name]
            return
        raise _no_events(content.name, source.format, [name for name, _ in source.names.most_common(8)], source.broken)

    def _add_items(self, source: _Source, items: Iterator[Item], file: str, *, cells: bool) -> None:
        """Add the events of *items*, in batches of rows."""
        lines: list[bytes] = []
        table = ""
        for item in items:
            if item.why:
                self._note_broken(source, item)
                continue
            for line in _lines_of(item, source, cells=cells):
                if line.report:
                    source.reports += 1
                    self.reports.append(line.body)
                elif line.canary and source.kind is ObservedKind.STREAM:
                    source.canaries += 1
                else:
                    source.events += 1
                    lines.append(line.body)
            if len(lines) >= _BATCH_LINES:
                table = self._store(table, lines, file)
                lines = []
        if lines or (source.events and not table):
            table = self._store(table, lines, file)
        if table:
            self.parts.append(self._engine.connection.table(table))
        if source.events or source.reports or source.canaries:
            self.absent = frozenset() if not cells else self.absent
            self._merge(source.notes)
            self.sources.append(source.summary())

    def _note_broken(self, source: _Source, item: Item) -> None:
        source.broken += 1
        source.cut_short = item.cut_short
        self.broken.append(BrokenLine(Path(source.name).name, item.number, item.why))

    def _store(self, table: str, lines: Sequence[bytes], file: str) -> str:
        """Add events to *table*, or to a new one if it is empty; return its name."""
        rows = rows_of(lines, self._engine.connection)
        match = _DATA_CENTRE.search(file)
        for name, value in (("datacenter", match[1] if match else None), (FILE, file)):
            rows = rows.append_column(name, pa.array([value] * len(rows), pa.string()))
        if not table:
            table = f"observed_lines_{next(self._numbers)}"
            self._engine.stored(table, rows)
        else:
            self._engine.connection.from_arrow(rows).insert_into(table)
        return table

    def _merge(self, notes: Notes) -> None:
        total = self.notes
        total.mapped |= notes.mapped
        total.unmapped |= notes.unmapped
        for name in ("coerced", "unreadable", "filled", "envelopes"):
            getattr(total, name).update(getattr(notes, name))


@dataclass(frozen=True, slots=True)
class _Line:
    body: bytes
    report: bool = False
    canary: bool = False


def _lines_of(item: Item, source: _Source, *, cells: bool) -> Iterator[_Line]:
    """Yield the events of a value as lines; the first one decides the kind of *source*."""
    if cells and isinstance(item.value, dict):
        row = as_event(item.value, source.notes, cells=True)
        if row is not None and len(row) > 1:
            source.kind = source.kind or ObservedKind.TABLE
            yield _Line(line_of(row), canary=_is_canary(row))
            return
    has_events = False
    for event in extract_events(item.value, source.notes):
        has_events = True
        if is_report(event):
            yield _Line(line_of(event), report=True)
            continue
        if source.kind is None:
            # Hive has no column `$schema`, so rows with that name are not from a table.
            raw = is_plain(event) or bool(source.notes.envelopes)
            source.kind = ObservedKind.STREAM if raw and not _renamed(source.notes) else ObservedKind.TABLE
        body = item.line if item.line and event is item.value else line_of(event)
        yield _Line(body, canary=_is_canary(event))
    if not has_events:
        source.broken += 1
        source.names.update(_names(item.value))


def _renamed(notes: Notes) -> bool:
    return any(to == "$schema" for to in notes.mapped.values())


def _is_canary(event: Mapping[str, object]) -> bool:
    meta = event.get("meta")
    return isinstance(meta, Mapping) and meta.get("domain") == "canary"


def _names(value: object) -> list[str]:
    while isinstance(value, list) and value:
        value = value[0]
    return [str(name) for name in value] if isinstance(value, Mapping) else [type(value).__name__]


def _row_items(relation: duckdb.DuckDBPyRelation) -> Iterator[Item]:
    """Yield the rows of a relation as values."""
    number = 0
    for batch in relation.to_arrow_reader(4096):
        for row in batch.to_pylist(maps_as_pydicts="lossy"):
            number += 1
            row.pop("filename", None)
            yield Item(number, orjson.loads(orjson.dumps(row, default=_plain, option=orjson.OPT_NON_STR_KEYS)))


def _plain(value: object) -> object:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _envelope(path: str) -> str:
    return {"value": "Kafka envelope", "payload": "Kafka Connect envelope"}.get(path, f"envelope {path!r}")


def _is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PAR1"
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _count(relation: duckdb.DuckDBPyRelation, name: str) -> int:
    try:
        [row] = relation.aggregate("count(*)").fetchall()
    except duckdb.Error as error:
        raise InputError(f"{name} cannot be read: {str(error).splitlines()[0]}") from error
    return int(row[0])


def _stored(relation: duckdb.DuckDBPyRelation, table: str, name: str) -> None:
    try:
        relation.create(table)
    except duckdb.Error as error:
        raise InputError(f"{name} cannot be read: {str(error).splitlines()[0]}") from error


def _no_events(name: str, format_: str, names: Sequence[str], values: int = 0) -> InputError:
    count = f" of {values:,} values" if values else ""
    members = f"; it has {', '.join(map(repr, names))}" if names else ""
    return InputError(
        f"{name} was read as {format_}{count}, and nothing in it is an event of this platform{members}; name a file of "
        "events, which have `$schema` and `meta`"
    )


def empty_rows(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
    """Return an empty relation with the columns of parts."""
    projection = ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in columns().items())
    query = f"SELECT {projection}, CAST(NULL AS VARCHAR) AS datacenter, '' AS {FILE} LIMIT 0"
    return connection.sql(query)
