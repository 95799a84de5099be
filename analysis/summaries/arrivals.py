"""Delays of landed rows until they were in their topic and in the table, when those times are recorded."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.engines.base import QueryEngine


class ArrivalDelays(NamedTuple):
    """Delays of rows since they were due, milliseconds; empty without recorded times.

    Attributes:
        topic: delays until the rows were in their topic.
        table: delays until the rows could be read in the table.
    """

    topic: NDArray[np.float64]
    table: NDArray[np.float64]


def arrival_delays(engine: QueryEngine) -> ArrivalDelays:
    """Return the delays of the rows in *engine* (`analysis/sql/freshness.sql`)."""
    rows = engine.table("arrival_delays")
    topic, table = (
        rows[name].drop_null().to_numpy().astype(np.float64) for name in ("topic_delay_ms", "table_delay_ms")
    )
    return ArrivalDelays(topic, table)
