"""Shared by all tests: configs, plans and the testbed's services."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.brokers import RunningBroker, running_broker

# Machines are shared and noisy: how long an example takes says nothing.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")

# A proxy in the environment must not stand between the tests and their own servers.
for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
    os.environ.pop(name, None)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """A broker that all tests share; each makes its own topics, or skips what is there."""
    with running_broker(tmp_path_factory.mktemp("broker")) as running:
        yield running
