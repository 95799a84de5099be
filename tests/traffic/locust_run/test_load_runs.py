"""Locust and its sender against a server that runs or stalls, and with killed workers."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from common.ports import free_port
from run_record.ledger.files import read_ledger
from run_record.load_report.report import LoadReport
from run_record.manifest import Manifest
from run_record.run_folder import find_run
from tests.jitter import measured_jitter, skip_when_workers_went_missing
from tests.servers import Server, serving

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[Server]:
    with serving("bench.accept_all_server", log=tmp_path / "stub.log") as server:
        yield server


@contextmanager
def locust(runs: Path, stub: Server, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run the locustfile of synthetic traffic until the block ends."""
    command = [sys.executable, "-m", "locust", "-f", "locustfiles/ctr.py", "--headless", "--only-summary"]
    command += ["--runs", str(runs), "--intake", f"{stub.url}/v1/events", *options]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            yield process
        finally:
            for child in psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []:
                child.kill()
            process.kill()


def two_workers() -> tuple[str, ...]:
    """Return Locust's options for two workers, on a free port."""
    port = str(free_port())
    return ("--processes", "2", "--master-bind-port", port, "--master-port", port)


def started_s(runs: Path) -> float:
    """Wait until a run's schedule is set; return its zero, seconds since 1970."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        for path in runs.glob("2*/manifest.json"):
            if started := json.loads(path.read_text())["started_ms"]:
                return float(started) / 1000
        time.sleep(0.02)
    raise AssertionError("no run was started")


def sent_some(runs: Path) -> None:
    deadline = time.monotonic() + 240
    while sum(path.stat().st_size for path in runs.glob("2*/ledger/*.ndjson")) < 20_000:
        assert time.monotonic() < deadline, "nothing was sent"
        time.sleep(0.02)


def stall(stub: Server, runs: Path, seconds: float) -> float:
    """Stop the server for *seconds*, one second after the run's start; return how long it really stood still."""
    time.sleep(max(0.0, started_s(runs) + 1 - time.time()))
    stub.process.send_signal(signal.SIGSTOP)
    stalled_at = time.time()
    time.sleep(seconds)
    stub.process.send_signal(signal.SIGCONT)
    return time.time() - stalled_at


def test_latency_counts_from_intended_time_through_a_stall(tmp_path: Path, stub: Server) -> None:
    """100/s for 8 s, with a stall from 1 s to 3 s: 200 requests wait for 0 to 2 s.

    Above p95 of 800 requests are 40: those due in the first 0.4 s of the stall. The shortest of them waited 1.6 s.
    """
    runs = tmp_path / "runs"
    options = ("--event-rate", "100/s", "--pace", "constant", "--run-time", "8s")
    with measured_jitter() as jitter, locust(runs, stub, *options) as process:
        stall_s = stall(stub, runs, 2)
        output = process.communicate(timeout=240)[0]
    load = LoadReport.read(find_run(runs, "latest"))
    assert (load.offered, load.sent, load.answered, load.accepted, load.dropped) == (800, 800, 800, 800, 0)
    # A busy machine adds to the latency.
    assert load.latency_ms.p95 >= (stall_s - 0.4) * 950
    assert load.latency_ms.p95 <= (stall_s - 0.4) * 1050 or jitter.is_busy
    assert load.latency_ms.p50 < 100 or jitter.is_busy
    # The server's stall is not the generator's fault.
    assert load.invalid == () or jitter.is_busy, output
    assert process.returncode == (4 if load.invalid else 0), output
    assert sum(window.offered for window in load.windows) == 800
    assert {window.offered for window in load.windows} == {100}


def test_locusts_statistics_agree(tmp_path: Path, stub: Server) -> None:
    runs = tmp_path / "runs"
    options = ("--event-rate", "300/s", "--pace", "poisson", "--run-time", "3s", "--json-file", str(tmp_path / "its"))
    with locust(runs, stub, *options) as process:
        output = process.communicate(timeout=240)[0]
    load = LoadReport.read(find_run(runs, "latest"))
    assert process.returncode == (4 if load.invalid else 0), output
    [locust_stats] = json.loads((tmp_path / "its.json").read_text())
    assert locust_stats["num_requests"] == load.requests == load.sent == load.answered
    assert locust_stats["num_failures"] == 0
    counts = sorted((float(value), count) for value, count in locust_stats["response_times"].items())
    times = [value for value, count in counts for _ in range(count)]
    assert len(times) == load.answered
    for share, delay_ms in ((0.5, load.latency_ms.p50), (0.95, load.latency_ms.p95), (0.99, load.latency_ms.p99)):
        assert times[int(share * len(times) + 0.5) - 1] == pytest.approx(delay_ms, rel=0.002, abs=0.002)
    assert locust_stats["max_response_time"] == pytest.approx(load.latency_ms.max, rel=0.001)


