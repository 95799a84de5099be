"""Benchmark of sending unique events with a ledger: the kit's sender, compared with wrk, Locust's FastHttpUser and k6.

All clients run in turn at full speed: the client on one core, the server on the other, 32 connections. wrk sends one
fixed body repeatedly without a ledger, which is the cost of sending alone. A bare loop does the same in Python
(`bench.bare_loop`); the difference is the cost of the kit's sender. FastHttpUser renders the same events from the same
plan and writes the same ledger. Needs Debian's `wrk`; `k6`, if installed, sends wrk's fixed body. The second table is a
stall test: 100 events/s for 20 s, with the server frozen for 3 s after 8 s.
"""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import orjson
from rich.console import Console
from rich.table import Table

from common.egress import Egress
from common.ports import free_port
from contracts.generation import Generation
from personas.example_experiment import example_experiment, example_instrument
from personas.plan.plan import Plan
from personas.plan.settings import MOST_VISITORS, PlanSettings
from run_record.load_report.counters import LoadCounts
from run_record.load_report.report import LoadReport
from run_record.run_folder import find_run
from traffic.sender.process import ENVIRONMENT
from traffic.sender.queue import LEAD_US
from traffic.transport import BEACON_HEADERS

ROOT = Path(__file__).resolve().parent.parent
ROUNDS, SECONDS, CONNECTIONS = 3, 3.0, 32
CLIENT, SERVER = "0", "1"

#: Initial rates by batch size, above the sender's capacity. A sender that cannot keep up renders events that it never
#: sends, which would distort the measurement, so `kit` lowers the rate until the sender keeps up.
RATES = {1: 40_000, 50: 150_000}

#: Seconds by which the sender renders events in advance.
_LEAD_S = LEAD_US / 1e6


class BenchResult(NamedTuple):
    """Result of one client in one round."""

    events: int
    cpu_s: float
    wall_s: float


