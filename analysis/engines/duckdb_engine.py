"""Where the analysis' SQL runs. The files under `analysis/sql/` are plain SQL that an analyst can paste."""

import os
import re
import shutil
import weakref
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from tempfile import mkdtemp
from typing import Protocol

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.memory import budget, scratch_prefix
from common.errors import DogfoodError

Value = str | int


class EngineError(DogfoodError):
    """An engine cannot be reached, or does not answer."""


class QueryEngine(Protocol):
    """Runs the analysis' queries. Another engine holds the same tables and answers the same.

    Attributes:
        hashes: by what function its numbers stand for texts and rows; numbers of engines with different ones stand for
            nothing to each other.
    """

    hashes: str

    def add(self, name: str, rows: pa.Table) -> None:
        """Make *rows* known as the table *name*."""

    def add_parquet(self, name: str, path: Path, without: Sequence[str] = ()) -> None:
        """Make the rows of a Parquet file on this machine known as the table *name*, *without* some columns."""

    def keep(self, name: str, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> None:
        """Keep the answer of the file *query* as the table *name*; see `ask` for the other arguments."""

    def define(self, name: str, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> None:
        """Make the file *query* known as the table *name*, to be answered anew whenever that is read."""

    def ask(self, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> list[dict[str, object]]:
        """Return the rows that the file *query* (without `.sql`) answers.

        Args:
            query: name of the file.
            values: of the query's `$parameters`.
            tables: other names of the tables that the query reads, such as `events="observed"`.
        """

    def table(self, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> pa.Table:
        """Return what the file *query* answers, as a table; for many rows. See `ask` for the arguments."""

    def columns(self, query: str, values: Mapping[str, Value] | None = None) -> dict[str, NDArray[np.generic]]:
        """Return what the file *query* answers, a column an array; for many rows without nulls."""


class DuckDbEngine:
    """The engine for Parquet and NDJSON on one machine.

    What it keeps is in a file of its own, which is gone with the engine: tables in memory are several times as large.

    Args:
        memory_gb: gigabytes that the database may use before it spills to disk; by default as this process may.

    Attributes:
        folder: for files that are needed as long as the engine is.
    """

    hashes = f"DuckDB {duckdb.__version__}"

    def __init__(self, memory_gb: float | None = None) -> None:
        given = budget()
        memory = f"{given.bytes // 1000}KB" if memory_gb is None else f"{memory_gb}GB"
        folder = mkdtemp(prefix=scratch_prefix(os.getpid()))
        self.folder = Path(folder)
        self.connection = duckdb.connect(
            Path(folder) / "tables.duckdb",
            config={"memory_limit": memory, "temp_directory": folder, "threads": given.threads},
        )
        # It would go to standard output, into the JSON that scripts read.
        self.connection.execute("SET enable_progress_bar = false")
        # Moments without a zone are UTC, wherever this machine is.
        self.connection.execute("SET TimeZone = 'UTC'")
        weakref.finalize(self, _forget, self.connection, folder)

    def add(self, name: str, rows: pa.Table) -> None:
        """Make *rows* known as the table *name*."""
        if any(pa.types.is_dictionary(field.type) for field in rows.schema):
            # Words that may be on many millions of rows: a byte each in every join, where texts would take sixteen.
            picked = ", ".join(_as_enum(field.name, field.type, rows[field.name]) for field in rows.schema)
            self.connection.from_arrow(rows).project(picked).create(name)
        else:
            self.connection.register(name, rows)

    def stored(self, name: str, rows: pa.Table) -> duckdb.DuckDBPyRelation:
        """Copy *rows* into the database as the table *name*, so that they need not stay in memory, and return it."""
        self.connection.from_arrow(rows).create(name)
        return self.connection.table(name)

    def add_parquet(self, name: str, path: Path, without: Sequence[str] = ()) -> None:
        """Make the rows of a Parquet file known as the table *name*, without reading them into memory."""
        rows = self.connection.read_parquet(str(path))
        rows.select(*(column for column in rows.columns if column not in without)).create_view(name)

    def table(self, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> pa.Table:
        """Return what the file *query* answers, as a table."""
        return self.connection.sql(sql(query, **tables), params=dict(values or {})).to_arrow_table()

    def keep(self, name: str, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> None:
        """Keep the answer of the file *query* as the table *name*, its rows in no order: to keep one takes memory."""
        self.connection.execute("SET preserve_insertion_order = false")
        try:
            self.connection.sql(sql(query, **tables), params=dict(values or {})).create(name)
        finally:
            self.connection.execute("RESET preserve_insertion_order")

    def define(self, name: str, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> None:
        """Make the file *query* known as the table *name*."""
        text = _with(sql(query, **tables), values or {})
        # A view of what is only known to this process has to be one that is gone with it.
        self.connection.execute(f'CREATE TEMP VIEW "{name}" AS {text}')

    def ask(self, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> list[dict[str, object]]:
        """Return the rows that the file *query* answers."""
        answer = self.connection.sql(sql(query, **tables), params=dict(values or {}))
        names = answer.columns
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

    def columns(self, query: str, values: Mapping[str, Value] | None = None) -> dict[str, NDArray[np.generic]]:
        """Return what the file *query* answers, a column an array."""
        answer = self.table(query, values)
        return {name: answer[name].to_numpy() for name in answer.column_names}


def _forget(connection: duckdb.DuckDBPyConnection, folder: str) -> None:
    connection.close()
    shutil.rmtree(folder, ignore_errors=True)


def _as_enum(name: str, kind: pa.DataType, column: pa.ChunkedArray) -> str:
    """Return SQL for a column that is of an enumeration, which sorts as its words do, where it is of a dictionary."""
    if not pa.types.is_dictionary(kind) or not column.num_chunks:
        return f'"{name}"'
    words = sorted({word for chunk in column.chunks for word in chunk.dictionary.to_pylist()})
    literals = ", ".join(_literal(word) for word in words)
    return f'CAST("{name}" AS ENUM ({literals})) AS "{name}"' if words else f'"{name}"'


def sql(query: str, **tables: str) -> str:
    """Return the text of the file *query*, reading from *tables* instead of the names it was written with."""
    text = (files("analysis") / "sql" / f"{query}.sql").read_text(encoding="utf-8")
    for written, meant in tables.items():
        text = text.replace(f"FROM {written}\n", f"FROM {meant}\n")
    return text


def _with(text: str, values: Mapping[str, Value]) -> str:
    """Return *text* with *values* in place of its `$parameters`: a view takes none."""
    return re.sub(r"\$(\w+)", lambda found: _literal(values[found[1]]), text)


def _literal(value: Value) -> str:
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def query_names() -> list[str]:
    """Return the names of all queries."""
    folder = Path(str(files("analysis") / "sql"))
    return sorted(path.stem for path in folder.glob("*.sql"))
