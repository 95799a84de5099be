"""Conversion of the columns of Parquet, Arrow and table formats to the table's columns."""

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

from analysis.inputs.column_casts import Casts, UnconvertibleColumnError
from analysis.inputs.errors import InputError
from analysis.inputs.events import Notes
from analysis.inputs.field_names import FieldPath, field_of, leaves
from analysis.inputs.field_values import UnreadableError, read_as
from analysis.inputs.file_format import Content
from contracts.table import column_name, duckdb_type, structure

#: Minimum number of known columns in a table of events.
_MIN_COLUMNS = 2

#: Column with the file of a row; empty where the source has no such column.
FILE = "source_file"

_numbers = itertools.count()


@dataclass(frozen=True)
class TableRows:
    """Rows of one source with the table's columns, `datacenter` and `source_file`.

    Attributes:
        rows: relation that is computed each time it is read.
        plain: whether no Python function converts values, so that reading twice is cheap.
        absent: fields without a column in the source.
    """

    rows: DuckDBPyRelation
    plain: bool
    absent: frozenset[str]


@dataclass
class _Columns:
    """Columns of a source, by the field that they map to.

    Attributes:
        top_level: name, field name and type of columns that hold a top-level field, by that field.
        members: name, type and field of columns that hold a member, by top-level field and member.
        entries: columns that hold an entry of a map or list, by the path of that field.
    """

    top_level: dict[str, tuple[str, str, object]] = field(default_factory=dict)
    members: dict[str, dict[str, tuple[str, object, FieldPath]]] = field(default_factory=dict)
    entries: dict[tuple[str, ...], list[tuple[str, FieldPath]]] = field(default_factory=dict)


def parquet_groups(files: Sequence[Path]) -> Iterator[list[Path]]:
    """Yield *files* grouped by schema, as a column's type may differ between files.

    Raises:
        InputError: a file is damaged.
    """
    groups: dict[str, list[Path]] = {}
    for path in files:
        try:
            schema = pq.read_schema(path)
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{path} cannot be read as Parquet: it is damaged or cut short ({reason}); copy it again"
            ) from error
        groups.setdefault(str(schema.remove_metadata()), []).append(path)
    yield from groups.values()


def parquet_relation(files: Sequence[Path], connection: DuckDBPyConnection) -> DuckDBPyRelation:
    """Return the rows of Parquet files with the same schema, with their file in the column `filename`."""
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
    """Return whether *relation* has columns of events, not a column that holds whole events."""
    if any(name.lower() == "raw_event" for name in relation.columns):
        return False
    targets = [target for target in map(field_of, relation.columns) if target is not None]
    names = {target.path[0] for target in targets}
    structs = [name for name, kind in zip(relation.columns, relation.types, strict=True) if kind.id == "struct"]
    meta = any((target := field_of(name)) and target.path == ("meta",) for name in structs)
    return (len(targets) >= _MIN_COLUMNS and bool(names & {"meta", "$schema"})) or meta


def read_table(relation: DuckDBPyRelation, connection: DuckDBPyConnection, name: str, notes: Notes) -> TableRows:
    """Return *relation* with the table's columns.

    Args:
        relation: rows with columns of events.
        connection: the relation's connection.
        name: name of the source, for messages.
        notes: records the conversions.

    Raises:
        InputError: a column's type, or all of its values, do not convert to its field.
    """
    converters: list[str] = []
    casts = Casts(_registrar(connection, notes, converters))
    try:
        columns = _columns(relation, notes)
        projection = [f'{_column(top, columns, casts)} AS "{column_name(top)}"' for top in structure()]
    except UnconvertibleColumnError as error:
        raise InputError(f"{name}: {error}; export it in the type that events have") from error
    names = {column.lower() for column in relation.columns}
    file = "filename" if "filename" in names else "''"
    by_path = f"nullif(regexp_extract({file}, '/datacenter=([^/]+)/', 1), '')"
    projection.append(f"{'CAST(datacenter AS VARCHAR)' if 'datacenter' in names else by_path} AS datacenter")
    projection.append(f"{file} AS {FILE}")
    notes.mapped |= casts.mapped
    notes.unmapped |= casts.unmapped
    _count(relation, casts, name, notes)
    absent = frozenset(target.name for target in leaves()) - casts.present
    return TableRows(relation.project(", ".join(projection)), not converters, absent)


