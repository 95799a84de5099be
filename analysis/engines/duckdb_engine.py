"""Query engine for one machine (DuckDB)."""

import os
import shutil
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import mkdtemp

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.engines.base import Value
from analysis.engines.sql_files import literal, sql, substitute
from analysis.memory import budget, scratch_prefix


class DuckDbEngine:
    """Query engine for Parquet and NDJSON on one machine.

    Stored tables are in a temporary database file, which is removed with the engine: in memory they would be several
    times as large.

    Args:
        memory_gb: gigabytes that the database may use before it spills to disk; by default a share of this process'
            limit.

    Attributes:
        folder: temporary files that live as long as the engine.
    """

    hashes = f"DuckDB {duckdb.__version__}"

    def __init__(self, memory_gb: float | None = None) -> None:
        limits = budget()
        memory = f"{limits.bytes // 1000}KB" if memory_gb is None else f"{memory_gb}GB"
        folder = mkdtemp(prefix=scratch_prefix(os.getpid()))
        self.folder = Path(folder)
        self.connection = duckdb.connect(
            Path(folder) / "tables.duckdb",
            config={"memory_limit": memory, "temp_directory": folder, "threads": limits.threads},
        )
        # The progress bar would go to standard output, into the JSON that scripts read.
        self.connection.execute("SET enable_progress_bar = false")
        # Times without a zone are UTC, independent of this machine's zone.
        self.connection.execute("SET TimeZone = 'UTC'")
        weakref.finalize(self, _close, self.connection, folder)

    def add(self, name: str, rows: pa.Table) -> None:
        """Register *rows* as the table *name*."""
        if any(pa.types.is_dictionary(field.type) for field in rows.schema):
            # An enum takes one byte per row in every join, a text sixteen; there are many millions of rows.
            projection = ", ".join(_as_enum(field.name, field.type, rows[field.name]) for field in rows.schema)
            self.connection.from_arrow(rows).project(projection).create(name)
        else:
            self.connection.register(name, rows)

    def stored(self, name: str, rows: pa.Table) -> duckdb.DuckDBPyRelation:
        """Copy *rows* out of memory into the database table *name*, and return that table."""
        self.connection.from_arrow(rows).create(name)
        return self.connection.table(name)

    def add_parquet(self, name: str, path: Path, without: Sequence[str] = ()) -> None:
        """Register a Parquet file as the table *name*, without reading it into memory."""
        rows = self.connection.read_parquet(str(path))
        rows.select(*(column for column in rows.columns if column not in without)).create_view(name)

    def table(self, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> pa.Table:
        """Return the answer of *query* as an Arrow table."""
        return self.connection.sql(sql(query, **tables), params=dict(values or {})).to_arrow_table()

    def keep(self, name: str, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> None:
        """Store the answer of *query* as the table *name*. Its rows have no order, as an order takes memory."""
        self.connection.execute("SET preserve_insertion_order = false")
        try:
            self.connection.sql(sql(query, **tables), params=dict(values or {})).create(name)
        finally:
            self.connection.execute("RESET preserve_insertion_order")

    def define(self, name: str, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> None:
        """Define *query* as the view *name*."""
        text = substitute(sql(query, **tables), values or {})
        # Only a temporary view may read tables that this process registered.
        self.connection.execute(f'CREATE TEMP VIEW "{name}" AS {text}')

    def ask(self, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> list[dict[str, object]]:
        """Return the rows that *query* selects."""
        answer = self.connection.sql(sql(query, **tables), params=dict(values or {}))
        names = answer.columns
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

    def columns(self, query: str, values: Mapping[str, Value] | None = None) -> dict[str, NDArray[np.generic]]:
        """Return the answer of *query* as one array per column."""
        answer = self.table(query, values)
        return {name: answer[name].to_numpy() for name in answer.column_names}


def _close(connection: duckdb.DuckDBPyConnection, folder: str) -> None:
    connection.close()
    shutil.rmtree(folder, ignore_errors=True)


def _as_enum(name: str, kind: pa.DataType, column: pa.ChunkedArray) -> str:
    """Return SQL that reads a dictionary column as an enum, which sorts by its words; other columns stay."""
    if not pa.types.is_dictionary(kind) or not column.num_chunks:
        return f'"{name}"'
    words = sorted({word for chunk in column.chunks for word in chunk.dictionary.to_pylist()})
    literals = ", ".join(literal(word) for word in words)
    return f'CAST("{name}" AS ENUM ({literals})) AS "{name}"' if words else f'"{name}"'
