"""The main job, from the command line to the verdict, against running services."""

import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.analyse import analyse
from analysis.verdict import CheckStatus, Verdict
from contracts.table import TABLE
from dogfood.testbed_control.services import Testbed
from run_record.ledger.files import read_ledger
from run_record.load_report.report import LoadReport
from run_record.manifest import Manifest
from run_record.run_folder import find_run
from tests.dogfood.conftest import WITHOUT_WIKI, Call, call_in
from tests.jitter import skip_when_too_busy
from tests.plans import plan
from tests.servers import serving
from traffic.locust_run.options import TrafficOptions, find_target, new_manifest

ROOT = Path(__file__).resolve().parents[3]
QUICK = ("--visitors", "1200", "--arrival-rate", "600", "--time-scale", "20000")


def verdict(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "verdict.json").read_text())
    return content


@pytest.mark.parametrize(
    "options",
    [
        ("--generation", "alpha", "--seed", "1"),
        ("--generation", "xlab", "--seed", "2", "--hasty"),
        ("--generation", "alpha", "--seed", "3", "--batch", "20", "--workers", "2"),
    ],
)
def test_a_run_ends_in_go(home: Path, dogfood: Call, options: tuple[str, ...]) -> None:
    done = dogfood("run", *QUICK, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "GO" in done.stdout
    run = find_run(home / "runs", "latest")
    result = verdict(run)
    assert (result["verdict"], result["layer"]) == ("GO", None)
    counts = result["reconciliation"]
    assert counts["offered"] == counts["ok"] > 2000
    assert sum(counts.values()) == 2 * counts["offered"]
    assert result["run"]["generation"] == options[1]
    names = {path.name for path in run.iterdir()}
    assert names >= {"manifest.json", "ledger", "observed", "verdict.json", "report.html", "locust-ctr_stats.csv"}
    again = dogfood("analyse", run.name, "--json")
    assert again.returncode == 0
    assert json.loads(again.stdout) == result


def test_another_target_is_judged_when_rows_arrive(home: Path, tmp_path: Path) -> None:
    testbed = Testbed(home / "testbed")
    target = tmp_path / "mine.toml"
    target.write_text(
        f'description = "d"\nhosts = ["127.0.0.1"]\nmpic = "{testbed.url("mpic")}"\n'
        f'intake = "{testbed.url("intake")}/v1/events"\n'
    )
    sent = call_in(home, "run", *QUICK, "--seed", "41", "--target", str(target), "--runs", str(tmp_path))
    assert sent.returncode == 3, sent.stdout + sent.stderr
    run = find_run(tmp_path, "latest")
    assert f"dogfood analyse {run.name} --observed FILE" in sent.stdout
    assert call_in(home, "ingest").returncode == 0
    table = str(home / "testbed" / "table" / TABLE)
    assert call_in(home, "analyse", run.name, "--runs", str(tmp_path), "--observed", table).returncode == 0


def test_printed_events_match_the_sent_bytes(home: Path, dogfood: Call) -> None:
    run = find_run(home / "runs", "latest")
    printed = dogfood("events", run.name).stdout.splitlines()
    sent = read_ledger(run / "ledger")
    assert len(printed) == len(sent.visit)
    assert printed == dogfood("events", run.name).stdout.splitlines()
    assert len({json.loads(line)["meta"]["id"] for line in printed}) == len(printed)


def test_the_experiment_went_through_mpic(home: Path, dogfood: Call) -> None:
    url = Testbed(home / "testbed").url("mpic")
    assert url
    done = dogfood("run", *QUICK, "--experiment", "no-such-experiment")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: MPIC at {url} has no experiment 'no-such-experiment'")


def test_rejected_event_is_a_failure_with_reason(home: Path, tmp_path: Path) -> None:
    """An intake that knows no such stream refuses every event."""
    configs = tmp_path / "streams.json"
    configs.write_text('{"streams": {"another": {"schema_title": "analytics/product_metrics/web/base"}}}')
    arguments = ("--stream-dir", str(tmp_path / "stream"), "--stream-configs", str(configs))
    with serving("testbed.intake", *arguments, log=tmp_path / "log") as intake:
        options = (
            "--visitors",
            "30",
            "--arrival-rate",
            "500",
            "--time-scale",
            "50000",
            "--intake",
            f"{intake.url}/v1/events",
        )
        done = locust(tmp_path / "runs", *options)
    assert "is not a configured stream" in done.stdout + done.stderr
    run = find_run(tmp_path / "runs", "latest")
    sent = read_ledger(run / "ledger")
    assert set(sent.status.tolist()) == {400}
    assert all("is not a configured stream" in reason for reason in sent.reasons.values())


def locust_command(runs: Path, *options: str) -> list[str]:
    command = [
        sys.executable,
        "-m",
        "locust",
        "-f",
        str(ROOT / "locustfiles" / "ctr.py"),
        "--headless",
        "--only-summary",
    ]
    return [*command, "--runs", str(runs), *options]


def locust(runs: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = locust_command(runs, *options)
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=ROOT)
    skip_when_too_busy(done)
    return done


def test_locust_without_dogfood_makes_a_judgeable_run(home: Path, tmp_path: Path) -> None:
    intake = f"{Testbed(home / 'testbed').url('intake')}/v1/events"
    options = (
        "--intake",
        intake,
        "--visitors",
        "1200",
        "--arrival-rate",
        "600",
        "--time-scale",
        "20000",
        "--seed",
        "11",
    )
    done = locust(tmp_path / "runs", *options)
    assert done.returncode == 0, done.stderr
    run = find_run(tmp_path / "runs", "latest")
    # As it is printed.
    [command] = re.findall("judge it with `dogfood (.*)`", done.stderr)
    judged = call_in(home, *shlex.split(command))
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert verdict(run)["verdict"] == "GO"


def test_rows_are_not_taken_from_another_testbed(home: Path, tmp_path: Path) -> None:
    options = TrafficOptions()
    manifest = new_manifest("run", options, find_target(options), plan().settings)
    elsewhere = replace(manifest, target={**manifest.target, "intake": "http://127.0.0.1:9/v1/events"})
    (tmp_path / "run").mkdir()
    elsewhere.write(tmp_path / "run")
    done = call_in(home, "analyse", str(tmp_path / "run"), "--ingest")
    assert done.returncode == 2
    assert "http://127.0.0.1:9/v1/events" in done.stderr


@pytest.mark.parametrize(
    "options", [("--pace", "poisson"), pytest.param(("--shape", "ramp:1s", "--batch", "10"), marks=pytest.mark.slow)]
)
def test_paced_events_can_be_judged(home: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    intake = f"{Testbed(home / 'testbed').url('intake')}/v1/events"
    seed = str(12 + len(options))
    done = locust(
        tmp_path / "runs", "--intake", intake, "--event-rate", "400/s", "--run-time", "12s", "--seed", seed, *options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    run = find_run(tmp_path / "runs", "latest")
    assert call_in(home, "ingest").returncode == 0
    analysis = analyse(run, [home / "testbed" / "table" / TABLE])
    assert analysis.reconciliation["ok"] == analysis.reconciliation["offered"] == LoadReport.read(run).accepted > 1000
    assert analysis.verdict is Verdict.GO, [
        (c.name, c.summary) for c in analysis.checks if c.status is not CheckStatus.PASS
    ]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--event-rate", "100/s"), "--event-rate needs --run-time"),
        (("--event-rate", "lots"), "write it like 500"),
        (("--shape", "zigzag"), "levels are multiples of the rate"),
        (("--intake", "http://intake.example.org/v1/events"), "does not allow the host 'intake.example.org'"),
        (("--target", "nowhere"), "no target 'nowhere'"),
        (("--intake", "http://127.0.0.1:1/v1/events"), "the intake at http://127.0.0.1:1/v1/events does not answer"),
        (("--visitors", "0"), "--visitors is 0: choose a number from 1"),
        (("--batch", "0"), "--batch is 0: choose a number from 1"),
        (("--experiment", "x", "--mpic", "http://127.0.0.1:1"), "does not answer"),
        (("--run", "nowhere"), "is not a run"),
    ],
)
def test_locusts_refusal_is_one_line(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    done = locust(tmp_path / "runs", *options)
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert says in line
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def kill_at_a_moment(job: tuple[int, float, Path, str]) -> Path:
    """Start a Locust process, kill it *moment* seconds after its first request; return its run."""
    seed, moment, runs, intake = job
    options = ("--intake", intake, "--visitors", "2000", "--arrival-rate", "300", "--time-scale", "20000")
    command = locust_command(runs, *options, "--seed", str(seed))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        deadline = time.monotonic() + 240
        while not any(path.stat().st_size for path in runs.glob("2*/ledger/*.ndjson")):
            assert time.monotonic() < deadline, "Locust sent nothing"
            assert process.poll() is None, "Locust ended by itself"
            time.sleep(0.005)
        time.sleep(moment)
        os.kill(process.pid, signal.SIGKILL)
    return find_run(runs, "latest")


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_generator_leaves_every_event_accounted_for(home: Path, tmp_path: Path, kills: int) -> None:
    moments = random.Random(kills)  # noqa: S311 (to be repeated)
    intake = f"{Testbed(home / 'testbed').url('intake')}/v1/events"
    jobs = [(100 + i, moments.uniform(0, 1.2), tmp_path / str(i), intake) for i in range(kills)]
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(kill_at_a_moment, jobs))
    assert call_in(home, "ingest").returncode == 0
    for run in runs:
        analysis = analyse(run, [home / "testbed" / "table" / TABLE])
        counts = analysis.reconciliation
        fates = ("ok", "lost", "corrupted", "indeterminate", "invalid", "late")
        assert sum(counts[fate] for fate in fates) == counts["offered"]
        assert counts["lost"] == counts["corrupted"] == counts["invalid"] == counts["duplicated"] == 0
        # Each of the eight users had at most one request under way.
        assert counts["indeterminate"] <= 8
        assert analysis.verdict is Verdict.INVALID
        assert "ended without closing the run" in next(c.summary for c in analysis.checks if c.name == "completeness")
        assert counts["offered"] > 0


@pytest.fixture
def crashing(home: Path) -> Iterator[Path]:
    """The shared testbed, put in order again after the test."""
    yield home
    testbed = Testbed(home / "testbed")
    testbed.up({}, WITHOUT_WIKI)


def test_dying_intake_loses_no_acknowledged_event(crashing: Path) -> None:
    testbed = Testbed(crashing / "testbed")
    code = "from dogfood.cli import main; main()"
    environment = {**os.environ, "DOGFOOD_TESTBED": str(crashing / "testbed"), "DOGFOOD_RUNS": str(crashing / "crash")}
    options = ("run", "--visitors", "1500", "--arrival-rate", "300", "--time-scale", "20000", "--seed", "21")
    command = [sys.executable, "-c", code, *options]
    state = next(state for state in testbed.status() if state.name == "intake")
    assert state.pid
    assert state.port
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as process:
        deadline = time.monotonic() + 240
        while not any(path.stat().st_size > 50_000 for path in (crashing / "crash").glob("2*/ledger/*.ndjson")):
            assert time.monotonic() < deadline, "the run sent nothing"
            time.sleep(0.02)
        os.kill(state.pid, signal.SIGKILL)
        time.sleep(0.5)
        testbed.up({"intake": state.port}, WITHOUT_WIKI)
        code_found = process.wait(300)
    run = find_run(crashing / "crash", "latest")
    counts = verdict(run)["reconciliation"]
    assert counts["lost"] == counts["duplicated"] == counts["corrupted"] == counts["unexpected"] == 0
    assert counts["indeterminate"] > 0
    assert counts["ok"] + counts["indeterminate"] == counts["offered"]
    assert code_found in (0, 3)
    assert Manifest.read(run).stopped_early is False


def test_tampered_rows_are_no_go(home: Path, dogfood: Call, tmp_path: Path) -> None:
    dogfood("run", *QUICK, "--seed", "31")
    run = find_run(home / "runs", "latest")
    lines = [json.loads(line) for line in dogfood("events", run.name).stdout.splitlines()]
    for event in lines:
        event["meta"]["dt"] = event["dt"]
    path = tmp_path / "observed.ndjson"
    path.write_text("\n".join(json.dumps(event) for event in lines[10:]))
    done = dogfood("analyse", run.name, "--observed", str(path), "--json")
    assert done.returncode == 1
    content = json.loads(done.stdout)
    assert content["verdict"] == "NO-GO"
    assert [c["name"] for c in content["checks"] if c["verdict"] == CheckStatus.FAIL] == ["lost"]
    assert content["reconciliation"]["lost"] == 10
