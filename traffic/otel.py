"""Export of metrics by OpenTelemetry, beside Locust's own.

Locust's option `--otel` sets OpenTelemetry up from its environment variables, and measures requests. This module adds
events by outcome, and delays from the intended time. OpenTelemetry is imported only when it is used: it is the optional
dependency group `otel`.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import DogfoodError
from traffic.locust_run.ledger_progress import Progress
from traffic.metrics import TRAFFIC, Kind, MetricSample, traffic_metrics

if TYPE_CHECKING:
    from locust.env import Environment
    from opentelemetry.metrics import CallbackOptions, Meter, Observation

METER = "dogfood"


def export_metrics(environment: "Environment", folder: Callable[[], Path | None]) -> None:
    """Export the metrics of the current run, if Locust was started with `--otel`.

    Args:
        environment: Locust's environment on the master, or in the only process: it has access to all ledgers.
        folder: returns the current run's folder; None without a run.
    """
    if not vars(environment.parsed_options).get("otel"):
        return
    try:
        from opentelemetry import metrics
    except ImportError:
        # Locust has reported this, and continues without OpenTelemetry.
        return

    progress_by_run: dict[Path, Progress] = {}

    def read() -> Sequence[MetricSample]:
        run = folder()
        if run is None:
            return ()
        if run not in progress_by_run:
            progress_by_run.clear()
            progress_by_run[run] = Progress(run)
        return traffic_metrics(run.name, progress_by_run[run].look())

    observe(metrics.get_meter(METER), TRAFFIC, read)


def observe(meter: "Meter", samples: Iterable[MetricSample], read: Callable[[], Sequence[MetricSample]]) -> None:
    """Create an instrument of *meter* for each metric in *samples*.

    Args:
        meter: OpenTelemetry's meter.
        samples: the metrics to export; their values are ignored.
        read: returns the current samples. Each instrument calls it at each collection.
    """
    for sample in samples:
        create = meter.create_observable_counter if sample.kind is Kind.COUNTER else meter.create_observable_gauge
        create(sample.name, callbacks=[_callback(sample.name, read)], unit=_unit(sample.unit), description=sample.help)


def _callback(
    name: str, read: Callable[[], Sequence[MetricSample]]
) -> "Callable[[CallbackOptions], Iterable[Observation]]":
    from opentelemetry.metrics import Observation

    def collect(_: "CallbackOptions") -> "Iterable[Observation]":
        try:
            samples = read()
        except DogfoodError:
            # No run can be read now.
            return []
        sample = next((item for item in samples if item.name == name), None)
        return [Observation(point.value, dict(point.labels)) for point in sample.points] if sample else []

    return collect


def _unit(unit: str) -> str:
    """Return *unit* in UCUM, as OpenTelemetry requires: counted things are in braces."""
    return "s" if unit == "seconds" else "{" + unit.removesuffix("s") + "}"
