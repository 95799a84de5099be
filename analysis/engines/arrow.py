"""Arrow tables in the types that every query engine accepts."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def portable_table(rows: pa.Table) -> pa.Table:
    """Return *rows* without dictionaries and small or unsigned integers, which other engines do not have."""
    fields = [(field.name, _portable(field.type)) for field in rows.schema]
    schema = pa.schema(fields)
    # Each column needs a chunk, also without rows: pyspark reads the first one.
    return rows.cast(schema) if len(rows) else pa.Table.from_batches([pa.RecordBatch.from_pylist([], schema)])


def _portable(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _portable(kind.value_type)
    if pa.types.is_integer(kind):
        return pa.int64()
    return pa.string() if pa.types.is_null(kind) or pa.types.is_large_string(kind) else kind


def dictionary_column(index: NDArray[np.integer], names: Sequence[str]) -> pa.DictionaryArray:
    """Return *names* by *index*, and an empty text for -1, as a dictionary column."""
    shifted = (index.astype(np.int16) + 1).astype(np.int16)
    return pa.DictionaryArray.from_arrays(pa.array(shifted), pa.array(["", *names], pa.string()))