def _columns(relation: DuckDBPyRelation, notes: Notes) -> _Columns:
    columns = _Columns()
    for name, kind in zip(relation.columns, relation.types, strict=True):
        target = field_of(name)
        if target is None:
            if name != "filename":
                notes.unmapped.add(name)
            continue
        if column_name(target.name) != name:
            notes.mapped[name] = target.name
        if target.key:
            columns.entries.setdefault(target.path, []).append((name, target))
        elif len(target.path) == 1:
            columns.top_level.setdefault(target.path[0], (name, target.name, kind))
        else:
            columns.members.setdefault(target.path[0], {})[target.path[-1]] = (name, kind, target)
    return columns


def _column(top: str, columns: _Columns, casts: Casts) -> str:
    """Return SQL for one of the table's columns: from a column, from flattened columns, or null."""
    kind = structure()[top]
    target = FieldPath((top,), kind)
    sql_type = duckdb_type(kind)
    entries = {path[-1]: _entries(items) for path, items in columns.entries.items() if path[0] == top}
    if top in columns.top_level:
        name, _, source_type = columns.top_level[top]
        if isinstance(kind, Mapping) and f"{source_type}" == sql_type:
            casts.present.update(f"{top}.{member}" for member in kind)
            return f'"{name}"'
        result = casts.read(f'"{name}"', source_type, target)  # type: ignore[arg-type]
        return f"CAST({result} AS {sql_type})"
    members = columns.members.get(top, {})
    if not isinstance(kind, Mapping) or not (members or entries):
        return f"CAST(NULL AS {sql_type})"
    read = {
        member: casts.read(f'"{name}"', source, inner)  # type: ignore[arg-type]
        for member, (name, source, inner) in members.items()
    }
    casts.present.update(f"{top}.{member}" for member in entries)
    return casts.packed(target, {**entries, **read})


def _entries(items: Sequence[tuple[str, FieldPath]]) -> str:
    """Return SQL for a map or a list with a column per entry; null entries are left out."""
    if isinstance(items[0][1].kind, list):
        ordered = sorted(items, key=lambda item: int(item[1].key))
        return f"list_filter([{', '.join(_text(name) for name, _ in ordered)}], item -> item IS NOT NULL)"
    pairs = ", ".join(f"{{'k': {_literal(target.key)}, 'v': {_text(name)}}}" for name, target in items)
    return f"map_from_entries(list_filter([{pairs}], item -> item.v IS NOT NULL))"


def _text(name: str) -> str:
    return f'CAST("{name}" AS VARCHAR)'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _registrar(
    connection: DuckDBPyConnection, notes: Notes, converters: list[str]
) -> Callable[[object, tuple[str, ...]], str]:
    """Return a function that registers a Python conversion with the database."""

    def register(kind: object, path: tuple[str, ...]) -> str:
        function = f"read_as_{next(_numbers)}"

        def convert(text: str | None) -> str | None:
            if text is None:
                return None
            try:
                return orjson.dumps(read_as(_value(text), kind, path), default=str).decode()
            except UnreadableError as error:
                examples = notes.examples.setdefault(".".join(path), [])
                if len(examples) < 3:
                    examples.append(str(error))
                return None

        connection.create_function(function, convert, [VARCHAR], VARCHAR, null_handling=FunctionNullHandling.SPECIAL)
        converters.append(function)
        return function

    return register


def _value(text: str) -> object:
    """Return the value of JSON; another text stays as it is, for its field to convert."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _count(relation: DuckDBPyRelation, casts: Casts, name: str, notes: Notes) -> None:
    """Count the converted values. Raises InputError for a column without a convertible value."""
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
            example = "; ".join(notes.examples.get(field_name, [])[:1])
            raise InputError(
                f"{name}: column {field_name} is {kind}, and none of its {filled:,} values converts to the field"
                f"{f' ({example})' if example else ''}; export it in the type that events have"
            )
