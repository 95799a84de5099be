"""The analysis under a limit of address space: a verdict or one line, and never a traceback or a signal."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.analysis.runs import make_run

_MB = 1 << 20


def _analyse(run: Path, limit_mb: int) -> "subprocess.CompletedProcess[str]":
    """Run `dogfood analyse` of *run* in a process with so much address space."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit_mb * _MB, limit_mb * _MB))

    return subprocess.run(
        [sys.executable, "-c", "from dogfood.cli import main; main()", "analyse", str(run)],
        preexec_fn=limit, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("limit_mb", [300, 450, 700, 1100])
def test_limit_too_low_is_invalid(tmp_path: Path, limit_mb: int) -> None:
    ended = _analyse(tmp_path, limit_mb)
    assert ended.returncode == 4, ended.stderr
    assert f"ulimit -v of {limit_mb / 1024:.1f} GB" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("limit_mb", [1300, 1800, 2500])
def test_limited_memory_gives_verdict_or_line(tmp_path: Path, limit_mb: int) -> None:
    run = make_run(tmp_path / "run")
    run.land()
    ended = _analyse(run.folder, limit_mb)
    assert ended.returncode in {0, 1, 3, 4}, ended.stderr
    assert "Traceback" not in ended.stderr
