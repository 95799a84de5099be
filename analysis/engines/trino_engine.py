"""The analysis' queries on Trino, for a table in a warehouse."""

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

from analysis.engines.arrow import plain_table
from analysis.engines.dialects import Dialect, translate
from analysis.engines.duckdb_engine import EngineError, Value, sql

#: So many rows are sent in one INSERT; what a statement may be long is limited.
_ROWS = 500

_TYPES = {
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.string(): "VARCHAR",
    pa.list_(pa.string()): "ARRAY(VARCHAR)",
    pa.map_(pa.string(), pa.string()): "MAP(VARCHAR, VARCHAR)",
}


class Cursor(Protocol):
    """What is used of a cursor of Python's database interface."""

    description: Sequence[Sequence[object]]

    def execute(self, operation: str) -> object:
        """Run a statement."""

    def fetchall(self) -> Sequence[Sequence[object]]:
        """Return the rows of the answer."""


class Connection(Protocol):
    """What is used of a connection."""

    def cursor(self) -> Cursor:
        """Return a new cursor."""

    def close(self) -> None:
        """End the connection."""


class TrinoOptions(NamedTuple):
    """How Trino is reached.

    Attributes:
        host, port: of the coordinator.
        user: who asks.
        catalog: in which the table is.
        scratch: catalog in which a schema may be made for the run's own tables; it is removed in the end.
        password: for HTTPS with a password; empty for none.
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
            EngineError: one is missing, or the port is no number.
        """
        for name, what in _NEEDED.items():
            if not environment.get(name):
                raise EngineError(f"{name} is not set: {what}")
        port = environment.get("TRINO_PORT", "8080")
        if not port.isdigit():
            raise EngineError(f"TRINO_PORT is {port!r}, which is no number")
        return cls(
            environment["TRINO_HOST"],
            int(port),
            environment["TRINO_USER"],
            environment.get("TRINO_CATALOG") or "hive",
            environment["TRINO_SCRATCH"],
            environment.get("TRINO_PASSWORD", ""),
        )


_NEEDED = {
    "TRINO_HOST": "the address of Trino's coordinator",
    "TRINO_USER": "who asks",
    "TRINO_SCRATCH": "a catalog in which a schema may be made for the run's own tables, such as one of the memory "
    "connector; where there is none, fetch the rows and use --observed",
}


def connect(options: TrinoOptions) -> Connection:
    """Return a connection; Trino is not asked yet. Raises EngineError when the client is not installed."""
    try:
        import requests
        from trino.auth import BasicAuthentication
        from trino.dbapi import connect as connect_to
    except ImportError:
        raise EngineError("Trino's client is not installed: pip install '.[trino]'") from None
    # Proxies and passwords of the environment (HTTP_PROXY, netrc) are not used.
    session = requests.Session()
    session.trust_env = False
    secured = {"http_scheme": "https", "auth": BasicAuthentication(options.user, options.password)}
    found: Connection = connect_to(  # type: ignore[no-untyped-call]
        host=options.host, port=options.port, user=options.user, source="dogfood",
        catalog=options.scratch, http_session=session, **(secured if options.password else {}),
    )  # fmt: skip
    return found


class TrinoEngine:
    """The engine for tables that Trino knows.

    What is added and kept are tables in a schema of its own; `close` removes it.

    Args:
        connection: to Trino.
        scratch: catalog in which the schema is made.
        schema: its name; by default one that nobody else has.
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
        """Make *rows* known as the table *name*. They are sent as text, a few hundred at a time."""
        rows = plain_table(rows)
        columns = ", ".join(f"{_quoted(field.name)} {_TYPES[field.type]}" for field in rows.schema)
        self._replace(name, "TABLE")
        self._run(f"CREATE TABLE {_quoted(name)} ({columns})")
        types = [_TYPES[field.type] for field in rows.schema]
        for batch in rows.to_batches(max_chunksize=_ROWS):
            lists = zip(*(column.to_pylist() for column in batch.columns), strict=True)
            values = ", ".join(f"({', '.join(map(_literal, row, types))})" for row in lists)
            if values:
                self._run(f"INSERT INTO {_quoted(name)} VALUES {values}")  # noqa: S608 (quoted)

    def add_parquet(self, name: str, path: Path, without: Sequence[str] = ()) -> None:
        """Make the rows of a Parquet file on this machine known as the table *name*, *without* some columns."""
        self.add(name, pq.read_table(path).drop_columns(list(without)))

    def keep(self, name: str, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> None:
        """Keep the answer of the file *query* as the table *name*."""
        self._replace(name, "TABLE")
        self._run(f"CREATE TABLE {_quoted(name)} AS {_text(query, values, tables)}")

    def define(self, name: str, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> None:
        """Make the file *query* known as the table *name*."""
        self._replace(name, "VIEW")
        self._run(f"CREATE VIEW {_quoted(name)} AS {_text(query, values, tables)}")

    def ask(self, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> list[dict[str, object]]:
        """Return the rows that the file *query* answers."""
        names, rows = self._run(_text(query, values, tables))
        return [dict(zip(names, row, strict=True)) for row in rows]

    def table(self, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> pa.Table:
        """Return what the file *query* answers, as a table."""
        names, rows = self._run(_text(query, values, tables))
        columns = list(zip(*rows, strict=True)) or [()] * len(names)
        return pa.table(dict(zip(names, map(pa.array, columns), strict=True)))

    def columns(self, query: str, values: Mapping[str, Value] | None = None) -> dict[str, NDArray[np.generic]]:
        """Return what the file *query* answers, a column an array."""
        answer = self.table(query, values)
        return {name: answer[name].to_numpy() for name in answer.column_names}

    def close(self) -> None:
        """Remove what was added and kept, and end the connection."""
        for name, kind in reversed(self._tables.items()):
            self._run(f"DROP {kind} IF EXISTS {_quoted(name)}")
        self._run(f"DROP SCHEMA {_quoted(self._scratch)}.{_quoted(self._schema)}")
        self._connection.close()

    def _replace(self, name: str, kind: str) -> None:
        if name in self._tables:
            self._run(f"DROP {self._tables.pop(name)} {_quoted(name)}")
        self._tables[name] = kind

    def _run(self, statement: str) -> tuple[list[str], Sequence[Sequence[object]]]:
        with _asking(statement):
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
def _asking(statement: str) -> Iterator[None]:
    try:
        yield
    except EngineError:
        raise
    except Exception as error:
        said = str(error).strip().splitlines()
        start = " ".join(statement.split())[:60]
        raise EngineError(f"Trino cannot answer ({said[0] if said else type(error).__name__}) to: {start}…") from error
