"""Columns of Parquet, Arrow and table formats as the table's columns."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import orjson
import pyarrow.parquet as pq
from duckdb import DuckDBPyConnection, DuckDBPyRelation
from duckdb.func import FunctionNullHandling
from duckdb.sqltypes import VARCHAR

from analysis.inputs.column_casts import Casts, Unsuitable
from analysis.inputs.errors import InputError
from analysis.inputs.events import Notes
from analysis.inputs.field_names import FieldPath, leaves, place_of
from analysis.inputs.field_values import UnreadableError, read_as
from analysis.inputs.file_format import Content
from contracts.table import column_name, duckdb_type, structure

#: A table with fewer known columns than these is not one of events.
_LEAST_COLUMNS = 2

#: Names the file that a row is from; where a source has no such column, it is empty.
FILE = "source_file"

_numbers = itertools.count()


@dataclass(frozen=True)
class TableRows:
    """Rows of one source as the table's columns, then `datacenter` and `source_file`.

    Attributes:
        rows: to be read when they are asked for.
        plain: whether nothing had to be converted by Python, so that they may be read several times.
        absent: fields that the source has no column for.
    """

    rows: DuckDBPyRelation
    plain: bool
    absent: frozenset[str]


@dataclass
class _Columns:
    """Columns of a source by the fields that they stand for."""

    whole: dict[str, tuple[str, str, object]] = field(default_factory=dict)
    members: dict[str, dict[str, tuple[str, object, FieldPath]]] = field(default_factory=dict)
    entries: dict[tuple[str, ...], list[tuple[str, FieldPath]]] = field(default_factory=dict)


def parquet_groups(files: Sequence[Path]) -> Iterator[list[Path]]:
    """Yield *files* grouped by schema, so that a column may have another type in another file.

    Raises:
        InputError: one of them is damaged.
    """
    groups: dict[str, list[Path]] = {}
    for path in files:
        try:
            schema = pq.read_schema(path)
        except (OSError, ValueError) as error:
            why = str(error).splitlines()[0]
            raise InputError(
                f"{path} cannot be read as Parquet: it is damaged or cut short ({why}); copy it again"
            ) from error
        groups.setdefault(str(schema.remove_metadata()), []).append(path)
    yield from groups.values()


def parquet_relation(files: Sequence[Path], connection: DuckDBPyConnection) -> DuckDBPyRelation:
    """Return the rows of Parquet files of one schema, with the file of each as the column `filename`."""
    names = ", ".join(_literal(str(path)) for path in files)
    options = "binary_as_string = true, hive_partitioning = false, filename = true"
    return connection.sql(f"SELECT * FROM read_parquet([{names}], {options})")  # noqa: S608 (literals)


def arrow_relation(content: Content, connection: DuckDBPyConnection) -> DuckDBPyRelation:
    """Return the rows of an Arrow (Feather) file. Raises InputError."""
    import pyarrow as pa

    try:
        table = pa.ipc.open_file(pa.BufferReader(content.stream.read())).read_all()
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{content.name} cannot be read as Arrow: {error}; copy it again") from error
    name = f"arrow_rows_{next(_numbers)}"
    connection.from_arrow(table).create(name)
    return connection.table(name)


def is_table_of_events(relation: DuckDBPyRelation) -> bool:
    """Return whether *relation* has columns of events, not merely a column that holds whole ones."""
    if any(name.lower() == "raw_event" for name in relation.columns):
        return False
    places = [place for place in map(place_of, relation.columns) if place is not None]
    names = {place.path[0] for place in places}
    structs = [name for name, kind in zip(relation.columns, relation.types, strict=True) if kind.id == "struct"]
    meta = any((place := place_of(name)) and place.path == ("meta",) for name in structs)
    return (len(places) >= _LEAST_COLUMNS and bool(names & {"meta", "$schema"})) or meta


def read_table(relation: DuckDBPyRelation, connection: DuckDBPyConnection, name: str, notes: Notes) -> TableRows:
    """Return *relation* as rows of the table.

    Args:
        relation: with columns of events.
        connection: that it belongs to.
        name: of the source, for messages.
        notes: to fill.

    Raises:
        InputError: a column's type, or every value of it, has no sensible reading.
    """
    converters: list[str] = []
    casts = Casts(_registrar(connection, notes, converters))
    try:
        columns = _columns(relation, notes)
        picked = [f'{_column(top, columns, casts)} AS "{column_name(top)}"' for top in structure()]
    except Unsuitable as error:
        raise InputError(f"{name}: {error}; export it in the type that events have") from error
    have = {column.lower() for column in relation.columns}
    file = "filename" if "filename" in have else "''"
    by_path = f"nullif(regexp_extract({file}, '/datacenter=([^/]+)/', 1), '')"
    picked.append(f"{'CAST(datacenter AS VARCHAR)' if 'datacenter' in have else by_path} AS datacenter")
    picked.append(f"{file} AS {FILE}")
    notes.mapped |= casts.mapped
    notes.unmapped |= casts.unmapped
    _count(relation, casts, name, notes)
    absent = frozenset(place.name for place in leaves()) - casts.present
    return TableRows(relation.project(", ".join(picked)), not converters, absent)


def _columns(relation: DuckDBPyRelation, notes: Notes) -> _Columns:
    found = _Columns()
    for name, kind in zip(relation.columns, relation.types, strict=True):
        place = place_of(name)
        if place is None:
            if name != "filename":
                notes.unmapped.add(name)
            continue
        if column_name(place.name) != name:
            notes.mapped[name] = place.name
        if place.key:
            found.entries.setdefault(place.path, []).append((name, place))
        elif len(place.path) == 1:
            found.whole.setdefault(place.path[0], (name, place.name, kind))
        else:
            found.members.setdefault(place.path[0], {})[place.path[-1]] = (name, kind, place)
    return found


def _column(top: str, columns: _Columns, casts: Casts) -> str:
    """Return SQL for one of the table's columns, from a column, from flattened ones, or null."""
    kind = structure()[top]
    place = FieldPath((top,), kind)
    target = duckdb_type(kind)
    entries = {path[-1]: _entries(items) for path, items in columns.entries.items() if path[0] == top}
    if top in columns.whole:
        name, _, source = columns.whole[top]
        if isinstance(kind, Mapping) and f"{source}" == target:
            casts.present.update(f"{top}.{member}" for member in kind)
            return f'"{name}"'
        result = casts.read(f'"{name}"', source, place)  # type: ignore[arg-type]
        return f"CAST({result} AS {target})"
    members = columns.members.get(top, {})
    if not isinstance(kind, Mapping) or not (members or entries):
        return f"CAST(NULL AS {target})"
    read = {
        member: casts.read(f'"{name}"', source, inner)  # type: ignore[arg-type]
        for member, (name, source, inner) in members.items()
    }
    casts.present.update(f"{top}.{member}" for member in entries)
    return casts.packed(place, {**entries, **read})


