"""Query engine for Spark SQL, for a table in Hive."""

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

from analysis.engines.arrow import portable_table
from analysis.engines.base import EngineError, Value
from analysis.engines.dialects import Dialect, translate
from analysis.engines.sql_files import sql


class SparkEngine:
    """Query engine for the tables of a Spark session.

    Added and stored tables are temporary views of the session. Their rows are in Spark's memory, or on its disks where
    memory is too small.

    Args:
        session: Spark session, with Hive support where the table is in Hive.
    """

    hashes = "Spark xxhash64"

    def __init__(self, session: SparkSession) -> None:
        self._session = session
        self._names: list[str] = []

    def add(self, name: str, rows: pa.Table) -> None:
        """Register *rows* as the table *name*."""
        with _engine_errors(name):
            self._register(name, self._session.createDataFrame(portable_table(rows)))

    def add_parquet(self, name: str, path: Path, without: Sequence[str] = ()) -> None:
        """Register the rows of a local Parquet file as the table *name*, *without* some columns."""
        if str(self._session.sparkContext.master).startswith("local"):
            self._register(name, self._session.read.parquet(path.resolve().as_uri()).drop(*without))
        else:
            # The cluster cannot read this machine's files.
            self.add(name, pq.read_table(path).drop_columns(list(without)))

    def keep(self, name: str, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> None:
        """Store the answer of *query* as the table *name*."""
        with _engine_errors(query):
            # A checkpoint drops the plan: Spark's optimiser fails on plans that contain the same part twice.
            self._register(name, self._answer(query, values, tables).localCheckpoint())

    def define(self, name: str, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> None:
        """Define *query* as the view *name*."""
        with _engine_errors(query):
            self._register(name, self._answer(query, values, tables))

    def ask(self, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> list[dict[str, object]]:
        """Return the rows that *query* selects."""
        with _engine_errors(query):
            return [row.asDict(recursive=True) for row in self._answer(query, values, tables).collect()]

    def table(self, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> pa.Table:
        """Return the answer of *query* as an Arrow table."""
        with _engine_errors(query):
            return self._answer(query, values, tables).toArrow()

    def columns(self, query: str, values: Mapping[str, Value] | None = None) -> dict[str, NDArray[np.generic]]:
        """Return the answer of *query* as one array per column."""
        answer = self.table(query, values)
        return {name: answer[name].to_numpy() for name in answer.column_names}

    def close(self) -> None:
        """Drop all added, stored and defined views; the session stays open."""
        for name in self._names:
            self._session.catalog.dropTempView(name)
        self._names.clear()

    def _register(self, name: str, rows: DataFrame) -> None:
        rows.createOrReplaceTempView(name)
        self._names.append(name)

    def _answer(self, query: str, values: Mapping[str, Value] | None, tables: Mapping[str, str]) -> DataFrame:
        return self._session.sql(translate(sql(query, **tables), Dialect.SPARK, values))


@contextmanager
def _engine_errors(query: str) -> Iterator[None]:
    try:
        yield
    except (PySparkException, Py4JError) as error:
        lines = str(error).strip().splitlines()
        raise EngineError(f"Spark cannot answer {query!r}: {lines[0] if lines else type(error).__name__}") from error
