"""The three fidelities on an overloaded machine: GO or INVALID, never NO-GO."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.busy_machine import RIGHT, burning
from common.egress import LOOPBACK
from common.errors import KitFaultError
from dogfood.doctor.diagnosis import Condition
from dogfood.doctor.machine import busy
from dogfood.testbed_control.wiki_warm_up import warm_wiki
from run_record.load_report.machine_sampler import MachineSampler
from run_record.load_report.machine_usage import Machine, busy_warning
from run_record.load_report.report import LoadReport
from tests.wikis import call, wiki_testbed

SMALL = ("--visitors", "300", "--arrival-rate", "50", "--sessions", "6", "--browsers", "3", "--time-scale", "20")


@contextmanager
def answering(status: int, most: int) -> Iterator[tuple[str, list[str]]]:
    """Serve *status* to *most* requests, and close the connections of the others without an answer."""
    items: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            items.append(self.path.partition("?")[0])
            if len(items) > most:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", items
        server.shutdown()


@pytest.mark.parametrize("status", [200, 500])
def test_the_wiki_is_warmed_whatever_it_answers(status: int) -> None:
    with answering(status, 99) as (wiki, requested):
        warm_wiki(wiki, LOOPBACK, None)
    assert requested == ["/load.php", "/index.php", "/wiki/Main_Page"]


def test_wiki_without_response_is_a_kit_fault() -> None:
    with answering(200, 1) as (wiki, requested), pytest.raises(KitFaultError, match=r"does not answer /index\.php"):
        warm_wiki(wiki, LOOPBACK, None)
    assert requested == ["/load.php", "/index.php", "/index.php"]


@pytest.mark.parametrize(("load", "steal", "short"), [(1.0, 0.0, False), (25.0, 0.0, True), (1.0, 0.5, True)])
def test_a_busy_machine_is_warned_of(load: float, steal: float, short: bool) -> None:
    machine = Machine(2, load, load, steal, 1.0)
    assert bool(busy_warning(machine)) is short
    result = busy(machine)
    assert result.condition is (Condition.UNKNOWN if short else Condition.FINE)
    assert ("quieter" in result.remedy) is short


def test_the_cpu_of_each_part_is_told_apart() -> None:
    with burning(1), MachineSampler("dogfood") as watch:
        process = subprocess.Popen(["python3", "-c", "while True: pass", "traffic.sender"])
        try:
            while not (parts := watch.usage().parts).get("sender"):
                sum(range(100_000))
        finally:
            process.kill()
            process.wait()
    assert parts["sender"] > 0
    assert parts["dogfood"] > 0
    assert watch.usage().load_max >= watch.usage().load_mean


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_under_load_a_run_is_go_or_invalid(tmp_path: Path) -> None:
    with wiki_testbed(tmp_path) as home, burning(8):
        done = call(home, "run", "--fidelity", "browser,wiki,synthetic", *SMALL, timeout=3000)
    # Too few subjects for the sample ratio.
    assert done.returncode in (*RIGHT, 3), done.stdout + done.stderr
    machine = LoadReport.read((home / "runs" / "latest").resolve()).machine
    assert machine is not None
    assert machine.load_max > 1
    assert machine.parts.keys() >= {"dogfood", "locust", "sender", "services", "analysis"}