def _entries(items: Sequence[tuple[str, FieldPath]]) -> str:
    """Return SQL for a map or a list whose entries are columns; those that are null are not in it."""
    if isinstance(items[0][1].kind, list):
        ordered = sorted(items, key=lambda item: int(item[1].key))
        return f"list_filter([{', '.join(_text(name) for name, _ in ordered)}], item -> item IS NOT NULL)"
    pairs = ", ".join(f"{{'k': {_literal(place.key)}, 'v': {_text(name)}}}" for name, place in items)
    return f"map_from_entries(list_filter([{pairs}], item -> item.v IS NOT NULL))"


def _text(name: str) -> str:
    return f'CAST("{name}" AS VARCHAR)'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _registrar(
    connection: DuckDBPyConnection, notes: Notes, converters: list[str]
) -> Callable[[object, tuple[str, ...]], str]:
    """Return what makes a Python conversion known to the database."""

    def register(kind: object, path: tuple[str, ...]) -> str:
        function = f"read_as_{next(_numbers)}"

        def convert(text: str | None) -> str | None:
            if text is None:
                return None
            try:
                return orjson.dumps(read_as(_value(text), kind, path), default=str).decode()
            except UnreadableError as error:
                kept = notes.examples.setdefault(".".join(path), [])
                if len(kept) < 3:
                    kept.append(str(error))
                return None

        connection.create_function(function, convert, [VARCHAR], VARCHAR, null_handling=FunctionNullHandling.SPECIAL)
        converters.append(function)
        return function

    return register


def _value(text: str) -> object:
    """Return the value of JSON; a text that is not JSON is read by its field."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _count(relation: DuckDBPyRelation, casts: Casts, name: str, notes: Notes) -> None:
    """Count the values that were read as another type. Raises InputError where a column has none that could be."""
    if not casts.coerced:
        return
    pairs = list(casts.coerced.items())
    counts = ", ".join(f"count({source}), count({result})" for _, (source, result, _) in pairs)
    try:
        [row] = relation.aggregate(counts).fetchall()
    except duckdb.Error as error:
        raise InputError(f"{name} cannot be read: {str(error).splitlines()[0]}") from error
    for index, (field_name, (_, _, kind)) in enumerate(pairs):
        filled, read = row[2 * index], row[2 * index + 1]
        key = f"{field_name} ({kind})"
        notes.coerced[key] += read
        notes.filled[key] += filled
        notes.unreadable[key] += filled - read
        if filled and not read:
            why = "; ".join(notes.examples.get(field_name, [])[:1])
            raise InputError(
                f"{name}: column {field_name} is {kind}, and none of its {filled:,} values has a sensible reading"
                f"{f' ({why})' if why else ''}; export it in the type that events have"
            )
