"""Readings for Prometheus: its text format, and a page that serves it."""

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


class ReadingsCollector(Collector):
    """Lets Prometheus' client collect what *read* returns.

    Args:
        read: returns the readings as they are now; an error of ours means that there are none.
    """

    def __init__(self, read: Callable[[], Sequence[MetricSample]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Yield the readings as Prometheus' metrics."""
        try:
            readings = self._read()
        except DogfoodError:
            # No run has been made yet: there is nothing to watch, and the next look may find one.
            return
        for reading in readings:
            yield _family(reading)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: what there is to collect is known when it is collected."""
        return ()


def exposition(read: Callable[[], Sequence[MetricSample]]) -> bytes:
    """Return what *read* returns in Prometheus' text format."""
    return generate_latest(_registry(read))


def serve(read: Callable[[], Sequence[MetricSample]], host: str, port: int) -> WSGIServer:
    """Serve what *read* returns at `http://<host>:<port>/metrics`, in a thread; return the server.

    Raises:
        DogfoodError: the port is not to be had.
    """
    try:
        server, _ = start_http_server(port, host, _registry(read))
    except (OSError, OverflowError) as error:
        raise DogfoodError(f"cannot listen on {host}:{port} ({error}): choose another with --port") from error
    return server


def _registry(read: Callable[[], Sequence[MetricSample]]) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ReadingsCollector(read))
    return registry


def _family(reading: MetricSample) -> Metric:
    labels = list(reading.points[0].labels) if reading.points else []
    kind = CounterMetricFamily if reading.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(reading.name, reading.help, labels=labels)
    for point in reading.points:
        family.add_metric([point.labels[name] for name in labels], point.value)
    return family
