"""Query engine for Trino, for a table in a warehouse."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from analysis.engines.arrow import portable_table
from analysis.engines.base import EngineError, Value
from analysis.engines.dialects import Dialect, translate
from analysis.engines.sql_files import sql

#: Rows per INSERT; the length of a statement is limited.
_INSERT_ROWS = 500

_TYPES = {
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.string(): "VARCHAR",
    pa.list_(pa.string()): "ARRAY(VARCHAR)",
    pa.map_(pa.string(), pa.string()): "MAP(VARCHAR, VARCHAR)",
}


class Cursor(Protocol):
    """The part of a DB-API cursor that the engine uses."""

    description: Sequence[Sequence[object]]

    def execute(self, operation: str) -> object:
        """Run a statement."""

    def fetchall(self) -> Sequence[Sequence[object]]:
        """Return all rows of the result."""


class Connection(Protocol):
    """The part of a DB-API connection that the engine uses."""

    def cursor(self) -> Cursor:
        """Return a new cursor."""

    def close(self) -> None:
        """Close the connection."""


class TrinoOptions(NamedTuple):
    """Address and credentials of a Trino server.

    Attributes:
        host, port: address of the coordinator.
        user: user name of the session.
        catalog: catalog of the observed table.
        scratch: catalog for a temporary schema with the run's tables; `close` removes the schema.
        password: password for HTTPS; empty for plain HTTP.
    """

    host: str
    port: int
    user: str
    catalog: str
    scratch: str
    password: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "TrinoOptions":
        """Read TRINO_HOST, TRINO_PORT (8080), TRINO_USER, TRINO_CATALOG (hive), TRINO_SCRATCH and TRINO_PASSWORD.

        Raises:
            EngineError: a required variable is missing, or the port is not a number.
        """
        for name, meaning in _REQUIRED.items():
            if not environment.get(name):
                raise EngineError(f"{name} is not set: {meaning}")
        port = environment.get("TRINO_PORT", "8080")
        if not port.isdigit():
            raise EngineError(f"TRINO_PORT is {port!r}, not a number")
        return cls(
            environment["TRINO_HOST"],
            int(port),
            environment["TRINO_USER"],
            environment.get("TRINO_CATALOG") or "hive",
            environment["TRINO_SCRATCH"],
            environment.get("TRINO_PASSWORD", ""),
        )


_REQUIRED = {
    "TRINO_HOST": "the address of Trino's coordinator",
    "TRINO_USER": "the user name of the session",
    "TRINO_SCRATCH": "a catalog in which the kit may create a schema for the run's tables, such as one of the memory "
    "connector; without one, fetch the rows and use --observed",
}


def connect(options: TrinoOptions) -> Connection:
    """Return a connection, without a request to Trino. Raises EngineError when the client is not installed."""
    try:
        import requests
        from trino.auth import BasicAuthentication
        from trino.dbapi import connect as connect_to
    except ImportError:
        raise EngineError("Trino's client is not installed: pip install '.[trino]'") from None
    # The environment's proxies and passwords (HTTP_PROXY, netrc) are ignored.
    session = requests.Session()
    session.trust_env = False
    secured = {"http_scheme": "https", "auth": BasicAuthentication(options.user, options.password)}
    connection: Connection = connect_to(  # type: ignore[no-untyped-call]
        host=options.host, port=options.port, user=options.user, source="dogfood",
        catalog=options.scratch, http_session=session, **(secured if options.password else {}),
    )  # fmt: skip
    return connection


class TrinoEngine:
    """Query engine for the tables of a Trino server.

    Added and stored tables are in a temporary schema, which `close` removes.

    Args:
        connection: connection to Trino.
        scratch: catalog in which the engine creates the schema.
        schema: name of the schema; by default a unique one.
    """

    hashes = "Trino xxhash64"

    def __init__(self, connection: Connection, scratch: str, schema: str = "") -> None:
        self._connection = connection
        self._schema = schema or f"dogfood_{uuid4().hex[:12]}"
        self._scratch = scratch
        self._tables: dict[str, str] = {}
        self._run(f"CREATE SCHEMA {_quoted(scratch)}.{_quoted(self._schema)}")
        self._run(f"USE {_quoted(scratch)}.{_quoted(self._schema)}")

    def add(self, name: str, rows: pa.Table) -> None:
        """Register *rows* as the table *name*. They are sent as text, a few hundred per statement."""
        rows = portable_table(rows)
        columns = ", ".join(f"{_quoted(field.name)} {_TYPES[field.type]}" for field in rows.schema)
        self._replace(name, "TABLE")
        self._run(f"CREATE TABLE {_quoted(name)} ({columns})")
        types = [_TYPES[field.type] for field in rows.schema]
        for batch in rows.to_batches(max_chunksize=_INSERT_ROWS):
            lists = zip(*(column.to_pylist() for column in batch.columns), strict=True)
            values = ", ".join(f"({', '.join(map(_literal, row, types))})" for row in lists)
            if values:
                self._run(f"INSERT INTO {_quoted(name)} VALUES {values}")  # noqa: S608 (quoted)

    def add_parquet(self, name: str, path: Path, without: Sequence[str] = ()) -> None:
        """Register the rows of a local Parquet file as the table *name*, *without* some columns."""
        self.add(name, pq.read_table(path).drop_columns(list(without)))

    def keep(self, name: str, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> None:
        """Store the answer of *query* as the table *name*."""
        self._replace(name, "TABLE")
        self._run(f"CREATE TABLE {_quoted(name)} AS {_text(query, values, tables)}")

    def define(self, name: str, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> None:
        """Define *query* as the view *name*."""
        self._replace(name, "VIEW")
        self._run(f"CREATE VIEW {_quoted(name)} AS {_text(query, values, tables)}")

    def ask(self, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> list[dict[str, object]]:
        """Return the rows that *query* selects."""
        names, rows = self._run(_text(query, values, tables))
        return [dict(zip(names, row, strict=True)) for row in rows]

    def table(self, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> pa.Table:
        """Return the answer of *query* as an Arrow table."""
        names, rows = self._run(_text(query, values, tables))
        columns = list(zip(*rows, strict=True)) or [()] * len(names)
        return pa.table(dict(zip(names, map(pa.array, columns), strict=True)))

    def columns(self, query: str, values: Mapping[str, Value] | None = None) -> dict[str, NDArray[np.generic]]:
        """Return the answer of *query* as one array per column."""
        answer = self.table(query, values)
        return {name: answer[name].to_numpy() for name in answer.column_names}

    def close(self) -> None:
        """Drop the schema with all its tables and views, and close the connection."""
        for name, kind in reversed(self._tables.items()):
            self._run(f"DROP {kind} IF EXISTS {_quoted(name)}")
        self._run(f"DROP SCHEMA {_quoted(self._scratch)}.{_quoted(self._schema)}")
        self._connection.close()

    def _replace(self, name: str, kind: str) -> None:
        if name in self._tables:
            self._run(f"DROP {self._tables.pop(name)} {_quoted(name)}")
        self._tables[name] = kind

    def _run(self, statement: str) -> tuple[list[str], Sequence[Sequence[object]]]:
        with _engine_errors(statement):
            cursor = self._connection.cursor()
            cursor.execute(statement)
            rows = cursor.fetchall()
            return [str(column[0]) for column in cursor.description or ()], rows


def _text(query: str, values: Mapping[str, Value] | None, tables: Mapping[str, str]) -> str:
    return translate(sql(query, **tables), Dialect.TRINO, values)


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _literal(value: object, kind: str) -> str:
    if value is None:
        return f"CAST(NULL AS {kind})"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"DOUBLE '{value!r}'"
    if isinstance(value, str):
        doubled = value.replace("'", "''")
        return f"'{doubled}'"
    if isinstance(value, Mapping):
        return _map(list(value.items()))
    assert isinstance(value, Sequence)  # noqa: S101 (no other type is in _TYPES)
    if kind.startswith("MAP"):
        return _map(value)
    return f"ARRAY[{', '.join(_literal(member, 'VARCHAR') for member in value)}]"


def _map(pairs: Sequence[Sequence[object]]) -> str:
    keys, values = (", ".join(_literal(pair[side], "VARCHAR") for pair in pairs) for side in (0, 1))
    return f"MAP(CAST(ARRAY[{keys}] AS ARRAY(VARCHAR)), CAST(ARRAY[{values}] AS ARRAY(VARCHAR)))"


@contextmanager
def _engine_errors(statement: str) -> Iterator[None]:
    try:
        yield
    except EngineError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines()
        reason = lines[0] if lines else type(error).__name__
        start = " ".join(statement.split())[:60]
        raise EngineError(f"Trino cannot answer ({reason}) to: {start}…") from error
