"""`make dogfood` prints the exit code of the run, which make does not pass on."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("code", "word"), [(0, "GO"), (1, "NO-GO"), (2, "wrong use"), (3, "INCONCLUSIVE"), (4, "INVALID"), (137, "signal")]
)
@pytest.mark.parametrize("target", ["dogfood", "dogfood-full"])
def test_make_prints_the_exit_code_of_the_run(tmp_path: Path, target: str, code: int, word: str) -> None:
    program = tmp_path / "dogfood"
    program.write_text(f'#!/bin/sh\n[ "$1" = run ] || exit 0\necho "$@"\nexit {code}\n')
    program.chmod(0o755)
    stamps = ("-o", ".venv/.ready", "-o", ".venv/.full")
    command = ["make", "-C", str(ROOT), "--no-print-directory", *stamps, target, f"BIN={tmp_path}", "ARGS=--seed 3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    lines = done.stdout.splitlines()
    assert lines[-1].startswith(f"exit code {code}: ")
    assert word in lines[-1]
    assert "scripts call" in lines[-2]
    assert lines[-3].endswith("--seed 3")
    # The recipe itself is not shown: it is longer than a terminal is wide.
    assert not any("TELL_EXIT" in line or "case" in line for line in lines)
    assert max(map(len, lines[-2:])) <= 80
    assert done.returncode == (2 if code else 0)
