"""OpenTelemetry: readings as instruments of a meter, so that they go wherever Locust's own measurements go.

Locust's option `--otel` sets OpenTelemetry up, from its usual environment variables, and measures the requests; what is
added here is what Locust cannot know: events and what became of them, and delays from the intended time. Nothing of
OpenTelemetry is imported unless somebody asks for it: it is the optional group `otel`.
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


def listen(environment: "Environment", folder: Callable[[], Path | None]) -> None:
    """Send the readings of the run that *environment* plays, when Locust was started with `--otel`.

    Args:
        environment: Locust's, on the master or in the only process: it sees all ledgers.
        folder: returns the folder of the run that is played, None while there is none.
    """
    if not vars(environment.parsed_options).get("otel"):
        return
    try:
        from opentelemetry import metrics
    except ImportError:
        # Locust has said so already, and goes on without.
        return

    watched: dict[Path, Progress] = {}

    def read() -> Sequence[MetricSample]:
        run = folder()
        if run is None:
            return ()
        if run not in watched:
            watched.clear()
            watched[run] = Progress(run)
        return traffic_metrics(run.name, watched[run].look())

    observe(metrics.get_meter(METER), TRAFFIC, read)


def observe(meter: "Meter", names: Iterable[MetricSample], read: Callable[[], Sequence[MetricSample]]) -> None:
    """Make an instrument of *meter* for each reading of *names*, whose values *read* returns when they are collected.

    Args:
        meter: of OpenTelemetry.
        names: the readings that there will be; their values are not looked at.
        read: returns the readings as they are now. It is asked once an instrument.
    """
    for wanted in names:
        make = meter.create_observable_counter if wanted.kind is Kind.COUNTER else meter.create_observable_gauge
        make(wanted.name, callbacks=[_callback(wanted.name, read)], unit=_unit(wanted.unit), description=wanted.help)


def _callback(
    name: str, read: Callable[[], Sequence[MetricSample]]
) -> "Callable[[CallbackOptions], Iterable[Observation]]":
    from opentelemetry.metrics import Observation

    def collect(_: "CallbackOptions") -> "Iterable[Observation]":
        try:
            readings = read()
        except DogfoodError:
            # There is no run to be read at the moment.
            return []
        found = next((reading for reading in readings if reading.name == name), None)
        return [Observation(point.value, dict(point.labels)) for point in found.points] if found else []

    return collect


def _unit(unit: str) -> str:
    """Return *unit* as OpenTelemetry writes it: UCUM, with what is counted in braces."""
    return "s" if unit == "seconds" else "{" + unit.removesuffix("s") + "}"
