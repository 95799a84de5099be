"""URLs are built by a library, so queries, ports and IPv6 hosts are kept."""

import re
from pathlib import Path

import pytest

from common.urls import join_path, strip_path, with_query
from dogfood.real.run_all import with_intake
from run_record.target import Target, TargetError
from traffic.locust_run.options import TrafficOptions
from traffic.sender.endpoint import Endpoint

ROOT = Path(__file__).resolve().parents[2]

INTAKES = {
    "http://127.0.0.1:8192/v1/events": "http://127.0.0.1:8192/v1/events?hasty=true",
    "http://127.0.0.1/v1/events?stream=a%20b": "http://127.0.0.1/v1/events?stream=a+b&hasty=true",
    "http://127.0.0.1/v1/events?hasty=false": "http://127.0.0.1/v1/events?hasty=true",
    "http://127.0.0.1/v1/events?hasty=1&hasty=1&x=": "http://127.0.0.1/v1/events?x=&hasty=true",
    "http://[::1]:8192/v1/events?x=y": "http://[::1]:8192/v1/events?x=y&hasty=true",
}


@pytest.mark.parametrize(("intake", "hasty"), INTAKES.items())
def test_query_is_kept_and_hasty_added_once(intake: str, hasty: str) -> None:
    assert with_query(intake, hasty="true") == hasty
    assert with_query(hasty, hasty="true") == hasty


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_sender_keeps_query_port_and_host(host: str) -> None:
    endpoint = Endpoint.of(f"http://{host}:8192/v1/events?x=y&hasty=true")
    assert (endpoint.authority, endpoint.path) == (f"{host}:8192", "/v1/events?x=y&hasty=true")
    assert Endpoint.of(f"http://{host}?x=y").path == "/?x=y"


@pytest.mark.parametrize(
    ("given", "intake"),
    [
        ("http://127.0.0.1:8192", "http://127.0.0.1:8192/v1/events"),
        ("http://127.0.0.1:8192/gate/", "http://127.0.0.1:8192/gate/v1/events"),
        ("http://127.0.0.1:8192?x=y", "http://127.0.0.1:8192/v1/events?x=y"),
        ("http://127.0.0.1:8192?to=/v1/events", "http://127.0.0.1:8192/v1/events?to=/v1/events"),
        ("http://127.0.0.1:8192/v1/events?x=y", "http://127.0.0.1:8192/v1/events?x=y"),
    ],
)
def test_missing_path_is_added_before_the_query(given: str, intake: str) -> None:
    assert with_intake(TrafficOptions(), given).intake == intake


@pytest.mark.parametrize("intake", ["http://me:secret@127.0.0.1/v1/events", "http://me@127.0.0.1/v1/events"])
def test_user_info_is_refused(intake: str) -> None:
    with pytest.raises(TargetError, match="not an address"):
        Target.read("local").at(intake=intake).egress()


def test_fragment_is_refused() -> None:
    with pytest.raises(TargetError, match="fragment, which is never sent: leave out #part"):
        Target.read("local").at(intake="http://127.0.0.1/v1/events#part").egress()


def test_paths_join_below_an_address() -> None:
    assert join_path("http://[::1]:1/a?x=y", "b c", "d/e") == "http://[::1]:1/a/b%20c/d/e?x=y"
    assert strip_path("http://[::1]:1/gate/v1/events?x=y", "/v1/events") == "http://[::1]:1/gate"


def test_no_query_is_glued_to_an_address() -> None:
    glued = re.compile(r"""(url|address|intake|mpic|wiki)\w*\}?\s*(\?|["']\s*\+|\+\s*f?["']\?)\w+=""")
    packages = ("analysis", "browser_scenarios", "common", "contracts", "dogfood", "personas", "run_record", "traffic")
    for package in packages:
        for path in (ROOT / package).rglob("*.py"):
            assert not glued.search(path.read_text(encoding="utf-8")), path
