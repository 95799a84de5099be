"""Readings for OpenTelemetry, sent by OTLP over HTTP from a process of our own.

Where they go is said by OpenTelemetry's own environment variables, such as `OTEL_EXPORTER_OTLP_ENDPOINT`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from common.errors import DogfoodError
from dogfood.metrics.verdict_metrics import verdict_readings
from traffic.metrics import TRAFFIC, MetricSample
from traffic.otel import METER, observe

try:
    import requests
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
except ImportError as error:  # pragma: no cover
    raise DogfoodError("metrics need the optional packages: pip install 'experiment-dogfood[otel]'") from error


def send(read: Callable[[], Sequence[MetricSample]]) -> None:
    """Send what *read* returns once. What cannot be delivered is logged, not raised."""
    with sending(read, every_s=3600):
        pass


@contextmanager
def sending(read: Callable[[], Sequence[MetricSample]], every_s: float) -> Iterator[None]:
    """Send what *read* returns, every *every_s* seconds while the context lasts, and once more at its end."""
    # Where metrics go is said by OpenTelemetry's variables; proxies and passwords of the environment are not used.
    session = requests.Session()
    session.trust_env = False
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(session=session), export_interval_millis=every_s * 1000)
    provider = MeterProvider(resource=Resource.create({"service.name": METER}), metric_readers=[reader])
    observe(provider.get_meter(METER), [*TRAFFIC, *verdict_readings(Path())], read)
    try:
        yield
    finally:
        # Shutting down collects and sends what there is, once more.
        provider.shutdown()
