"""What people can watch of a run: the same numbers as its ledger and its verdict, by Prometheus and OpenTelemetry."""

import gzip
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from analysis.analyse import analyse, write
from common.ports import free_port
from contracts.intake import EventAnswer, EventOutcome
from dogfood.metrics.otel import send
from dogfood.metrics.prometheus import exposition
from dogfood.metrics.run_metrics import RunMetrics
from run_record.ledger.files import LedgerWriter, Span
from run_record.run_folder import RunFolderError
from tests.analysis.runs import Sent, make_run
from tests.dogfood.conftest import Call
from traffic.locust_run.ledger_progress import Progress

ROOT = Path(__file__).resolve().parents[3]
DASHBOARD = json.loads((ROOT / "docs" / "grafana" / "dogfood.json").read_bytes())

Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parsed(text: bytes) -> Values:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with one, `lossy`, of which the last 20 events did not land."""
    folder = tmp_path_factory.mktemp("runs")
    run = make_run(folder / "lossy", visitors=400, change=lambda sent: Sent(sent.visit, sent.position, lag_ms=40))
    run.land(run.events[:-20])
    write(folder / "lossy", analyse(folder / "lossy"), "")
    return folder


def test_prometheus_gets_the_verdict_and_the_ledger(runs: Path) -> None:
    watched = RunMetrics(runs, "lossy")
    values = parsed(exposition(watched.samples))
    verdict = json.loads((runs / "lossy" / "verdict.json").read_bytes())
    run = ("run", "lossy")
    assert values["dogfood_events_offered_total", (run,)] == verdict["reconciliation"]["offered"]
    for fate, count in verdict["reconciliation"].items():
        assert values["dogfood_events_reconciled", (("fate", fate), run)] == count
    assert values["dogfood_events_reconciled", (("fate", "lost"), run)] == 20
    assert values["dogfood_verdict", (run, ("verdict", "NO-GO"))] == 1
    assert values["dogfood_verdict", (run, ("verdict", "GO"))] == 0
    assert values["dogfood_events_answered_total", (("outcome", "ok"), run)] == verdict["reconciliation"]["offered"]
    assert values["dogfood_lag_seconds", (("quantile", "0.5"), run)] == pytest.approx(0.040, rel=0.002)
    assert values["dogfood_latency_seconds", (("quantile", "1"), run)] == pytest.approx(0.042, rel=0.002)
    failed = {labels for name, labels in values if name == "dogfood_failed_checks"}
    assert any(("check", "lost") in labels for labels in failed)


def test_every_dashboard_query_uses_served_metrics(runs: Path) -> None:
    values = parsed(exposition(RunMetrics(runs, "lossy").samples))
    served: dict[str, set[str]] = {}
    for name, labels in values:
        served.setdefault(name, set()).update(label for label, _ in labels)
    queries = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    queries += [item["query"]["query"] for item in DASHBOARD["templating"]["list"] if item["type"] == "query"]
    assert len(queries) > 10
    names: set[str] = set()
    for query in queries:
        result = re.findall(r"dogfood_\w+", query)
        assert result, query
        names.update(result)
        for name in result:
            assert name in served, query
            used = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", query)
            used += [label for labels in re.findall(r"\bby \(([^)]*)\)", query) for label in labels.split(", ")]
            assert set(used) <= served[name], query
    legends = {name for panel in DASHBOARD["panels"] for target in panel["targets"]
               for name in re.findall(r"{{(\w+)}}", target["legendFormat"])}  # fmt: skip
    assert legends <= set().union(*served.values())
    assert {name for name in served if name.startswith("dogfood_")} - names == {"dogfood_requests_total"}


def test_a_run_is_counted_while_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "ledger").mkdir()
    progress = Progress(tmp_path)
    assert progress.look().offered == 0
    with LedgerWriter(tmp_path / "ledger", "worker-0-1") as ledger:
        first = ledger.intend([Span(0, 0, 2), Span(1, 0, 1)], intended_ms=1000, sent_ms=1005)
        ledger.intend([Span(1, 1, 1)], intended_ms=1000, sent_ms=990)
        seen = progress.look()
        assert (seen.offered, seen.requests, sum(seen.answered.values())) == (4, 2, 0)
        assert (seen.lag.measured, seen.lag.total_ms) == (2, 5)
        items = [EventAnswer(EventOutcome.OK), EventAnswer(EventOutcome.INVALID, "no"), EventAnswer(EventOutcome.OK)]
        ledger.answered(first, items, status=207, at_ms=1100)
    file = tmp_path / "ledger" / "worker-0-1.ndjson"
    with file.open("ab") as half:
        half.write(b'{"intent":2,"events":[[2,0,1]],"intend')
    seen = progress.look()
    assert (seen.answered[EventOutcome.OK], seen.answered[EventOutcome.INVALID]) == (2, 1)
    assert seen.latency.total_ms == 100
    assert seen.offered == 4
    with file.open("ab") as rest:
        rest.write(b'ed_ms":1000,"sent_ms":1000}\nnonsense\n')
    assert progress.look().offered == 5


def test_latest_is_whichever_run_is_the_latest(runs: Path, tmp_path: Path) -> None:
    watched = RunMetrics(tmp_path, "latest")
    with pytest.raises(RunFolderError):
        watched.samples()
    assert parsed(exposition(watched.samples)) == {}
    (tmp_path / "latest").symlink_to(runs / "lossy")
    assert watched.samples()[0].points[0].labels == {"run": "lossy"}


class Collected:
    """A collector of OpenTelemetry's: what reached it, by name of the metric."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.metrics: dict[str, list[tuple[dict[str, str], float]]] = {}
        self.units: dict[str, str] = {}

    def take(self, body: bytes) -> None:
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                points = metric.sum.data_points or metric.gauge.data_points
                self.units[metric.name] = metric.unit
                self.metrics[metric.name] = [
                    ({item.key: item.value.string_value for item in point.attributes}, point.as_double or point.as_int)
                    for point in points
                ]


@pytest.fixture
def collector() -> Iterator[Collected]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collected.take(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        collected = Collected(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield collected
        server.shutdown()
        thread.join()


def test_a_collector_of_opentelemetry_is_told_the_same(
    runs: Path, collector: Collected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    watched = RunMetrics(runs, "lossy")
    send(watched.samples)
    values = parsed(exposition(watched.samples))
    for name, points in collector.metrics.items():
        for labels, value in points:
            key = tuple(sorted(labels.items()))
            assert values.get((name, key), values.get((f"{name}_total", key))) == value
    sent = sum(map(len, collector.metrics.values()))
    assert sent == len(values) > 20
    assert collector.units["dogfood_lag_seconds"] == "s"
    assert collector.units["dogfood_events_offered"] == "{event}"


def test_the_command_serves_and_prints_the_same(runs: Path) -> None:
    port = free_port()
    code = "from dogfood.cli import main; main()"
    command = [sys.executable, "-c", code, "metrics", "lossy", "--runs", str(runs)]
    printed = subprocess.run([*command, "--once"], capture_output=True, check=True).stdout
    with subprocess.Popen([*command, "--port", str(port), "--for", "60"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert str(port).encode() in process.stdout.readline()
        served = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).content
        process.terminate()
    assert parsed(served) == parsed(printed) != {}


def test_missing_run_is_one_line(dogfood: Call) -> None:
    done = dogfood("metrics", "nope", "--once")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
