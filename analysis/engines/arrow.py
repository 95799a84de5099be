"""Tables as every engine can take them."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def plain_table(rows: pa.Table) -> pa.Table:
    """Return *rows* with the types that other engines have as well: no dictionaries, no small or unsigned integers."""
    fields = [(field.name, _plain(field.type)) for field in rows.schema]
    schema = pa.schema(fields)
    # A column has a chunk, even where it has no rows: pyspark looks at the first.
    return rows.cast(schema) if len(rows) else pa.Table.from_batches([pa.RecordBatch.from_pylist([], schema)])


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_integer(kind):
        return pa.int64()
    return pa.string() if pa.types.is_null(kind) or pa.types.is_large_string(kind) else kind


def words(index: NDArray[np.integer], names: Sequence[str]) -> pa.DictionaryArray:
    """Return *names* by their *index*, and an empty one for -1, without a copy of each."""
    shifted = (index.astype(np.int16) + 1).astype(np.int16)
    return pa.DictionaryArray.from_arrays(pa.array(shifted), pa.array(["", *names], pa.string()))