@contextlib.contextmanager
def stub(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server that accepts everything, on a separate core."""
    command = ["taskset", "-c", SERVER, sys.executable, "-m", "bench.accept_all_server", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            time.sleep(1)
            yield process
        finally:
            process.terminate()


def settings(rate: float, seconds: float) -> PlanSettings:
    """Return the settings of a plan of single events at *rate* per second."""
    unlimited = PlanSettings(
        generation=Generation.ALPHA, experiment=example_experiment(Generation.ALPHA), instrument=example_instrument(),
        seed=1, visitors=MOST_VISITORS, epoch_ms=int(time.time() * 1000), events_per_second=rate,
        events=int(rate * seconds),
    )  # fmt: skip
    # Limit the plan to the blocks of visits that may be needed.
    return Plan(replace(unlimited, visitors=int(rate * seconds))).settings


def cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def kit(port: int, batch: int, rate: float, seconds: float) -> BenchResult:
    """Return the result at the highest rate that the sender keeps: *rate*, reduced by a third until it keeps up."""
    while True:
        result = _kit_at(port, batch, rate, seconds)
        if result.events > 0.9 * rate * result.wall_s:
            return result
        rate *= 2 / 3


def _kit_at(port: int, batch: int, rate: float, seconds: float) -> BenchResult:
    """Return the sender's result at *rate*, from the middle of its run, in which it also renders later events."""
    with tempfile.TemporaryDirectory() as folder:
        plan = settings(rate, seconds + 2 * _LEAD_S)
        command = ["taskset", "-c", CLIENT, sys.executable, "-m", "traffic.sender"]
        environment = {**os.environ, **ENVIRONMENT}
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        assert process.stdin
        assert process.stdout
        started = int(time.time() * 1000) + 1500
        begin = {
            "plan": plan.to_json(), "intake": f"http://127.0.0.1:{port}/v1/events", "headers": BEACON_HEADERS,
            "batch": batch, "connections": CONNECTIONS, "started_ms": started, "ledger": folder, "worker": "w",
            "egress": Egress("bench", {"127.0.0.1": ("127.0.0.1",)}).to_json(), "ceilings": {}, "share": 1.0,
            "run": folder, "max_visits": None,
        }  # fmt: skip
        process.stdin.write(orjson.dumps({"begin": begin}) + b"\n")
        process.stdin.flush()
        first, rows = 0, []
        for line in process.stdout:
            message = orjson.loads(line)
            if "ask" in message:
                process.stdin.write(orjson.dumps({"lend": first}) + b"\n")
                process.stdin.flush()
                first += 256
            elif "report" in message:
                report = message["report"]
                rows.append(
                    (time.monotonic(), report["cpu_s"], LoadCounts.from_json(report["tally"]).total("answered"))
                )
                if time.time() * 1000 > started + (_LEAD_S + seconds) * 1000:
                    process.stdin.close()
                    break
        process.kill()
        process.wait()
        process.stdout.close()
    # The first reports include the rendering of the lead; measure only the last ones.
    reports = rows[-int(seconds) :]
    events = sum(row[2] for row in reports[1:])
    return BenchResult(events, reports[-1][1] - reports[0][1], reports[-1][0] - reports[0][0])


def fixed(port: int, body: bytes, events: int, folder: Path, seconds: float) -> BenchResult:
    """Return wrk's result for *body*, which contains *events* events."""
    (folder / "body.json").write_bytes(body)
    (folder / "post.lua").write_text(
        f'local f = io.open("{folder / "body.json"}", "rb")\nwrk.body = f:read("*a")\nwrk.method = "POST"\n'
        'wrk.headers["content-type"] = "text/plain;charset=UTF-8"\n'
        'done = function(s) io.write(string.format("\\nRESULT %d %d\\n", s.requests, s.duration)) end\n'
    )
    before = cpu_of_children()
    output = subprocess.run(
        ["taskset", "-c", CLIENT, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "-s", str(folder / "post.lua"),
         f"http://127.0.0.1:{port}/v1/events"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    requests, micros = map(int, output.rpartition("RESULT ")[2].split())
    return BenchResult(requests * events, cpu_of_children() - before, micros / 1e6)


def fast_http_user(port: int, batch: int, folder: Path, seconds: float) -> BenchResult:
    """Return the result of Locust's FastHttpUser, which renders, records and sends the same events."""
    out = folder / "peer.json"
    command = [
        "taskset",
        "-c",
        CLIENT,
        sys.executable,
        "-m",
        "bench.fast_http_user",
        f"http://127.0.0.1:{port}/v1/events",
    ]
    subprocess.run([*command, str(batch), str(seconds), str(CONNECTIONS), str(out)], cwd=ROOT, check=True)
    return BenchResult(*orjson.loads(out.read_bytes()))


def bare(port: int, body: bytes, events: int, folder: Path, seconds: float) -> BenchResult:
    """Return the result of a minimal Python loop that posts *body*."""
    (folder / "bare.json").write_bytes(body)
    out = folder / "bare-figure.json"
    command = ["taskset", "-c", CLIENT, sys.executable, "-m", "bench.bare_loop", str(port)]
    command += [str(folder / "bare.json"), str(CONNECTIONS), str(seconds), str(out)]
    subprocess.run(command, cwd=ROOT, check=True)
    requests, cpu_s, wall_s = orjson.loads(out.read_bytes())
    return BenchResult(requests * events, cpu_s, wall_s)


def k6(port: int, body: bytes, events: int, folder: Path, seconds: float) -> BenchResult:
    """Return k6's result for *body*."""
    (folder / "k6.json").write_bytes(body)
    (folder / "post.js").write_text(
        'import http from "k6/http";\n'
        f'const body = open("{folder / "k6.json"}");\n'
        f'export default () => http.post("http://127.0.0.1:{port}/v1/events", body);\n'
    )
    before = cpu_of_children()
    summary = folder / "summary.json"
    subprocess.run(
        ["taskset", "-c", CLIENT, "k6", "run", "-q", "--vus", str(CONNECTIONS), "--duration", f"{seconds:.0f}s",
         "--summary-export", str(summary), str(folder / "post.js")],
        capture_output=True, check=True,
    )  # fmt: skip
    count = orjson.loads(summary.read_bytes())["metrics"]["http_reqs"]["count"]
    return BenchResult(count * events, cpu_of_children() - before, seconds)


def sending(console: Console) -> None:
    """Print the table of all clients."""
    table = Table(title="Sending events, 32 connections, one core each for client and server")
    for name in ("", "client", "events/s", "CPU s per 1,000 events", "× wrk"):
        table.add_column(name, justify="left" if name in ("", "client") else "right")
    plan = Plan(replace(settings(100, 1), visitors=5000))
    events = [event.body for event in plan.events(0, 5000)][:50]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for batch in (1, 50):
            body = events[0] if batch == 1 else b"[" + b",".join(events[:50]) + b"]"
            results: dict[str, list[BenchResult]] = {}
            for _ in range(ROUNDS):
                for client, measure in _clients(batch, body, folder).items():
                    port = free_port()
                    with stub(port):
                        results.setdefault(client, []).append(measure(port))
            base = _cost(results["wrk, one fixed body"])
            for client, figures in results.items():
                rate = sorted(figure.events / figure.wall_s for figure in figures)[len(figures) // 2]
                cost = _cost(figures)
                title = "one event per request" if batch == 1 else f"{batch} events per request"
                table.add_row(title, client, f"{rate:,.0f}", f"{cost:.4f}", f"{cost / base:.1f}")
    console.print(table)


def _clients(batch: int, body: bytes, folder: Path) -> dict[str, Callable[[int], BenchResult]]:
    clients: dict[str, Callable[[int], BenchResult]] = {
        "wrk, one fixed body": lambda port: fixed(port, body, batch, folder, SECONDS),
        "a bare loop in Python, one fixed body": lambda port: bare(port, body, batch, folder, SECONDS),
        "the kit's sender": lambda port: kit(port, batch, RATES[batch], SECONDS + 1),
        "Locust FastHttpUser": lambda port: fast_http_user(port, batch, folder, SECONDS),
    }
    if shutil.which("k6"):
        clients["k6, one fixed body"] = lambda port: k6(port, body, batch, folder, SECONDS)
    return clients


def _cost(figures: Sequence[BenchResult]) -> float:
    """Return the median CPU seconds per 1,000 events."""
    return sorted(figure.cpu_s / figure.events * 1000 for figure in figures)[len(figures) // 2]


def stall(console: Console) -> None:
    """Print the result of the stall test."""
    table = Table(title="100 events/s for 20 s, the server frozen for 3 s after 8 s (calculated p95: 2,037 ms)")
    for name in ("client", "offered", "sent", "p50 ms", "p95 ms", "max ms"):
        table.add_column(name, justify="left" if name == "client" else "right")
    table.add_row("the kit's sender", *_stalled_kit())
    table.add_row("Locust constant_throughput", *_stalled_peer())
    console.print(table)


def _freeze(process: subprocess.Popen[bytes], zero_s: float) -> None:
    time.sleep(max(0.0, zero_s + 8 - time.time()))
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(3)
    os.kill(process.pid, signal.SIGCONT)


def _stalled_kit() -> tuple[str, ...]:
    port = free_port()
    with tempfile.TemporaryDirectory() as name, stub(port) as server:
        command = [sys.executable, "-m", "locust", "-f", "locustfiles/ctr.py", "--headless", "--event-rate", "100/s"]
        command += ["--pace", "constant", "--run-time", "20s", "--intake", f"http://127.0.0.1:{port}/v1/events"]
        devnull = subprocess.DEVNULL
        with subprocess.Popen([*command, "--runs", name], cwd=ROOT, stdout=devnull, stderr=devnull) as client:
            zero = 0.0
            while not zero:
                for path in Path(name).glob("2*/manifest.json"):
                    zero = (orjson.loads(path.read_bytes())["started_ms"] or 0) / 1000
                time.sleep(0.02)
            _freeze(server, zero)
            client.wait()
        load = LoadReport.read(find_run(Path(name), "latest"))
    latency = load.latency_ms
    return (f"{load.offered:,}", f"{load.sent:,}", f"{latency.p50:,.1f}", f"{latency.p95:,.0f}", f"{latency.max:,.0f}")


def _stalled_peer() -> tuple[str, ...]:
    port = free_port()
    with tempfile.TemporaryDirectory() as name, stub(port) as server:
        (Path(name) / "peer.py").write_text(
            "from locust import FastHttpUser, constant_throughput, task\n"
            "class Peer(FastHttpUser):\n    wait_time = constant_throughput(10)\n"
            '    @task\n    def post(self):\n        self.client.post("/v1/events", data=b"{}")\n'
        )
        command = [sys.executable, "-m", "locust", "-f", "peer.py", "--headless", "-u", "10", "-r", "10"]
        command += ["--run-time", "20s", "--host", f"http://127.0.0.1:{port}", "--json-file", "its"]
        devnull = subprocess.DEVNULL
        with subprocess.Popen(command, cwd=name, stdout=devnull, stderr=devnull) as client:
            _freeze(server, time.time() + 1)
            client.wait()
        [its] = orjson.loads((Path(name) / "its.json").read_bytes())
    times = sorted((float(value), count) for value, count in its["response_times"].items())
    flat = [value for value, count in times for _ in range(count)]
    p50, p95 = (flat[int(share * (len(flat) - 1))] for share in (0.5, 0.95))
    return ("–", f"{its['num_requests']:,}", f"{p50:,.1f}", f"{p95:,.0f}", f"{its['max_response_time']:,.0f}")


def main() -> None:
    """Measure, and print both tables."""
    if shutil.which("wrk") is None:
        sys.exit("skipped: this benchmark needs wrk (Debian: apt-get install wrk)")
    console = Console(width=110)
    sending(console)
    stall(console)


if __name__ == "__main__":
    main()
