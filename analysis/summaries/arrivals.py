"""When the rows that landed were in their topic and in the table, where that was written down."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.engines.base import QueryEngine


class ArrivalDelays(NamedTuple):
    """Delays of rows since they were due, milliseconds; empty where nothing was written down.

    Attributes:
        topic: until they were in their topic.
        table: until they could be read in the table.
    """

    topic: NDArray[np.float64]
    table: NDArray[np.float64]


def arrival_delays(engine: QueryEngine) -> ArrivalDelays:
    """Return the delays of the rows that *engine* knows (`analysis/sql/queries/arrival_delays.sql`)."""
    rows = engine.table("arrival_delays")
    topic, table = (
        rows[name].drop_null().to_numpy().astype(np.float64) for name in ("topic_delay_ms", "table_delay_ms")
    )
    return ArrivalDelays(topic, table)
