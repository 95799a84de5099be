"""A testbed with a wiki, on which all scenarios are played once."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wikis import call, wiki_testbed

#: Users, and funnels of each way of leaving.
USERS = 3


@pytest.fixture(scope="package")
def wiki_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a folder with a running testbed that includes the wiki."""
    with wiki_testbed(tmp_path_factory.mktemp("wiki")) as folder:
        yield folder


@pytest.fixture(scope="package")
def played(wiki_home: Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Play all scenarios in one run; return the run's folder and the finished process."""
    done = call(wiki_home, "browse", "--users", str(USERS), timeout=900)
    return (wiki_home / "runs" / "latest").resolve(), done
