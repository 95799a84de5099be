"""Folders that the processes of a test run share, and groups of tests that run in one process."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

_FOLDER = "DOGFOOD_TESTS_SHARED"

#: Services too slow to start twice, and the fixtures whose tests share them: such tests run in one process.
GROUPS = {"kafka": ("broker", "kafka_home"), "spark": ("spark",)}

#: Files whose tests use these fixtures start first, in this order: what takes longest must not begin last.
START_FIRST = ("played", "play", "wiki_home", "wiki", "kafka_home", "broker", "spark", "home")


def create_folder() -> bool:
    """Create the folder of this test run, unless a parent process did; return whether it was created here."""
    if _FOLDER in os.environ:
        return False
    os.environ[_FOLDER] = tempfile.mkdtemp(prefix="dogfood-tests-")
    return True


def remove_folder() -> None:
    """Remove the folder of this test run."""
    shutil.rmtree(os.environ.pop(_FOLDER), ignore_errors=True)


def create_once(name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that the first process fills with *make* while the others wait."""
    folder = Path(os.environ[_FOLDER]) / name
    done = folder.with_suffix(".done")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


def put_into_groups(items: Sequence[pytest.Item]) -> None:
    """Mark the tests that use a fixture of a group, unless they name their group themselves."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            used = _fixtures(item)
            for group, fixtures in GROUPS.items():
                if used.intersection(fixtures):
                    item.add_marker(pytest.mark.xdist_group(group))
                    break


def in_starting_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return *items* with the files that take longest first; the order within a file stays."""
    ranks: dict[Path, int] = {}
    for item in items:
        rank = next((i for i, name in enumerate(START_FIRST) if name in _fixtures(item)), len(START_FIRST))
        ranks[item.path] = min(rank, ranks.get(item.path, rank))
    return sorted(items, key=lambda item: ranks[item.path])


def unit_of(nodeid: str) -> str:
    """Return the unit of distribution of a test: its group, which xdist appends after an @, or its file."""
    return nodeid.rpartition("@")[2] if nodeid.rfind("@") > nodeid.rfind("]") else nodeid.partition("::")[0]


def _fixtures(item: pytest.Item) -> set[str]:
    return set(getattr(item, "fixturenames", ()))
