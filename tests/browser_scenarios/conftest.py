"""One testbed with a wiki, on which all scenarios are played once."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wikis import call, wiki_testbed

#: Funnels of each way of leaving, and readers.
USERS = 3


@pytest.fixture(scope="package")
def wiki_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a running testbed, the wiki among it."""
    with wiki_testbed(tmp_path_factory.mktemp("wiki")) as folder:
        yield folder


@pytest.fixture(scope="package")
def played(wiki_home: Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The folder of a run in which all scenarios were played, and what was printed."""
    done = call(wiki_home, "browse", "--users", str(USERS), timeout=900)
    return (wiki_home / "runs" / "latest").resolve(), done
