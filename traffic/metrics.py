"""What people can watch of a run, as readings: names, units and values, however they are carried."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from traffic.locust_run.ledger_progress import NOTHING, Counts, Delays


class Kind(Enum):
    """A COUNTER only rises while a run goes; a GAUGE may do either."""

    COUNTER = "counter"
    GAUGE = "gauge"


class Point(NamedTuple):
    """One value of a reading, and what tells it from its others."""

    labels: Mapping[str, str]
    value: float


class MetricSample(NamedTuple):
    """One thing that can be watched.

    Attributes:
        name: in Prometheus' manner, without the `_total` of counters.
        kind: whether it only rises.
        unit: `seconds`, or what is counted.
        help: one sentence.
        points: its values now.
    """

    name: str
    kind: Kind
    unit: str
    help: str
    points: Sequence[Point]


def traffic_metrics(run: str, counts: Counts) -> list[MetricSample]:
    """Return the readings of the traffic of *run*.

    Args:
        run: name of the run.
        counts: of its ledger.
    """
    of_run = {"run": run}
    answers = [Point({**of_run, "outcome": str(outcome)}, count) for outcome, count in counts.answered.items()]
    return [
        MetricSample("dogfood_events_offered", Kind.COUNTER, "events", "Events that were put on the wire.",
                [Point(of_run, counts.offered)]),
        MetricSample("dogfood_events_answered", Kind.COUNTER, "events",
                "Events by what the intake said of them; ok is accepted, and no promise that a row lands.", answers),
        MetricSample("dogfood_requests", Kind.COUNTER, "requests", "Requests that were put on the wire.",
                [Point(of_run, counts.requests)]),
        MetricSample("dogfood_lag_seconds", Kind.GAUGE, "seconds",
                "From the intended time of a request until it was handed to the wire, by quantile of the run so far.",
                _quantiles(of_run, counts.lag)),
        MetricSample("dogfood_latency_seconds", Kind.GAUGE, "seconds",
                "From the intended time of a request until its answer, by quantile of the run so far.",
                _quantiles(of_run, counts.latency)),
    ]  # fmt: skip


def _quantiles(labels: Mapping[str, str], delays: Delays) -> list[Point]:
    if not delays.measured:
        return []
    values = {"0.5": delays.p50_ms, "0.99": delays.p99_ms, "1": delays.max_ms}
    return [Point({**labels, "quantile": name}, value / 1000) for name, value in values.items()]


#: What there is to watch of any traffic, without values.
TRAFFIC = tuple(reading._replace(points=()) for reading in traffic_metrics("", NOTHING))
