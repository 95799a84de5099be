"""Ends of a test: the run's record has the reason, agrees with the ledger, and Locust's exit code fits."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from common.ports import free_port
from run_record.end_reason import End
from run_record.ledger.files import read_ledger
from run_record.load_report.report import LoadReport
from run_record.manifest import Manifest
from tests.servers import Server, serving
from tests.traffic.locust_runs import Locust, locust, two_workers, until

STEADY = ("--event-rate", "300/s", "--run-time", "300s")


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[Server]:
    with serving("bench.accept_all_server", log=tmp_path / "stub.log") as server:
        yield server


def to(stub: Server) -> tuple[str, ...]:
    return ("--intake", f"{stub.url}/v1/events")


def check_record(running: Locust, end: End) -> LoadReport:
    """Check that a run's files agree on the reason *end*; return its load report."""
    load, ledger, manifest = (
        LoadReport.read(running.run),
        read_ledger(running.run / "ledger"),
        Manifest.read(running.run),
    )
    assert (load.ended, manifest.ended) == (end, end), running.output
    assert manifest.stopped_early is end.stopped_early
    assert load.sent == len(ledger.visit), running.output
    assert load.answered == int((ledger.answered_ms >= 0).sum())
    return load


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_a_run_as_stopped(tmp_path: Path, stub: Server, number: signal.Signals) -> None:
    with locust(tmp_path / "runs", *to(stub), *STEADY) as running:
        running.await_sent(200)
        running.process.send_signal(number)
        code = running.end()
    load = check_record(running, End.STOPPED)
    assert not any("lost" in reason or "never offered" in reason for reason in load.invalid)
    # A busy machine may make the run late, which this test does not check.
    assert code == (4 if load.invalid else 0), running.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_workers_are_not_lost(tmp_path: Path, stub: Server, number: signal.Signals) -> None:
    with locust(tmp_path / "runs", *to(stub), *STEADY, *two_workers()) as running:
        running.await_sent(200)
        # Ctrl-C reaches every process of the terminal.
        os.killpg(running.process.pid, number)
        code = running.end()
    load = check_record(running, End.STOPPED)
    assert [worker.alive for worker in load.workers] == [True, True], running.output
    assert code == (4 if load.invalid else 0), running.output


def test_the_web_pages_stop_is_not_a_failure(tmp_path: Path, stub: Server) -> None:
    port = free_port()
    # Locust leaves the time limit of a test with a web page to the page.
    options = ("--visitors", "20000", "--arrival-rate", "100/s", "--web-port", str(port))
    with locust(tmp_path / "runs", *to(stub), *options, headless=False) as running:
        page = f"http://127.0.0.1:{port}"
        until(lambda: _answers(page), "the page did not come up", running)
        # A visit may last hours, so each needs its own user for traffic to go on.
        httpx.post(f"{page}/swarm", data={"user_count": 5000, "spawn_rate": 5000}, timeout=30, trust_env=False)
        running.await_sent(100)
        httpx.post(f"{page}/stop", timeout=60, trust_env=False).raise_for_status()
        until(lambda: (running.run / "load.json").is_file(), "the run was not closed", running)
        load = check_record(running, End.STOPPED)
        assert not any("lost" in reason for reason in load.invalid)
        running.process.terminate()
        running.end()


def test_the_time_limit_is_recorded(tmp_path: Path, stub: Server) -> None:
    options = ("--visitors", "20000", "--arrival-rate", "50/s", "--run-time", "6s")
    with locust(tmp_path / "runs", *to(stub), *options) as running:
        running.end()
    check_record(running, End.TIME_LIMIT)


def test_a_finished_run_is_recorded(tmp_path: Path, stub: Server) -> None:
    with locust(tmp_path / "runs", *to(stub), "--event-rate", "100/s", "--run-time", "3s") as running:
        running.end()
    load = check_record(running, End.FINISHED)
    assert load.offered == 300


def test_a_run_without_workers_is_invalid(tmp_path: Path, stub: Server) -> None:
    with locust(tmp_path / "runs", *to(stub), *STEADY, *two_workers()) as running:
        running.await_sent(200)
        for worker in psutil.Process(running.process.pid).children():
            worker.kill()
        code = running.end()
    load = check_record(running, End.WORKER_LOST)
    assert code == 4, running.output
    # A worker that was killed before its first report is not listed.
    assert load.workers
    assert not any(worker.alive for worker in load.workers)


def test_workers_end_with_their_master(tmp_path: Path, stub: Server) -> None:
    with locust(tmp_path / "runs", *to(stub), *STEADY, *two_workers()) as running:
        running.await_sent(200)
        started = running.children()
        running.process.kill()
        running.end()
        until(lambda: not any(map(_runs, started)), "its workers go on", running)


def test_a_run_without_its_sender_is_invalid(tmp_path: Path, stub: Server) -> None:
    with locust(tmp_path / "runs", *to(stub), *STEADY) as running:
        running.await_sent(200)
        [sender] = [child for child in running.children() if "traffic.sender" in child.cmdline()]
        sender.kill()
        code = running.end()
    load = check_record(running, End.FAILED)
    assert code == 4, running.output
    [worker] = load.workers
    failure = f"the generator failed: the sender of {worker.name} ended unexpectedly (killed by signal 9)"
    assert failure in load.invalid


@pytest.mark.parametrize("workers", [(), two_workers()], ids=["one process", "two workers"])
def test_a_full_disk_at_start_ends_the_run(tmp_path: Path, stub: Server, workers: tuple[str, ...]) -> None:
    # With a file size limit of 0, writing fails as on a full disk.
    prefix = ("sh", "-c", 'ulimit -f 0; exec "$@"', "sh")
    with locust(tmp_path / "runs", *to(stub), *STEADY, *workers, prefix=prefix) as running:
        assert running.end() == 4
    assert "error: " in running.output


def test_a_lease_after_the_end_is_ignored(tmp_path: Path, stub: Server) -> None:
    with locust(tmp_path / "runs", *to(stub), *STEADY, *two_workers()) as running:
        running.await_sent(200)
        master, workers = psutil.Process(running.process.pid), psutil.Process(running.process.pid).children()
        # While the master does not answer, both workers wait for a lease.
        senders = workers[0].children()
        master.suspend()
        until(lambda: _is_idle(running), "the workers go on without a lease", running)
        workers[0].terminate()
        until(lambda: not any(map(_runs, senders)), "its sender goes on", running)
        master.resume()
        running.process.terminate()
        running.end()
    assert "Traceback" not in running.output, running.output
    check_record(running, End.STOPPED)


def _is_idle(running: Locust) -> bool:
    before = running.sent()
    time.sleep(2)
    return running.sent() == before


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
