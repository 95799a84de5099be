"""A crash is INVALID, never a verdict: one line, exit code 4, and a file with the traceback."""

import errno
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from common.errors import DogfoodError, KitFaultError
from dogfood.exit_codes import run_guarded

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def crash_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def raising(error: BaseException) -> int:
    def command() -> None:
        raise error

    return run_guarded(command)


@pytest.mark.parametrize(
    "error",
    [
        IndexError("list index"), UnicodeEncodeError("latin-1", "✓", 0, 1, "no"), AttributeError(), RecursionError(),
        MemoryError(), AssertionError("[/b]\x1b[2J\nsecond line"), OSError(errno.EIO, "Input/output error", "/x"),
        ExceptionGroup("several", [ValueError("one")]), GeneratorExit(),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_an_unexpected_error_is_invalid(error: BaseException, crash_folder: Path, capsys: Capture) -> None:
    assert raising(error) == 4
    output = capsys.readouterr().err
    assert len(output.splitlines()) == 1
    assert "INVALID" in output
    assert "\x1b" not in output
    [path] = crash_folder.glob("dogfood-crash-*.txt")
    assert str(path) in output
    assert "Traceback (most recent call last)" in path.read_text()
    assert path.stat().st_mode & 0o077 == 0


def test_a_full_disk_is_named_with_its_remedy(capsys: Capture) -> None:
    assert raising(OSError(errno.ENOSPC, "No space left on device", "/runs/x/load.json")) == 4
    assert "/runs/x/load.json: No space left on device" in (output := capsys.readouterr().err)
    assert "free some space" in output


def test_a_traceback_that_cannot_be_kept_is_located(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/proc/nowhere")
    assert raising(ValueError("x")) == 4
    assert re.search(r"traceback: not written; test_exit_codes.py:\d+", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DogfoodError("what: why; fix"), 2), (KitFaultError("what"), 4), (click.UsageError("what"), 2),
        (click.FileError("x"), 2), (click.ClickException("x"), 2), (click.Abort(), 3), (KeyboardInterrupt(), 3),
        (SystemExit(1), 1), (SystemExit(None), 0), (SystemExit("why"), 2),
    ],
    ids=lambda item: repr(item),
)  # fmt: skip
def test_expected_endings_keep_their_code(error: BaseException, code: int, crash_folder: Path) -> None:
    assert raising(error) == code
    assert not list(crash_folder.iterdir())


def test_a_crash_of_the_command_line_exits_4(tmp_path: Path) -> None:
    code = (
        "import dogfood.commands.completion as c\n"
        "c.get_completion_class = lambda name: 1 / 0\n"
        "from dogfood.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "completion", "bash"], capture_output=True, text=True, check=False, timeout=240,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 4
    assert "ZeroDivisionError: division by zero" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(list(tmp_path.glob("dogfood-crash-*"))) == 1
