"""Metrics by OpenTelemetry: OTLP over HTTP, from this process.

OpenTelemetry's environment variables, such as `OTEL_EXPORTER_OTLP_ENDPOINT`, name the receiver.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from common.errors import DogfoodError
from dogfood.metrics.run_metrics import verdict_samples
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
    """Send what *read* returns once. A failed delivery is logged, not raised."""
    with sending(read, every_s=3600):
        pass


@contextmanager
def sending(read: Callable[[], Sequence[MetricSample]], every_s: float) -> Iterator[None]:
    """Send what *read* returns, every *every_s* seconds while the context lasts, and once more at its end."""
    # OpenTelemetry's variables name the receiver; proxies and passwords of the environment are not used.
    session = requests.Session()
    session.trust_env = False
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(session=session), export_interval_millis=every_s * 1000)
    provider = MeterProvider(resource=Resource.create({"service.name": METER}), metric_readers=[reader])
    observe(provider.get_meter(METER), [*TRAFFIC, *verdict_samples(Path())], read)
    try:
        yield
    finally:
        # Shutting down collects and sends once more.
        provider.shutdown()