def test_events_beyond_the_connection_limit_wait(tmp_path: Path, stub: Server) -> None:
    runs = tmp_path / "runs"
    options = ("--event-rate", "100/s", "--run-time", "6s", "--max-connections", "5")
    with measured_jitter() as jitter, locust(runs, stub, *options) as process:
        stall_s = stall(stub, runs, 1)
        output = process.communicate(timeout=240)[0]
    load = LoadReport.read(find_run(runs, "latest"))
    assert (load.offered, load.sent, load.dropped) == (600, 600, 0)
    # All had to wait but the five in flight and those of the last tenth of a second.
    assert load.late >= 70 * stall_s
    assert load.late <= 100 * stall_s or jitter.is_busy
    assert load.lag_ms.p99 < 100 or load.invalid
    assert process.returncode == (4 if load.invalid else 0), output


def test_a_starved_generator_ends_early_and_invalid(tmp_path: Path, stub: Server) -> None:
    runs = tmp_path / "runs"
    with locust(runs, stub, "--event-rate", "400/s", "--run-time", "600s") as process:
        zero = started_s(runs)
        [sender] = [child for child in psutil.Process(process.pid).children() if "traffic.sender" in child.cmdline()]
        # The sender gets no CPU, as on an overloaded machine: 1 % of all events are late by then.
        sender.suspend()
        while time.time() < zero + 12:
            time.sleep(0.1)
        sender.resume()
        output = process.communicate(timeout=400)[0]
    run = find_run(runs, "latest")
    load = LoadReport.read(run)
    assert 0 < load.offered < 240_000
    assert Manifest.read(run).stopped_early
    assert load.lag_ms.p99 > 100
    assert load.machine is not None
    assert load.machine.parts.keys() >= {"locust", "sender"}
    assert process.returncode == 4
    assert re.search(r"INVALID: p99 lag .* \(limit 100 ms\)", output)
    assert "it takes" not in output


def test_several_workers_share_the_rate(tmp_path: Path, stub: Server) -> None:
    runs = tmp_path / "runs"
    options = ("--event-rate", "2000/s", "--run-time", "4s", *two_workers())
    with locust(runs, stub, *options) as process:
        output = process.communicate(timeout=240)[0]
    skip_when_workers_went_missing(output)
    run = find_run(runs, "latest")
    load = LoadReport.read(run)
    assert (load.offered, load.sent, load.accepted) == (8000, 8000, 8000), output
    assert len(load.workers) == 2
    assert min(worker.sent for worker in load.workers) > 1000
    assert sorted(worker.name for worker in load.workers) == sorted(read_ledger(run / "ledger").workers)
    assert len(read_ledger(run / "ledger").visit) == 8000


def test_a_run_with_a_killed_worker_is_invalid(tmp_path: Path, stub: Server) -> None:
    runs = tmp_path / "runs"
    options = ("--event-rate", "1000/s", "--run-time", "8s", *two_workers())
    with locust(runs, stub, *options) as process:
        sent_some(runs)
        workers = [child for child in psutil.Process(process.pid).children() if "traffic.sender" not in child.cmdline()]
        os.kill(workers[0].pid, signal.SIGKILL)
        output = process.communicate(timeout=240)[0]
    # Locust logs this for the killed worker, too.
    if output.count("failed to send heartbeat") > 1:
        skip_when_workers_went_missing(output)
    run = find_run(runs, "latest")
    load, ledger = LoadReport.read(run), read_ledger(run / "ledger")
    assert process.returncode == 4, output
    assert [worker.alive for worker in load.workers].count(False) == 1
    assert any("was lost" in reason for reason in load.invalid)
    # The dead worker's sent events are counted from its ledger; the others are reported as never offered.
    assert load.sent == len(ledger.visit) < 8000
    assert any(f"{8000 - load.offered:,} of 8,000 events were never offered" in reason for reason in load.invalid)
    assert load.sent > 4000
