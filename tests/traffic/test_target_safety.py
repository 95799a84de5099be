"""A target's rules in Locust: confirmation, ceilings, hosts, redirects, proxies, tag."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from run_record.load_report.report import LoadReport
from run_record.run_folder import find_run
from run_record.target import Ceilings, Target, TargetError
from tests.plans import settings
from traffic.locust_run.options import check_ceilings

ROOT = Path(__file__).resolve().parents[2]


class Intake(ThreadingHTTPServer):
    """An intake that accepts every event, or redirects to *elsewhere*; records user agents."""

    def __init__(self, elsewhere: str = "") -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.elsewhere = elsewhere
        self.agents: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/events"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Intake

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.agents.append(str(self.headers["User-Agent"]))
        self._answer(307 if self.server.elsewhere else 201)

    def do_OPTIONS(self) -> None:
        self._answer(200)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Location", self.server.elsewhere)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def intakes() -> Iterator[list[Intake]]:
    """Two intakes: the first redirects to the second."""
    second = Intake()
    first = Intake(elsewhere=second.url)
    for server in (first, second):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield [first, second]
    for server in (first, second):
        server.shutdown()
        server.server_close()


def production(folder: Path, intake: Intake, ceilings: str = "rate = 50\nevents = 200\nseconds = 20") -> Path:
    path = folder / "prod.toml"
    path.write_text(
        f'description = "d"\nintake = "{intake.url}"\nmpic = "http://127.0.0.1:1"\nhosts = ["127.0.0.1"]\n'
        f'networks = ["127.0.0.0/8"]\nproduction = true\ntag = "experiment-dogfood"\n[ceilings]\n{ceilings}\n'
    )
    return path


def command(target: Path, runs: Path, *options: str) -> list[str]:
    return [
        sys.executable, "-m", "locust", "-f", str(ROOT / "locustfiles" / "ctr.py"), "--headless", "--only-summary",
        "--runs", str(runs), "--target", str(target), *options,
    ]  # fmt: skip


def environment() -> dict[str, str]:
    """Return an environment with an unreachable proxy, through which nothing would arrive."""
    return {**os.environ, **dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:1")}


def locust(target: Path, runs: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(target, runs, *options), capture_output=True, text=True, timeout=300, check=False, cwd=ROOT,
        env=environment(),
    )  # fmt: skip


def test_a_confirmed_run_is_sent_with_the_tag(tmp_path: Path, intakes: list[Intake]) -> None:
    _, intake = intakes
    options = ("--event-rate", "20/s", "--run-time", "2s", "--confirm", "prod")
    process = locust(production(tmp_path, intake), tmp_path / "runs", *options)
    # 4: the machine was too busy to keep the schedule, which this test does not check.
    assert process.returncode in (0, 4), process.stdout + process.stderr
    assert len(intake.agents) == 40
    assert all(agent.endswith(" experiment-dogfood") for agent in intake.agents)
    manifest = json.loads((find_run(tmp_path / "runs", "latest") / "manifest.json").read_text())
    assert manifest["target"]["tag"] == "experiment-dogfood"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--event-rate", "20/s", "--run-time", "2s"), "is production, and it was not confirmed"),
        (("--event-rate", "20/s", "--run-time", "2s", "--confirm", "local"), "is production, not 'local'"),
        (("--event-rate", "51/s", "--run-time", "2s", "--confirm", "prod"), "allows a rate of 50 events/s"),
    ],
)
def test_other_runs_are_refused_and_send_nothing(
    tmp_path: Path, intakes: list[Intake], options: tuple[str, ...], reason: str
) -> None:
    _, intake = intakes
    process = locust(production(tmp_path, intake), tmp_path / "runs", *options)
    assert process.returncode == 2
    [line] = [line for line in process.stderr.splitlines() if line.startswith("error: ")]
    assert reason in line
    assert intake.agents == []
    assert not (tmp_path / "runs").exists()


def test_a_second_run_above_the_rate_is_refused(tmp_path: Path, intakes: list[Intake]) -> None:
    _, intake = intakes
    target = production(tmp_path, intake, "rate = 15\nevents = 50000\nseconds = 6000")
    options = ("--event-rate", "10/s", "--run-time", "900s", "--confirm", "prod")
    first = subprocess.Popen(
        command(target, tmp_path / "first", *options), cwd=ROOT, env=environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 240
        while not intake.agents:
            assert time.monotonic() < deadline, "the first run sends nothing"
            time.sleep(0.05)
        process = locust(target, tmp_path / "second", *options)
    finally:
        # Its sender stops as soon as its standard input ends.
        first.kill()
        first.wait(60)
    assert process.returncode == 2
    [line] = [line for line in process.stderr.splitlines() if line.startswith("error: ")]
    assert "allows a rate of 15 events/s" in line
    assert str(tmp_path / "first") in line


def test_a_redirect_is_not_followed(tmp_path: Path, intakes: list[Intake]) -> None:
    first, second = intakes
    target = production(tmp_path, first)
    locust(target, tmp_path / "runs", "--event-rate", "10/s", "--run-time", "1s", "--confirm", "prod")
    assert len(first.agents) == 10
    assert second.agents == []
    assert LoadReport.read(find_run(tmp_path / "runs", "latest")).errors == {"307": 10}


@pytest.mark.parametrize(
    ("ceilings", "reason"),
    [
        (Ceilings(rate=99), "rate of 99 events/s, not 100"),
        (Ceilings(events=399), "number of events of 399"),
        (Ceilings(seconds=3), "duration of 3 s, not 4"),
    ],
)
def test_every_ceiling_applies_to_the_plan(ceilings: Ceilings, reason: str) -> None:
    paced = settings(visitors=4096, events_per_second=100.0, events=400)
    local = Target.read("local")
    check_ceilings(local, paced)
    target = Target(local.name, local.description, local.intake, local.mpic, local.hosts, ceilings=ceilings)
    with pytest.raises(TargetError, match=reason):
        check_ceilings(target, paced)


def test_the_rate_ceiling_counts_events_not_visits() -> None:
    local = Target.read("local")
    visits = settings(visitors=600, arrivals_per_second=100.0)
    few = Target(local.name, local.description, local.intake, local.mpic, local.hosts, ceilings=Ceilings(rate=101))
    # Half the visitors are in the sample, with about three events each.
    with pytest.raises(TargetError, match="allows a rate of 101"):
        check_ceilings(few, visits)
