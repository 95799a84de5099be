"""Fixtures of MPIC in this process, and valid configs."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from contracts.generation import Generation
from contracts.mpic_client import MpicClient
from personas.example_experiment import example_experiment, example_instrument
from testbed.mpic.app import create_app
from testbed.mpic.store import Store
from tests.testbed.mpic.browser import Browser, InProcess

BASE = "http://127.0.0.1"
HEADERS = {"X-Requested-With": "dogfood"}


class Clock:
    """A clock that advances by a second each time it is read."""

    def __init__(self) -> None:
        self.now = datetime(2025, 2, 1, 12, 0, 0, 250_000, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    result = Store(tmp_path / "mpic.sqlite", Clock())
    yield result
    result.close()


@pytest.fixture
def client(store: Store) -> Iterator[httpx.Client]:
    with httpx.Client(transport=InProcess(create_app(store)), base_url=BASE) as result:
        yield result


@pytest.fixture
def browser(client: httpx.Client) -> Browser:
    return Browser(client)


@pytest.fixture
def mpic(store: Store) -> Iterator[MpicClient]:
    with MpicClient(BASE, transport=InProcess(create_app(store))) as result:
        yield result


def config(kind: str, **changes: object) -> dict[str, object]:
    """Return the example config of a kind (`alpha`, `xlab`, `instrument`) with changes; None removes a field."""
    base = example_instrument() if kind == "instrument" else example_experiment(Generation(kind))
    return {name: value for name, value in {**base, **changes}.items() if value is not None}


def path(kind: str, slug: str = "dogfood-ctr") -> str:
    """Return the API's path of a config of a kind."""
    return f"/api/v1/{'instruments' if kind == 'instrument' else 'experiments'}/{slug}"
