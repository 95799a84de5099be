"""A separate testbed for the tests of the command line, and calls of the command."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from common.ports import free_port
from dogfood.testbed_control.services import Testbed
from tests.jitter import skip_when_too_busy

Call = Callable[..., subprocess.CompletedProcess[str]]

WITHOUT_WIKI = ("mpic", "intake")


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a running testbed in `testbed/`, and `runs/`."""
    folder = tmp_path_factory.mktemp("home")
    testbed = Testbed(folder / "testbed")
    testbed.up({"mpic": free_port(), "intake": free_port()}, WITHOUT_WIKI)
    yield folder
    testbed.down()


def call_in(folder: Path, *arguments: str, stdin: str = "", timeout: float = 240) -> subprocess.CompletedProcess[str]:
    """Run `dogfood` with its testbed and runs in *folder*."""
    code = "from dogfood.cli import main; main()"
    environment = {
        "DOGFOOD_TESTBED": str(folder / "testbed"),
        "DOGFOOD_RUNS": str(folder / "runs"),
        "PATH": "/usr/bin:/bin",
        "COLUMNS": "120",
    }
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", code, *arguments]
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False, env=environment
    )
    skip_when_too_busy(done)
    return done


@pytest.fixture
def dogfood(home: Path) -> Call:
    """Call the command line against the shared testbed."""

    def call(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return call_in(home, *arguments, stdin=stdin)

    return call
