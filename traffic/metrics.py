"""Metrics of a run's load as samples, independent of how they are exported."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from traffic.locust_run.ledger_progress import NOTHING, Counts, Delays


class Kind(Enum):
    """A COUNTER only rises during a run; a GAUGE may rise and fall."""

    COUNTER = "counter"
    GAUGE = "gauge"


class Point(NamedTuple):
    """One value of a metric, and its labels."""

    labels: Mapping[str, str]
    value: float


class MetricSample(NamedTuple):
    """A metric and its current values.

    Attributes:
        name: name by Prometheus' conventions, without the `_total` of counters.
        kind: counter or gauge.
        unit: `seconds`, or the plural of what is counted.
        help: description in one sentence.
        points: current values.
    """

    name: str
    kind: Kind
    unit: str
    help: str
    points: Sequence[Point]


def traffic_metrics(run: str, counts: Counts) -> list[MetricSample]:
    """Return the metrics of the load of *run*.

    Args:
        run: name of the run.
        counts: counts of its ledger.
    """
    of_run = {"run": run}
    answers = [Point({**of_run, "outcome": str(outcome)}, count) for outcome, count in counts.answered.items()]
    return [
        MetricSample("dogfood_events_offered", Kind.COUNTER, "events", "Events sent.",
                [Point(of_run, counts.offered)]),
        MetricSample("dogfood_events_answered", Kind.COUNTER, "events",
                "Events answered, by outcome; ok means accepted by the intake, not landed in the table.", answers),
        MetricSample("dogfood_requests", Kind.COUNTER, "requests", "Requests sent.",
                [Point(of_run, counts.requests)]),
        MetricSample("dogfood_lag_seconds", Kind.GAUGE, "seconds",
                "Delay from a request's intended time to its sending, by quantile of the run so far.",
                _quantiles(of_run, counts.lag)),
        MetricSample("dogfood_latency_seconds", Kind.GAUGE, "seconds",
                "Delay from a request's intended time to its answer, by quantile of the run so far.",
                _quantiles(of_run, counts.latency)),
    ]  # fmt: skip


def _quantiles(labels: Mapping[str, str], delays: Delays) -> list[Point]:
    if not delays.measured:
        return []
    values = {"0.5": delays.p50_ms, "0.99": delays.p99_ms, "1": delays.max_ms}
    return [Point({**labels, "quantile": name}, value / 1000) for name, value in values.items()]


#: The metrics of any load, without values.
TRAFFIC = tuple(sample._replace(points=()) for sample in traffic_metrics("", NOTHING))
