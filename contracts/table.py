"""The table `event.product_metrics_web_base`: its columns, and converting events and files to its rows.

A row is an event. As in Hive, nested objects are structs, objects with free keys are maps, and `$schema` is named
`_schema`. The columns are derived from the schema files of both generations, so one table holds both.
"""

import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import duckdb
import orjson
import pyarrow as pa

from common.errors import DogfoodError
from contracts.schemas import FOLDER

TABLE = "product_metrics_web_base"
#: Name of the second table: when each row reached its topic and the table. The first has the schema's columns only.
ARRIVALS = f"{TABLE}_arrivals"
ARRIVALS_FILE = "_arrivals.parquet"
PARTITIONS = ("datacenter", "year", "month", "day", "hour")

_MISPLACED = """
    SELECT partition, hour, count(*) AS rows
    FROM (
        SELECT
            format('{}-{:0>2}-{:0>2}T{:0>2}', year, month, day, hour) AS partition,
            strftime(make_timestamp(epoch_us(TRY_CAST(meta.dt AS TIMESTAMPTZ))), '%Y-%m-%dT%H') AS hour
        FROM read_parquet($files, hive_partitioning = true, hive_types_autocast = false, union_by_name = true)
    )
    WHERE partition <> hour
    GROUP BY partition, hour
    ORDER BY partition, hour
"""

Structure = Mapping[str, object]

#: Lines that one thread converts at a time.
_CHUNK = 4_096

_TYPES = {"string": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN"}


class TableError(DogfoodError):
    """Files do not hold rows of the table."""

    page = "docs/reference/checks.md"


class BrokenLine(NamedTuple):
    """A line that is not an event: its *file*, its *line* (1 is the first), and the reason."""

    file: str
    line: int
    why: str


@cache
def structure() -> Structure:
    """Return the nesting of an event, with a DuckDB type at each leaf; keys as in events (`$schema`)."""
    merged: dict[str, object] = {}
    for path in sorted(FOLDER.rglob("*.json")):
        for name, content in orjson.loads(path.read_bytes())["properties"].items():
            merged.setdefault(name, _type(content))
    return merged


def columns() -> dict[str, str]:
    """Return the table's columns in order, with their DuckDB types."""
    return {column_name(name): duckdb_type(kind) for name, kind in structure().items()}


def column_name(name: str) -> str:
    """Return the column of an event's member *name*; Hive does not allow the `$` of `$schema`."""
    return name.replace("$", "_")


def parquet_files(folder: Path) -> list[Path]:
    """Return the finished Parquet files under *folder*.

    As in Hive, names that begin with `_` or `.` are skipped: Spark writes to `_temporary` until a job commits.
    """
    paths: list[Path] = []
    # Unlike a glob, this tolerates folders that are removed during the search.
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(("_", "."))]
        paths += [Path(where, name) for name in names if name.endswith(".parquet") and not name.startswith(("_", "."))]
    return sorted(paths)


def select_lines(source: str) -> str:
    """Return SQL that converts the column `line` (an event's JSON) of *source* to the table's columns.

    As in Hive, a value of another type than its column's becomes null.
    """
    literal = orjson.dumps(structure()).decode().replace("'", "''")
    picked = ", ".join(f'event."{name}" AS "{column_name(name)}"' for name in structure())
    return f"SELECT {picked} FROM (SELECT json_transform(line, '{literal}') AS event FROM {source})"  # noqa: S608


