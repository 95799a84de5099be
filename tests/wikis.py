"""A testbed with a wiki for tests, on free ports; accounts and pages are created once per test run."""

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

from common.ports import free_port
from dogfood.testbed_control.seed import accounts_file, seed_wiki
from dogfood.testbed_control.services import NAMES, Testbed, WikiOptions
from tests.jitter import skip_when_too_busy
from tests.shared import create_once

#: Programs that a run on the wiki needs.
_PROGRAMS = ("php", "apt-get", "dpkg-deb")


def need(*programs: str) -> None:
    """Skip the test when one of *programs* is not installed; in CI that is a failure."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"{', '.join(missing)} not installed, and CI needs it")
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")


def _make_seeded_testbed(folder: Path) -> None:
    """Download and install MediaWiki, and create its pages and accounts, as the first `dogfood up` does."""
    testbed = Testbed(folder)
    try:
        testbed.up({name: free_port() for name in NAMES})
        seed_wiki(testbed.wiki_dir)
    finally:
        testbed.down()


def seeded_testbed() -> Path:
    """Return the folder of a testbed whose wiki has pages and accounts; it must not be started."""
    need(*_PROGRAMS)
    return create_once("seeded-testbed", _make_seeded_testbed)


def copy_seeded_wiki(testbed: Path) -> None:
    """Put the unpacked MediaWiki and a copy of the seeded wiki into the folder *testbed*, unless it has a wiki."""
    seeded = seeded_testbed()
    if (testbed / "wiki").exists():
        return
    testbed.mkdir(parents=True, exist_ok=True)
    (testbed / "mediawiki").symlink_to(seeded / "mediawiki")
    shutil.copytree(seeded / "wiki", testbed / "wiki", ignore=shutil.ignore_patterns("extension-*", "cache"))
    (testbed / "wiki" / "cache").mkdir()
    assert accounts_file(testbed / "wiki").is_file()


@contextmanager
def wiki_testbed(folder: Path, options: WikiOptions | None = None, names: tuple[str, ...] = NAMES) -> Iterator[Path]:
    """Run a testbed with a copy of the seeded wiki in `folder/testbed` until the block ends; yield *folder*."""
    copy_seeded_wiki(folder / "testbed")
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
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, env=environment)
    skip_when_too_busy(done)
    return done


def urls_of_testbed(folder: Path) -> dict[str, str]:
    """Return the addresses of the services of the testbed in *folder*, by name."""
    return {state.name: f"http://127.0.0.1:{state.port}" for state in Testbed(folder / "testbed").status()}


def latest(folder: Path) -> dict[str, Any]:
    """Return the verdict on the latest run in *folder*."""
    content: dict[str, Any] = json.loads((folder / "runs" / "latest" / "verdict.json").read_text())
    return content


def check(verdict: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the result of the check *name*."""
    result: dict[str, Any] = next(item for item in verdict["checks"] if item["name"] == name)
    return result
