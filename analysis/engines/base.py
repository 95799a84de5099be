"""Interface of the query engines."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from common.errors import DogfoodError

Value = str | int


class EngineError(DogfoodError):
    """A query engine is unreachable or fails to answer."""


class QueryEngine(Protocol):
    """Interface of an engine that runs the analysis' queries; every engine returns the same answers.

    Attributes:
        hashes: name of the function that hashes texts and rows. Hashes of engines with different functions are not
            comparable.
    """

    hashes: str

    def add(self, name: str, rows: pa.Table) -> None:
        """Register *rows* as the table *name*."""

    def add_parquet(self, name: str, path: Path, without: Sequence[str] = ()) -> None:
        """Register the rows of a local Parquet file as the table *name*, *without* some columns."""

    def keep(self, name: str, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> None:
        """Store the answer of *query* as the table *name*; see `ask` for the other arguments."""

    def define(self, name: str, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> None:
        """Define *query* as the view *name*, which is computed each time it is read."""

    def ask(self, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> list[dict[str, object]]:
        """Return the rows that *query* selects.

        Args:
            query: name of the file in `analysis/sql/`, without `.sql`.
            values: values of the query's `$parameters`.
            tables: tables to read instead of those that the query names, such as `events="observed"`.
        """

    def table(self, query: str, values: Mapping[str, Value] | None = None, **tables: str) -> pa.Table:
        """Return the answer of *query* as an Arrow table, for many rows; see `ask` for the arguments."""

    def columns(self, query: str, values: Mapping[str, Value] | None = None) -> dict[str, NDArray[np.generic]]:
        """Return the answer of *query* as one array per column, for many rows without nulls."""
