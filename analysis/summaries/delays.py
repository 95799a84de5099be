"""Delays: latency and service time of requests, freshness of landed events."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.run_model.load import Evidence


@dataclass(frozen=True, slots=True)
class Delay:
    """Percentiles of one delay, in milliseconds.

    Attributes:
        name: `latency` (intended time to response), `service` (sent to response), `freshness` (due to received, by the
            intake's clock), `topic` and `table` (due to arrival there).
        count: number of measurements.
        p50_ms, p95_ms, p99_ms, max_ms: percentiles and maximum, milliseconds.
    """

    name: str
    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


def delays(evidence: Evidence) -> tuple[Delay, ...]:
    """Return the delays that were measured."""
    ledger = evidence.ledger
    answered = ledger.answered_ms >= 0
    received = evidence.engine.columns("receive_delays")["delay_ms"].astype(np.float64)
    measured = {
        "latency": (ledger.answered_ms - ledger.intended_ms)[answered],
        "service": (ledger.answered_ms - ledger.sent_ms)[answered],
        "freshness": received,
        "topic": evidence.arrival_delays.topic,
        "table": evidence.arrival_delays.table,
    }
    return tuple(_delay(name, values) for name, values in measured.items() if len(values))


def _delay(name: str, values: NDArray[np.generic]) -> Delay:
    p50, p95, p99, most = np.percentile(values.astype(np.float64), [50, 95, 99, 100])
    return Delay(name, len(values), float(p50), float(p95), float(p99), float(most))
