"""Commands under a limit of address space: a verdict or a one-line error, never a traceback or a signal."""

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.analysis.runs import make_run

_MB = 1 << 20

_COMMAND = "from dogfood.cli import main; main()"


def _run(
    limit_mb: int, *arguments: str, code: str = _COMMAND, scratch: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run `dogfood` with *arguments* in a process with a limit of address space."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit_mb * _MB, limit_mb * _MB))

    return subprocess.run(
        [sys.executable, "-c", code, *arguments], preexec_fn=limit, capture_output=True, text=True, timeout=600,
        check=False, env={**os.environ, "TMPDIR": str(scratch or tempfile.gettempdir())},
    )  # fmt: skip


def _check_line(ended: "subprocess.CompletedProcess[str]", limit_mb: int) -> None:
    assert ended.returncode == 4, ended.stderr
    assert f"ulimit -v of {limit_mb / 1024:.1f} GB" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert not ended.stdout


@pytest.mark.parametrize("limit_mb", [300, 450, 700, 1000, 1300, 1800, 2500, 4000])
def test_limited_memory_gives_verdict_or_line(tmp_path: Path, limit_mb: int) -> None:
    run = make_run(tmp_path / "run")
    run.land()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    ended = _run(limit_mb, "analyse", str(run.folder), scratch=scratch)
    if ended.returncode == 4:
        _check_line(ended, limit_mb)
    else:
        assert ended.returncode in {0, 1, 3}, ended.stderr
        assert not ended.stderr
        assert json.loads((run.folder / "verdict.json").read_bytes())["verdict"]
    assert not list(run.folder.glob("**/*.draft"))
    assert not list(scratch.glob("dogfood-analysis-*"))


def _contained(body: str) -> "subprocess.CompletedProcess[str]":
    code = (
        "import ctypes, os, signal, sys, threading\n"
        "from dogfood.memory_limit import run_contained\n"
        f"def work(tell):\n    {body}\n"
        "sys.exit(run_contained(work, 'ulimit -v of 1.0 GB'))\n"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.parametrize(
    ("body", "how"),
    [
        ("os.abort()", "ended by SIGABRT"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "ended by SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "ended by SIGKILL"),
        ("ctypes.CDLL(None).exit(1)", "ended with exit code 1"),
        ("os.write(2, b'noise\\nstd::bad_alloc\\n'); os.abort()", "ended by SIGABRT: std::bad_alloc"),
        ("tell('error: first'); os.abort()", "ended by SIGABRT"),
    ],
)
def test_crash_of_a_command_is_one_line(body: str, how: str) -> None:
    ended = _contained(body)
    assert ended.returncode == 4
    assert ended.stderr == f"error: the command ran out of memory under ulimit -v of 1.0 GB ({how}); raise the limit\n"


@pytest.mark.parametrize("code", [0, 1, 3])
def test_crash_after_the_result_changes_nothing(code: int) -> None:
    ended = _contained(f"import atexit; atexit.register(os.abort); print('result'); return {code}")
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "result\n", "")


def test_contained_command_is_stopped_by_its_parent() -> None:
    ended = _contained("""import time
    from dogfood.exit_codes import run_guarded
    from dogfood.exit_codes import treat_as_interrupts
    treat_as_interrupts()
    return run_guarded(lambda: (os.kill(os.getppid(), signal.SIGTERM), time.sleep(600)), tell)""")
    assert ended.returncode == 3
    assert "interrupted" in ended.stderr
