"""Metrics for Prometheus: its text format, and a page that serves it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from wsgiref.simple_server import WSGIServer

from common.errors import DogfoodError
from traffic.metrics import Kind, MetricSample

try:
    from prometheus_client import CollectorRegistry, generate_latest, start_http_server
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.registry import Collector
except ImportError as error:  # pragma: no cover
    raise DogfoodError("metrics need the optional packages: pip install 'experiment-dogfood[otel]'") from error


class SampleCollector(Collector):
    """Adapter that lets Prometheus' client collect what *read* returns.

    Args:
        read: returns the current samples; a DogfoodError counts as no samples.
    """

    def __init__(self, read: Callable[[], Sequence[MetricSample]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Yield the samples as Prometheus' metrics."""
        try:
            samples = self._read()
        except DogfoodError:
            # There is no run yet; the next scrape may find one.
            return
        for sample in samples:
            yield _family(sample)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the metrics are known only when they are collected."""
        return ()


def exposition(read: Callable[[], Sequence[MetricSample]]) -> bytes:
    """Return what *read* returns in Prometheus' text format."""
    return generate_latest(_registry(read))


def serve(read: Callable[[], Sequence[MetricSample]], host: str, port: int) -> WSGIServer:
    """Serve what *read* returns at `http://<host>:<port>/metrics`, in a thread; return the server.

    Raises:
        DogfoodError: the port is already in use, or invalid.
    """
    try:
        server, _ = start_http_server(port, host, _registry(read))
    except (OSError, OverflowError) as error:
        raise DogfoodError(f"cannot listen on {host}:{port} ({error}); choose another with --port") from error
    return server


def _registry(read: Callable[[], Sequence[MetricSample]]) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SampleCollector(read))
    return registry


def _family(sample: MetricSample) -> Metric:
    labels = list(sample.points[0].labels) if sample.points else []
    kind = CounterMetricFamily if sample.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(sample.name, sample.help, labels=labels)
    for point in sample.points:
        family.add_metric([point.labels[name] for name in labels], point.value)
    return family
