"""Benchmark of the intake: CPU seconds per 1,000 events, compared with a bare ASGI application that only reads.

The intake runs with segment files and, if Java and Maven are installed, with a Kafka broker, whose CPU time is not
counted. The client wrk sends one valid event, or a batch of 50, repeatedly. Needs Debian's `wrk`.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from bench.rendering import plan
from common.errors import DogfoodError
from contracts.kafka import is_reachable

SECONDS, CONNECTIONS, BATCH = 6, 32, 50
PORT, BROKER_PORT = 18_292, 18_392

BARE = """
async def app(scope, receive, send):
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    headers = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
"""

BARE_SERVER = [
    sys.executable, "-m", "uvicorn", "bare:app", "--port", str(PORT), "--no-access-log", "--log-level", "error",
]  # fmt: skip
INTAKE = [sys.executable, "-m", "testbed.intake", "--port", str(PORT)]
ROOT = Path(__file__).resolve().parent.parent


class BenchResult(NamedTuple):
    """Result of one round."""

    events_s: float
    cpu_s_per_1000: float


@contextmanager
def broker(data: Path) -> Iterator[str]:
    """Run a Kafka broker until the block ends; yield its bootstrap servers."""
    bootstrap = f"127.0.0.1:{BROKER_PORT}"
    command = [sys.executable, "-m", "testbed.stream.kafka", "--port", str(BROKER_PORT), "--data", str(data)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        try:
            deadline = time.monotonic() + 120
            while not is_reachable(bootstrap, within_s=1):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise DogfoodError("the broker did not start: run python -m testbed.stream.kafka to see why")
            yield bootstrap
        finally:
            process.terminate()


@contextmanager
def running(command: list[str]) -> Iterator[psutil.Process]:
    """Run a server on PORT until the block ends."""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(200):
                try:
                    httpx.post(f"http://127.0.0.1:{PORT}/", trust_env=False)
                    break
                except httpx.HTTPError:
                    time.sleep(0.05)
            yield psutil.Process(process.pid)
        finally:
            process.terminate()


def measure(server: psutil.Process, body: bytes, events: int, folder: Path) -> BenchResult:
    """Send *body*, with *events* events, from wrk; return throughput and CPU time of the server."""
    (folder / "body.json").write_bytes(body)
    script = folder / "post.lua"
    script.write_text(
        f'local f = io.open("{folder / "body.json"}", "rb")\nwrk.body = f:read("*a")\nwrk.method = "POST"\n'
        'wrk.headers["content-type"] = "text/plain;charset=UTF-8"\n'
        "done = function(s, l, r) io.write(string.format("
        '"\\nRESULT %d %d %d\\n", s.requests, s.duration, s.errors.status + s.errors.read + s.errors.timeout)) end\n'
    )
    before = server.cpu_times()
    command = [
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{SECONDS}s",
        "-s",
        str(script),
        f"http://127.0.0.1:{PORT}/v1/events",
    ]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    after = server.cpu_times()
    requests, micros, errors = map(int, output.rpartition("RESULT ")[2].split())
    if errors:
        raise DogfoodError(f"{errors} of {requests} requests were rejected: the measurement is invalid")
    cpu = after.user + after.system - before.user - before.system
    return BenchResult(requests * events / micros * 1e6, cpu / (requests * events) * 1000)


def main() -> None:
    """Measure, and print the table."""
    if shutil.which("wrk") is None:
        sys.exit("skipped: this benchmark needs wrk (Debian: apt-get install wrk)")
    sample = [json.loads(event.body) for event in plan(1_738_333_800_000).events(0, 100)][:BATCH]
    for event in sample:
        # Without an id the intake fills one in, as for a browser's event.
        del event["meta"]["id"]
    bodies = {
        "one event per request": (json.dumps(sample[0]), 1),
        f"{BATCH} events per request": (json.dumps(sample), BATCH),
    }
    table = Table(title=f"Intake of events ({len(bodies['one event per request'][0])} bytes per event)")
    for name in ("", "server", "events/s", "CPU s per 1,000 events", "× bare uvicorn"):
        table.add_column(name, justify="left" if name in ("", "server") else "right")
    with tempfile.TemporaryDirectory() as name, ExitStack() as brokers:
        folder = Path(name)
        (folder / "bare.py").write_text(BARE)
        servers = {
            "bare uvicorn": [*BARE_SERVER, "--app-dir", str(folder)],
            "intake, segment files": [*INTAKE, "--stream-dir", str(folder / "stream")],
        }
        if shutil.which("java") and shutil.which("mvn"):
            bootstrap = brokers.enter_context(broker(folder / "broker"))
            servers["intake, Kafka"] = [*INTAKE, "--kafka", bootstrap]
        for title, (body, events) in bodies.items():
            figures = {}
            for server, command in servers.items():
                with running(command) as process:
                    figures[server] = measure(process, body.encode(), events, folder)
            for server, figure in figures.items():
                ratio = figure.cpu_s_per_1000 / figures["bare uvicorn"].cpu_s_per_1000
                row = (f"{figure.events_s:,.0f}", f"{figure.cpu_s_per_1000:.4f}", f"{ratio:.1f}")
                table.add_row(title, server, *row)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
