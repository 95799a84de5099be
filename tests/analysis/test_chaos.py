"""What goes wrong with the kit itself while it judges: a clear error, and nothing claimed."""

import json
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.analyse import VERDICT, analyse
from analysis.verdict import CheckStatus, Layer, Verdict
from contracts.intake import EventAnswer, interpret
from tests.analysis.runs import Sent, check, make_run

ROOT = Path(__file__).resolve().parents[2]
CODE = "from dogfood.cli import main; main()"


def judging(run: Path, *, file_bytes: int | None = None) -> subprocess.Popen[str]:
    """Start `dogfood analyse` on *run*; with *file_bytes*, on a disk that takes no larger files."""

    def limit() -> None:
        if file_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))

    command = [sys.executable, "-c", CODE, "analyse", str(run)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=limit
    )


def test_full_disk_is_one_error_line(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.land()
    with judging(tmp_path, file_bytes=4_096) as process:
        _, output = process.communicate(timeout=120)
    assert process.returncode in (2, 4)
    errors = [line for line in output.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, output
    assert "Traceback" not in output
    assert not (tmp_path / VERDICT).exists()
    # With room again, the same run is judged as if nothing had been.
    assert analyse(tmp_path).verdict is Verdict.GO


def test_killed_analysis_leaves_no_verdict(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.land()
    killed = 0
    for seconds in (0.3, 1.2):
        with judging(tmp_path) as process:
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
            process.wait(120)
        if (tmp_path / VERDICT).exists():
            # It had judged already, on a quick machine: then the verdict is whole.
            assert json.loads((tmp_path / VERDICT).read_text())["verdict"] == "GO"
            (tmp_path / VERDICT).unlink()
        else:
            killed += process.returncode == -signal.SIGKILL
    assert killed
    with judging(tmp_path) as process:
        process.communicate(timeout=120)
    assert process.returncode == 0
    assert (tmp_path / VERDICT).is_file()


def test_truncated_table_is_one_error_line(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.land()
    rows = tmp_path / "observed" / "rows.parquet"
    rows.write_bytes(rows.read_bytes()[: rows.stat().st_size // 2])
    with judging(tmp_path) as process:
        _, output = process.communicate(timeout=120)
    assert process.returncode == 2
    assert output.startswith("error: ")
    assert "rows.parquet" in output
    assert output.count("\n") == 1
    assert not (tmp_path / VERDICT).exists()


@pytest.mark.parametrize("answer", [(200, "\x00\xff", b"\x00<html>"), (299, "", b""), (204, "No Content", b"[]")])
def test_an_intake_that_answers_garbage_proves_nothing(tmp_path: Path, answer: tuple[int, str, bytes]) -> None:
    status, reason, body = answer
    [message] = interpret(status, reason, body, ["id"])
    assert isinstance(message, EventAnswer)
    run = make_run(
        tmp_path, change=lambda sent: replace(sent, status=status, outcome=message.outcome, reason=message.reason)
    )
    # What landed of it all landed in both groups alike.
    run.land([event for number, event in enumerate(run.events) if number % 20])
    analysis = analyse(tmp_path)
    assert analysis.verdict is Verdict.INCONCLUSIVE
    assert analysis.reconciliation["lost"] == 0
    assert analysis.reconciliation["indeterminate"] > 100


@pytest.mark.parametrize("step_ms", [-3_600_000, 3_600_000])
def test_clock_change_makes_the_run_invalid(tmp_path: Path, step_ms: int) -> None:
    def change(sent: Sent) -> Sent:
        return replace(sent, lag_ms=step_ms) if sent.visit > 700 else sent

    run = make_run(tmp_path, change=change)
    run.land()
    analysis = analyse(tmp_path)
    assert (analysis.verdict, analysis.layer) == (Verdict.INVALID, Layer.GENERATOR)
    assert check(analysis, "lag").status is CheckStatus.INVALID
