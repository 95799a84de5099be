"""Distribution of the tests over processes, and the services that exist once per process."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests import shared
from tests.brokers import RunningBroker, running_broker
from tests.spark import spark

__all__ = ["spark"]

# Machines are shared and noisy, so the duration of an example means nothing.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")

# A proxy in the environment must not stand between the tests and their own servers.
for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
    os.environ.pop(name, None)

# Budgets of targets are separate from those of the user who runs the tests.
os.environ["DOGFOOD_STATE"] = tempfile.mkdtemp(prefix="dogfood-state-")
atexit.register(shutil.rmtree, os.environ["DOGFOOD_STATE"], ignore_errors=True)


def pytest_configure(config: pytest.Config) -> None:
    if shared.create_folder():
        config.add_cleanup(shared.remove_folder)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Before xdist reads the marks.
    shared.put_into_groups(items)
    items[:] = shared.in_starting_order(items)


class ByGroup(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Sends all tests of a group, or of a file, to one process."""

    def _split_scope(self, nodeid: str) -> str:
        return shared.unit_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    if config.getoption("dist") != "loadgroup":
        return None
    # The order of the collection is the starting order.
    config.option.loadscopereorder = False
    return ByGroup(config, log)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """A broker for all tests. Each uses its own topics, or skips old messages, and restarts the broker after a kill."""
    with running_broker(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture(scope="session")
def documented_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for the commands of the documentation: a complete testbed, the locustfiles, and a run in `runs/`."""
    # Other tests do not need to import the testbed.
    from tests.documents import ROOT
    from tests.wikis import call, urls_of_testbed, wiki_testbed

    with wiki_testbed(tmp_path_factory.mktemp("documented")) as home:
        for name in ("locustfiles", "docs", "targets", "Makefile"):
            (home / name).symlink_to(ROOT / name)
        done = call(home, "up")
        assert done.returncode == 0, done.stderr
        urls = urls_of_testbed(home)
        # Locust reads its options from this file, because the testbed has other ports.
        (home / "locust.conf").write_text(
            f"intake = {urls['intake']}/v1/events\nmpic = {urls['mpic']}\nwiki-url = {urls['wiki']}\n"
        )
        # The accounts have their default path, because only one locustfile has the option.
        (home / ".testbed").symlink_to("testbed")
        done = call(home, "run", "--visitors", "2000", "--arrival-rate", "500")
        assert done.returncode == 0, done.stdout + done.stderr
        yield home
