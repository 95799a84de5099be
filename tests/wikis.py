"""A testbed with a wiki, for tests: started once, on ports of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dogfood.services import NAMES, Testbed, WikiOptions
from tests.servers import free_port

#: What a run on the wiki needs besides Python.
_PROGRAMS = ("php", "apt-get", "dpkg-deb")


def need(*programs: str) -> None:
    """Skip the test when one of *programs* is not installed; in CI that is a failure."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"{', '.join(missing)} not installed, and CI needs it")
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")


@contextmanager
def wiki_testbed(folder: Path, options: WikiOptions | None = None, names: tuple[str, ...] = NAMES) -> Iterator[Path]:
    """Run a testbed with a wiki in `folder/testbed` until the block ends; yield *folder*."""
    need(*_PROGRAMS)
    testbed = Testbed(folder / "testbed", options or WikiOptions())
    testbed.up({name: free_port() for name in names}, names)
    try:
        yield folder
    finally:
        testbed.down()


def call(folder: Path, *arguments: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Run `dogfood` with its testbed and runs in *folder*."""
    environment = {
        **os.environ,
        "DOGFOOD_TESTBED": str(folder / "testbed"),
        "DOGFOOD_RUNS": str(folder / "runs"),
        "COLUMNS": "160",
    }
    command = [sys.executable, "-c", "from dogfood.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, env=environment)


def urls_of_testbed(folder: Path) -> dict[str, str]:
    """Return the addresses of the services of the testbed in *folder*, by name."""
    return {state.name: f"http://127.0.0.1:{state.port}" for state in Testbed(folder / "testbed").status()}


def latest(folder: Path) -> dict[str, Any]:
    """Return the verdict on the latest run in *folder*."""
    content: dict[str, Any] = json.loads((folder / "runs" / "latest" / "verdict.json").read_text())
    return content


def check(verdict: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what the check *name* says."""
    found: dict[str, Any] = next(item for item in verdict["checks"] if item["name"] == name)
    return found
