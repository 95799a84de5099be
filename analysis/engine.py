"""Where the analysis' SQL runs. The files under `analysis/sql/` are plain SQL that an analyst can paste."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Protocol

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Value = str | int


class Engine(Protocol):
    """Runs the analysis' queries. Another engine holds the same tables and answers the same."""

    def add(self, name: str, rows: pa.Table) -> None:
        """Make *rows* known as the table *name*."""

    def keep(self, name: str, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> None:
        """Keep the answer of the file *query* as the table *name*; see `ask` for the other arguments."""

    def define(self, name: str, query: str, **tables: str) -> None:
        """Make the file *query* known as the table *name*, to be answered anew whenever that is read."""

    def ask(self, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> list[dict[str, object]]:
        """Return the rows that the file *query* (without `.sql`) answers.

        Args:
            query: name of the file.
            values: of the query's `$parameters`.
            tables: other names of the tables that the query reads, such as `events="observed"`.
        """

    def columns(self, query: str, values: Mapping[str, Value] | None = None) -> dict[str, NDArray[np.generic]]:
        """Return what the file *query* answers, a column an array; for many rows without nulls."""


class DuckDb:
    """The engine for Parquet and NDJSON on one machine.

    Args:
        memory_gb: how much memory the database may use before it spills to disk.
    """

    def __init__(self, memory_gb: int = 4) -> None:
        self.connection = duckdb.connect(config={"memory_limit": f"{memory_gb}GB"})

    def add(self, name: str, rows: pa.Table) -> None:
        """Make *rows* known as the table *name*."""
        self.connection.register(name, rows)

    def add_parquet(self, name: str, path: Path) -> None:
        """Make the rows of a Parquet file known as the table *name*, without reading them into memory."""
        self.connection.read_parquet(str(path)).create_view(name)

    def table(self, query: str) -> pa.Table:
        """Return what the file *query* answers, as a table."""
        return self.connection.sql(sql(query)).to_arrow_table()

    def keep(self, name: str, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> None:
        """Keep the answer of the file *query* as the table *name*."""
        answer = self.connection.sql(sql(query, **tables), params=dict(values or {}))
        answer.create(name)

    def define(self, name: str, query: str, **tables: str) -> None:
        """Make the file *query* known as the table *name*."""
        self.connection.sql(sql(query, **tables)).create_view(name)

    def ask(self, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> list[dict[str, object]]:
        """Return the rows that the file *query* answers."""
        answer = self.connection.sql(sql(query, **tables), params=dict(values or {}))
        names = answer.columns
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

    def columns(self, query: str, values: Mapping[str, Value] | None = None) -> dict[str, NDArray[np.generic]]:
        """Return what the file *query* answers, a column an array."""
        answer = self.connection.sql(sql(query), params=dict(values or {})).to_arrow_table()
        return {name: answer[name].to_numpy() for name in answer.column_names}


def sql(query: str, **tables: str) -> str:
    """Return the text of the file *query*, reading from *tables* instead of the names it was written with."""
    text = (files("analysis") / "sql" / f"{query}.sql").read_text(encoding="utf-8")
    for written, meant in tables.items():
        text = text.replace(f"FROM {written}\n", f"FROM {meant}\n")
    return text


def query_names() -> list[str]:
    """Return the names of all queries."""
    folder = Path(str(files("analysis") / "sql"))
    return sorted(path.stem for path in folder.glob("*.sql"))
