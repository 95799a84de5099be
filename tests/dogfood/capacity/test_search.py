"""`dogfood capacity` against servers with known limits, with a starved generator, and on the testbed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from dogfood.testbed_control.services import Testbed
from run_record.ledger.files import read_ledger
from tests.dogfood.conftest import call_in
from tests.servers import serving

ROOT = Path(__file__).resolve().parents[3]


def only_check(runs: Path) -> tuple[Path, dict[str, Any]]:
    """Return the folder of the only check under *runs*, and its capacity.json."""
    [folder] = runs.glob("capacity-*")
    content: dict[str, Any] = json.loads((folder / "capacity.json").read_text())
    return folder, content


def check(runs: Path, intake: str, *options: str) -> subprocess.CompletedProcess[str]:
    return call_in(
        runs.parent, "capacity", "--runs", str(runs), "--intake", f"{intake}/v1/events", "--warm-up", "1s", *options,
        timeout=800,
    )  # fmt: skip


def test_known_limit_is_between_held_and_broken_rate(tmp_path: Path) -> None:
    with serving("tests.limited_intake", "--limit", "50", log=tmp_path / "log") as server:
        done = check(
            tmp_path / "runs", server.url, "--start", "47", "--max-rate", "56", "--tolerance", "0.2",
            "--duration", "5s", "--step", "5s", "--windows", "1", "--server-pid", str(server.process.pid),
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    folder, content = only_check(tmp_path / "runs")
    assert content["result"] == "PASS"
    assert content["sustained"]["rate"] == 47
    assert {step["rate"] for step in content["steps"] if step["outcome"] == "held"} == {47}
    if content["gave_out_first"]["side"] == "generator":
        # On a busy machine, rates above 47 events/s are unknown.
        assert content["sustained"]["broke_at"] is None
        assert any("schedule" in fault for step in content["steps"] for fault in step["faults"])
    else:
        assert content["sustained"]["broke_at"] == 56
        assert content["gave_out_first"]["side"] == "server"
        assert "p99 was" in content["gave_out_first"]["evidence"]
    held = [step for step in content["steps"] if step["outcome"] == "held"]
    assert all(step["server_cpu"] is not None and step["generator_cpu"] > 0 for step in held)
    assert all(step["offered"] == 47 * 5 for step in held)
    assert (folder / "report.html").read_text().count("<tr") > len(content["steps"])
    suite = ElementTree.parse(folder / "junit.xml").getroot()  # noqa: S314 (our own file)
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "0", "0")


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("limit", "start"), [(50, 20), (400, 100), (2000, 500)])
def test_known_limits_are_found_within_ten_percent(tmp_path: Path, limit: int, start: int) -> None:
    with serving("tests.limited_intake", "--limit", str(limit), log=tmp_path / "log") as server:
        done = check(tmp_path / "runs", server.url, "--start", str(start), "--duration", "10s", "--step", "6s")
    assert done.returncode == 0, done.stdout + done.stderr
    _, content = only_check(tmp_path / "runs")
    assert 0.9 * limit <= content["sustained"]["rate"] <= 1.1 * limit
    assert content["gave_out_first"]["side"] == "server"


@contextmanager
def busy(core: int, count: int) -> Iterator[None]:
    """Keep one core of the machine busy with *count* processes."""
    burners = [
        subprocess.Popen(["taskset", "-c", str(core), sys.executable, "-c", "while True: pass"]) for _ in range(count)
    ]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


@pytest.mark.slow
def test_starved_generator_is_invalid(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    core = min(before)
    with serving("tests.limited_intake", "--limit", "1000000", log=tmp_path / "log") as server, busy(core, 2):
        # The command and the generator that it starts share the busy core.
        os.sched_setaffinity(0, {core})
        try:
            done = check(
                tmp_path / "runs", server.url, "--require", "40000", "--start", "40000", "--duration", "2s",
                "--step", "2s",
            )  # fmt: skip
        finally:
            os.sched_setaffinity(0, before)
    assert done.returncode == 4, done.stdout + done.stderr
    _, content = only_check(tmp_path / "runs")
    assert (content["result"], content["sustained"]) == ("INVALID", None)
    assert content["gave_out_first"]["side"] == "generator"
    assert "workers" in content["sentence"]


def test_the_testbeds_confirmed_rate_reconciles(home: Path, tmp_path: Path) -> None:
    done = call_in(
        home, "capacity", "search", "--runs", str(tmp_path / "runs"), "--require", "40", "--start", "40",
        "--max-rate", "40",
        "--slo", "p99=2s", "--slo", "errors=0.1%", "--slo", "lost=0", "--duration", "3s", "--step", "2s",
        "--warm-up", "1s", "--windows", "1", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    folder, content = only_check(tmp_path / "runs")
    assert json.loads(done.stdout) == content
    assert (content["result"], content["lost"], content["headroom"]) == ("PASS", 0, 0)
    confirming = content["steps"][-1]
    run = folder / confirming["run"]
    # Too few subjects for a GO, but nothing is wrong.
    assert (confirming["purpose"], confirming["verdict"] in ("GO", "INCONCLUSIVE")) == ("confirm", True)
    # Every event that the step sent is in its ledger, and its analysis only_check each again.
    verdict = json.loads((run / "verdict.json").read_text())
    assert verdict["reconciliation"]["ok"] == len(read_ledger(run / "ledger").visit) == 40 * 4


def test_ctrl_c_keeps_what_was_measured(home: Path, tmp_path: Path) -> None:
    intake = f"{Testbed(home / 'testbed').url('intake')}/v1/events"
    options = (
        "--runs",
        str(tmp_path / "runs"),
        "--intake",
        intake,
        "--start",
        "10",
        "--duration",
        "2s",
        "--warm-up",
        "1s",
    )
    command = [sys.executable, "-c", "from dogfood.cli import main; main()", "capacity", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout
    lines = [process.stdout.readline(), process.stdout.readline()]
    assert lines[1].startswith("grow 10 events/s: "), lines
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 3, out + err
    assert "Traceback" not in err
    assert "The check was interrupted." in " ".join(out.split())
    _, content = only_check(tmp_path / "runs")
    assert (content["result"], content["interrupted"], len(content["steps"])) == ("INCONCLUSIVE", True, 1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--slo", "p98=1ms"), "unknown name 'p98'"),
        (("--target", "nowhere"), "no target 'nowhere'"),
        (("--target", "testwiki-example"), "is production, and it was not confirmed"),
        (("--intake", "http://intake.example/v1/events"), "does not allow the host 'intake.example'"),
        (("--intake", "http://127.0.0.1:1/v1/events"), "does not answer"),
        (("--require", "10", "search"), "options belong after the subcommand"),
        (("--duration", "soon"), "is not a duration"),
    ],
)
def test_wrong_use_is_one_clear_line(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    done = call_in(tmp_path, "capacity", *options)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()