def rows_of(lines: Sequence[bytes], connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Return events (each valid JSON) as rows of the table, in the same order."""
    text = pa.array(lines, type=pa.binary()).cast(pa.string())
    # The database uses one thread per chunk.
    chunks = [text.slice(first, _CHUNK) for first in range(0, len(text), _CHUNK)]
    source = pa.table({"line": pa.chunked_array(chunks, pa.string())})
    connection.register("lines_to_read", source)
    try:
        return connection.sql(select_lines("lines_to_read")).to_arrow_table()
    finally:
        connection.unregister("lines_to_read")


def event_of(row: Mapping[str, object]) -> dict[str, object]:
    """Return the event of a flat row, whose columns have names such as `page__title` instead of `page.title`.

    Null and unknown columns are left out.
    """
    event: dict[str, object] = {}
    for name, member, column in _leaves():
        value = row.get(column)
        if value is None:
            continue
        if member is None:
            event[name] = value
        else:
            event.setdefault(name, {})[member] = value  # type: ignore[index]
    return event


@cache
def _leaves() -> tuple[tuple[str, str | None, str], ...]:
    """Return the leaf fields of an event: name, name of the member or None, and flat column."""
    return tuple(
        (name, member, column_name(name) if member is None else f"{column_name(name)}__{member}")
        for name, kind in structure().items()
        for member in (kind if isinstance(kind, Mapping) else (None,))
    )


def parquet_rows(
    path: Path, connection: duckdb.DuckDBPyConnection, *, data_centre: bool = False
) -> duckdb.DuckDBPyRelation:
    """Return the rows of a Parquet file, or of a folder in Hive layout, as a lazy relation.

    Missing columns are null. With *data_centre* the last column is `datacenter`: from the files, or else from the
    partition of the row; null outside the layout.

    Raises:
        TableError: there are no Parquet files, or they cannot be read as rows of the table.
    """
    files = parquet_files(path) if path.is_dir() else [path]
    if not files:
        raise TableError(f"{path} holds no Parquet files")
    names = [str(file) for file in files]
    try:
        relation = connection.read_parquet(names, hive_partitioning=False, union_by_name=True, filename=data_centre)
        available = set(relation.columns)
        if "meta" not in available:
            raise TableError(f"{path} is not a table of events: it has no column 'meta'")
        picked = ", ".join(
            f'CAST("{name}" AS {kind}) AS "{name}"' if name in available else f'CAST(NULL AS {kind}) AS "{name}"'
            for name, kind in columns().items()
        )
        if data_centre:
            by_path = "nullif(regexp_extract(filename, '/datacenter=([^/]+)/', 1), '')"
            picked += f", {'CAST(datacenter AS VARCHAR)' if 'datacenter' in available else by_path} AS datacenter"
        return relation.project(picked)
    except duckdb.Error as error:
        raise TableError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from error


def read_parquet(path: Path, connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Return the rows of `parquet_rows`, read into memory.

    Raises:
        TableError: there are no Parquet files, they cannot be read, or a column has an unusable type.
    """
    try:
        return parquet_rows(path, connection).to_arrow_table()
    except duckdb.Error as error:
        raise TableError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from error


def misplaced_rows(folder: Path, connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], int]:
    """Return the number of rows, in a table in Hive layout, whose partition is not the hour of `meta.dt`.

    The keys are (partition, hour of `meta.dt`), both as `2025-01-31T14`; files outside the layout are left out.
    """
    files = [str(path) for path in parquet_files(folder) if all(f"{name}=" in str(path) for name in PARTITIONS)]
    if not files:
        return {}
    rows = connection.sql(_MISPLACED, params={"files": files}).fetchall()
    return {(partition, hour): count for partition, hour, count in rows}


def _type(content: Mapping[str, object]) -> object:
    kind = content["type"]
    if kind == "array":
        return [_type(content["items"])]  # type: ignore[arg-type]
    if kind != "object":
        return _TYPES[str(kind)]
    properties = content.get("properties")
    if isinstance(properties, Mapping):
        return {name: _type(member) for name, member in properties.items()}
    return "MAP(VARCHAR, VARCHAR)"


def duckdb_type(kind: object) -> str:
    """Return the DuckDB type of a part of `structure`."""
    if isinstance(kind, str):
        return kind
    if isinstance(kind, list):
        return f"{duckdb_type(kind[0])}[]"
    if isinstance(kind, Mapping):
        members = ", ".join(f'"{name}" {duckdb_type(member)}' for name, member in kind.items())
        return f"STRUCT({members})"
    raise TypeError(kind)
