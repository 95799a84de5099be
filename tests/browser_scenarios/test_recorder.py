"""The recorder in front of the intake: events are in the ledger before they are forwarded."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from browser_scenarios.recorder import Recorder
from common.egress import Egress
from common.ports import free_port
from run_record.ledger.files import LedgerWriter, read_ledger
from run_record.rate_limit import RateLimiter
from run_record.target import Ceilings
from tests.common.echo import Moving, two_hosts
from tests.servers import serving

EVENT = {
    "$schema": "/analytics/product_metrics/web/base/1.3.0", "action": "impression", "funnel_entry_token": "ab" * 10,
    "funnel_event_sequence_position": 1, "dt": "2025-01-31T14:30:00.000Z",
    "agent": {"client_platform": "mediawiki_js", "client_platform_family": "desktop_browser"},
    "performer": {"id": 7, "pageview_id": "cd" * 10}, "meta": {"stream": "product_metrics.web_base", "domain": "x"},
}  # fmt: skip
HEADERS = {"content-type": "text/plain;charset=UTF-8", "user-agent": "Tester/1"}


@pytest.fixture(scope="module")
def intake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("intake")
    with serving("testbed.intake", "--stream-dir", str(folder / "stream"), log=folder / "log") as server:
        yield server.url


@pytest.fixture
def recorder(intake: str, tmp_path: Path) -> Iterator[Recorder]:
    yield from recording(intake, tmp_path)


def recording(intake: str, folder: Path) -> Iterator[Recorder]:
    with LedgerWriter(folder, "browser") as ledger:
        recorder = Recorder(ledger, intake, lambda user_id: {7: 70}.get(user_id, 99))
        recorder.start()
        try:
            yield recorder
        finally:
            recorder.close()


def post(recorder: Recorder, content: str, query: str = "?hasty=true") -> httpx.Response:
    url = f"http://127.0.0.1:{recorder.port}/v1/events{query}"
    return httpx.post(url, content=content, headers=HEADERS, trust_env=False)


def test_a_beacon_reaches_ledger_and_intake(recorder: Recorder, tmp_path: Path) -> None:
    body = json.dumps(EVENT)
    answer = post(recorder, body)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (202, "*")
    click = json.dumps({**EVENT, "action": "click", "funnel_event_sequence_position": 2})
    assert post(recorder, click, "").status_code == 201
    sent = read_ledger(tmp_path)
    assert sent.visit.tolist() == [70, 70]
    assert sent.position.tolist() == [0, 1]
    assert sent.status.tolist() == [202, 201]
    # Byte for byte, because the ledger is compared with the table later.
    assert sent.bodies == {(70, 0): body.encode(), (70, 1): click.encode()}
    assert [recorder.count("cd" * 10, action) for action in ("impression", "click")] == [1, 1]


def test_unknown_users_get_the_anonymous_visit(recorder: Recorder, tmp_path: Path) -> None:
    stranger = {**EVENT, "performer": {"id": 8}}
    nameless = {name: value for name, value in EVENT.items() if name != "performer"}
    assert post(recorder, json.dumps([EVENT, stranger, nameless])).status_code == 202
    sent = read_ledger(tmp_path)
    assert sorted(sent.bodies) == [(70, 0), (99, 0), (99, 1)]
    assert [item.pageview_id for item in recorder.events()] == ["cd" * 10, "", ""]


@pytest.mark.parametrize("content", ["no json", "[]", "[1]", "7", ""])
def test_invalid_bodies_are_forwarded_and_counted(recorder: Recorder, tmp_path: Path, content: str) -> None:
    answer = post(recorder, content)
    assert answer.status_code in (400, 500, 202)
    assert recorder.unreadable == 1
    assert len(read_ledger(tmp_path).visit) == 0


def test_isolated_events_are_not_forwarded(recorder: Recorder, tmp_path: Path) -> None:
    recorder.isolated = True
    assert post(recorder, json.dumps(EVENT)).status_code == 202
    assert len(recorder.events("cd" * 10)) == 1
    assert len(read_ledger(tmp_path).visit) == 0


def test_without_an_intake_events_are_indeterminate(tmp_path: Path) -> None:
    for recorder in recording(f"http://127.0.0.1:{free_port()}", tmp_path):
        assert post(recorder, json.dumps(EVENT)).status_code == 502
    sent = read_ledger(tmp_path)
    assert (sent.status.tolist(), len(sent.bodies)) == ([0], 1)


def test_other_requests_are_forwarded(recorder: Recorder) -> None:
    base = f"http://127.0.0.1:{recorder.port}"
    assert httpx.get(f"{base}/_info", trust_env=False).json()["name"]
    assert httpx.options(f"{base}/v1/events", trust_env=False).status_code == 200


def test_settling_waits_for_quiet(recorder: Recorder) -> None:
    post(recorder, json.dumps(EVENT))
    asyncio.run(recorder.settle(0.05, 5.0))
    assert len(recorder.events()) == 1


def test_the_ledger_has_the_event_of_an_array(recorder: Recorder, tmp_path: Path) -> None:
    assert post(recorder, json.dumps([EVENT])).status_code == 202
    [body] = read_ledger(tmp_path).bodies.values()
    assert json.loads(body) == EVENT


def test_a_moved_intake_is_not_followed(tmp_path: Path) -> None:
    with two_hosts() as (first, second), LedgerWriter(tmp_path, "browser") as ledger:
        egress = Egress.resolve("mine", ["intake.example"], resolver=Moving("127.0.0.2", "127.0.0.3"))
        upstream = f"http://intake.example:{first.server_port}"
        with closing(Recorder(ledger, upstream, lambda _: 1, egress=egress)) as recorder:
            recorder.start()
            for _ in range(3):
                assert post(recorder, json.dumps(EVENT)).status_code == 200
        assert [item.body for item in first.requests] == [json.dumps(EVENT).encode()] * 3
        assert second.requests == []


def test_events_beyond_the_ceiling_are_not_sent(tmp_path: Path) -> None:
    with two_hosts() as (first, _), LedgerWriter(tmp_path, "browser") as ledger:
        rate_limiter = RateLimiter(Ceilings(events=2), start_s=None)
        with closing(Recorder(ledger, first.url, lambda _: 1, rate_limiter=rate_limiter)) as recorder:
            recorder.start()
            assert [post(recorder, json.dumps(EVENT)).status_code for _ in range(3)] == [200, 200, 503]
            assert recorder.held_back == 1
        assert len(first.requests) == 2
        # Events that were not sent have no intent.
        assert len(read_ledger(tmp_path).visit) == 2
