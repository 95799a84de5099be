"""`dogfood open` starts a browser, or says that it could not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "20250131-143000"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    (folder / "report.html").write_text("<p>GO")
    return folder


def opened(run: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"DISPLAY", "WAYLAND_DISPLAY", "BROWSER"}}
    return subprocess.run(
        [Path(sys.executable).parent / "dogfood", "open", run.name, "--runs", run.parent],
        env={**kept, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_open_starts_the_named_browser(run: Path, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    assert opened(run, BROWSER=str(browser)).returncode == 0
    assert (tmp_path / "opened").read_text().strip() == (run / "report.html").as_uri()


def test_open_without_a_browser_fails(run: Path, tmp_path: Path) -> None:
    # No program is on this path, so none can be a browser.
    done = opened(run, PATH=str(tmp_path))
    assert done.returncode == 4
    assert "no browser could be started" in done.stderr
    assert str(run / "report.html") in done.stdout
