"""The analysis' queries on Spark SQL, for a table in Hive."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from analysis.engines.arrow import plain_table
from analysis.engines.dialects import Dialect, translate
from analysis.engines.duckdb_engine import EngineError, Value, sql


class SparkEngine:
    """The engine for tables that Spark knows.

    Tables that are added or kept are temporary views of the session; what they hold is in Spark's memory, or on its
    disks where that is too small.

    Args:
        session: with Hive support, where the table is in Hive.
    """

    hashes = "Spark xxhash64"

    def __init__(self, session: SparkSession) -> None:
        self._session = session
        self._names: list[str] = []

    def add(self, name: str, rows: pa.Table) -> None:
        """Make *rows* known as the table *name*."""
        with _asking(name):
            self._know(name, self._session.createDataFrame(plain_table(rows)))

    def add_parquet(self, name: str, path: Path, without: Sequence[str] = ()) -> None:
        """Make the rows of a Parquet file on this machine known as the table *name*, *without* some columns."""
        if str(self._session.sparkContext.master).startswith("local"):
            self._know(name, self._session.read.parquet(path.resolve().as_uri()).drop(*without))
        else:
            # The cluster does not see this machine's files.
            self.add(name, pq.read_table(path).drop_columns(list(without)))

    def keep(self, name: str, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> None:
        """Keep the answer of the file *query* as the table *name*."""
        with _asking(query):
            # Cut off from what it was made of: Spark's optimiser fails on plans that hold the same part twice.
            self._know(name, self._answer(query, values, tables).localCheckpoint())

    def define(self, name: str, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> None:
        """Make the file *query* known as the table *name*."""
        with _asking(query):
            self._know(name, self._answer(query, values, tables))

    def ask(self, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> list[dict[str, object]]:
        """Return the rows that the file *query* answers."""
        with _asking(query):
            return [row.asDict(recursive=True) for row in self._answer(query, values, tables).collect()]

    def table(self, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> pa.Table:
        """Return what the file *query* answers, as a table."""
        with _asking(query):
            return self._answer(query, values, tables).toArrow()

    def columns(self, query: str, values: Mapping[str, Value] | None = None) -> dict[str, NDArray[np.generic]]:
        """Return what the file *query* answers, a column an array."""
        answer = self.table(query, values)
        return {name: answer[name].to_numpy() for name in answer.column_names}

    def close(self) -> None:
        """Forget what was added, kept and defined; the session stays."""
        for name in self._names:
            self._session.catalog.dropTempView(name)
        self._names.clear()

    def _know(self, name: str, rows: DataFrame) -> None:
        rows.createOrReplaceTempView(name)
        self._names.append(name)

    def _answer(self, query: str, values: Mapping[str, Value] | None, tables: Mapping[str, str]) -> DataFrame:
        return self._session.sql(translate(sql(query, **tables), Dialect.SPARK, values))


@contextmanager
def _asking(query: str) -> Iterator[None]:
    try:
        yield
    except (PySparkException, Py4JError) as error:
        said = str(error).strip().splitlines()
        raise EngineError(f"Spark cannot answer {query!r}: {said[0] if said else type(error).__name__}") from error
