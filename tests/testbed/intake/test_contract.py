"""Every row of the contract eventgate-http.md, against the running intake."""

import gzip
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from testbed.stream.segments import OpenTopic, SegmentReader
from tests.servers import Server, serving

STREAM = "product_metrics.web_base"
ERRORS = "eqiad.eventgate-analytics-external.error.validation"
TEXT = {"content-type": "text/plain;charset=UTF-8"}
MAX_BODY = 20_000

Event = dict[str, Any]


class Running(NamedTuple):
    """A running intake, and a function that opens its topics."""

    server: Server
    open_topic: OpenTopic


@pytest.fixture(scope="module", params=["segments", pytest.param("kafka", marks=pytest.mark.xdist_group("kafka"))])
def intake(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("intake")
    options = ("--stream-dir", str(folder / "stream"))
    open_topic: OpenTopic = partial(SegmentReader, folder / "stream")
    if request.param == "kafka":
        bootstrap = request.getfixturevalue("broker").bootstrap
        from contracts.kafka import KafkaReader

        options, open_topic = ("--kafka", bootstrap), partial(KafkaReader, bootstrap)
    with serving("testbed.intake", *options, "--max-body", str(MAX_BODY), log=folder / "log") as running:
        yield Running(running, open_topic)


@pytest.fixture
def server(intake: Running) -> Server:
    return intake.server


class Stream:
    """Events that the intake has written since the test began."""

    def __init__(self, open_topic: OpenTopic) -> None:
        self._readers = {topic: open_topic(topic) for topic in (f"eqiad.{STREAM}", ERRORS)}
        for reader in self._readers.values():
            list(reader.read())

    def fresh(self, topic: str = f"eqiad.{STREAM}") -> list[Event]:
        return [json.loads(line) for batch in self._readers[topic].read() for line in batch.lines]


@pytest.fixture
def stream(intake: Running) -> Stream:
    return Stream(intake.open_topic)


def valid(**changes: object) -> Event:
    return {
        "$schema": "/analytics/product_metrics/web/base/1.3.0",
        "action": "click",
        "agent": {"client_platform": "mediawiki_js"},
        "meta": {"stream": STREAM, "domain": "test.wikipedia.org"},
        **changes,
    }


def invalid() -> Event:
    return valid(page={"id": "one"})


def unknown() -> Event:
    return valid(**{"$schema": "/no/such/1.0.0"})


def post(server: Server, body: object, query: str = "", **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(
        f"{server.url}/v1/events{query}", content=content, headers={**TEXT, **headers}, trust_env=False, timeout=60
    )


@pytest.mark.parametrize("count", [1, 3])
def test_valid_events_are_accepted(server: Server, stream: Stream, count: int) -> None:
    answer = post(server, valid() if count == 1 else [valid()] * count)
    assert answer.status_code == 201
    assert answer.reason_phrase == f"All {count} out of {count} events were accepted."
    assert answer.content == b""
    assert len(stream.fresh()) == count


def test_two_valid_and_one_invalid(server: Server, stream: Stream) -> None:
    answer = post(server, [valid(), invalid(), valid()])
    assert answer.status_code == 207
    assert answer.reason_phrase == "2 out of 3 events were accepted, but 1 failed (1 invalid and 0 errored)."
    body = answer.json()
    assert body["error"] == []
    assert body["invalid"][0]["status"] == "invalid"
    assert body["invalid"][0]["context"]["errorsText"] == "'.page.id' should be integer"
    assert len(stream.fresh()) == 2


def test_one_valid_and_one_of_an_unknown_schema(server: Server, stream: Stream) -> None:
    answer = post(server, [valid(), unknown()])
    assert answer.status_code == 207
    [failure] = answer.json()["error"]
    assert failure["status"] == "error"
    assert failure["context"] == {"message": "Failed loading schema at /no/such/1.0.0"}
    assert failure["event"]["$schema"] == "/no/such/1.0.0"
    assert len(stream.fresh()) == 1


def test_all_invalid(server: Server, stream: Stream) -> None:
    answer = post(server, [invalid(), invalid()])
    assert answer.status_code == 400
    assert answer.reason_phrase == "2 out of 2 events were invalid and not accepted."
    assert answer.json().keys() == {"invalid"}
    assert len(answer.json()["invalid"]) == 2
    assert stream.fresh() == []


def test_none_accepted_and_one_error(server: Server, stream: Stream) -> None:
    answer = post(server, [invalid(), unknown()])
    assert answer.status_code == 500
    what = "2 out of 2 events had failures and were not accepted. (1 invalid and 1 errored)."
    assert answer.reason_phrase == what
    assert {kind: len(items) for kind, items in answer.json().items()} == {"invalid": 1, "error": 1}
    assert stream.fresh() == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{}"])
@pytest.mark.parametrize("query", ["", "?hasty=true"])
def test_nothing_is_an_empty_body(server: Server, stream: Stream, body: bytes, query: str) -> None:
    answer = post(server, body, query)
    assert answer.status_code == 400
    assert answer.reason_phrase == "Request body was empty. Must provide JSON encoded events."
    assert stream.fresh() == []


@pytest.mark.parametrize("body", [[{}], [None], [1], [{"a": 1}], {"a": 1}, ["x"], [[]], {"$schema": 5}])
def test_no_schema_is_an_error(server: Server, stream: Stream, body: object) -> None:
    answer = post(server, body)
    assert answer.status_code == 500
    message = "Field(s) $schema were missing from event and could not be extracted."
    assert answer.json()["error"][0]["context"]["message"] == message
    assert stream.fresh() == []


@pytest.mark.parametrize("body", [b"not json", b'{"a":', b"1", b'"text"', b"null", b"true", b"\xff"])
@pytest.mark.parametrize("query", ["", "?hasty=true"])
def test_other_json_values_are_a_problem(server: Server, stream: Stream, body: bytes, query: str) -> None:
    answer = post(server, body, query)
    assert answer.status_code == 500
    problem = answer.json()
    assert (problem["status"], problem["type"], problem["title"]) == (500, "internal_error", "SyntaxError")
    assert stream.fresh() == []


def test_a_missing_stream_is_invalid(server: Server, stream: Stream) -> None:
    answer = post(server, valid(meta={"domain": "x"}))
    assert answer.status_code == 400
    text = answer.json()["invalid"][0]["context"]["errorsText"]
    assert text == "'.meta' should have required property 'stream'"
    assert stream.fresh() == []


@pytest.mark.parametrize("query", ["?hasty=true", "?hasty=1", "?hasty=false", "?x=y&hasty=no"])
def test_hasty_requests_get_a_response_before_validation(server: Server, stream: Stream, query: str) -> None:
    answer = post(server, [valid(), invalid(), unknown()], query)
    assert answer.status_code == 202
    assert answer.reason_phrase == "3 events hastily received."
    assert answer.content == b""
    landed = _soon(stream.fresh)
    assert [event["action"] for event in landed] == ["click"]
    report, other = _soon(lambda: stream.fresh(ERRORS))
    assert other["message"] == "Failed loading schema at /no/such/1.0.0"
    assert json.loads(other["raw_event"])["$schema"] == other["errored_schema_uri"] == "/no/such/1.0.0"
    assert report["message"] == "'.page.id' should be integer"
    assert json.loads(report["raw_event"])["page"] == {"id": "one"}
    assert report["errored_stream_name"] == STREAM
    assert report["errored_schema_uri"] == "/analytics/product_metrics/web/base/1.3.0"


def _soon(read: Callable[[], list[Event]]) -> list[Event]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if text := read():
            return text
        time.sleep(0.01)
    return []


@pytest.mark.parametrize("query", ["?hasty=", "?hasty", "?hastily=true"])
def test_an_empty_hasty_is_ignored(server: Server, query: str) -> None:
    assert post(server, valid(), query).status_code == 201


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/json", "application/reports+json", "application/json; charset=utf-8", "TEXT/PLAIN"],
)
def test_json_comes_under_several_types(server: Server, stream: Stream, kind: str) -> None:
    assert post(server, valid(), **{"content-type": kind}).status_code == 201
    assert len(stream.fresh()) == 1


def test_gzip_is_unpacked(server: Server, stream: Stream) -> None:
    body = gzip.compress(json.dumps(valid()).encode())
    assert post(server, body, **{"content-encoding": "gzip"}).status_code == 201
    assert len(stream.fresh()) == 1


@pytest.mark.parametrize("kind", ["", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_another_type_counts_as_an_empty_body(server: Server, stream: Stream, kind: str) -> None:
    answer = post(server, valid(), **{"content-type": kind})
    assert answer.status_code == 400
    assert answer.reason_phrase.startswith("Request body was empty.")
    assert stream.fresh() == []


@pytest.mark.parametrize(
    ("headers", "body", "title"),
    [
        ({"content-type": "text/plain;charset=latin1"}, b"{}", "UnsupportedMediaTypeError"),
        ({"content-encoding": "br"}, b"{}", "UnsupportedMediaTypeError"),
        ({}, b"[" + b" " * MAX_BODY + b"]", "PayloadTooLargeError"),
        ({"content-encoding": "gzip"}, gzip.compress(b" " * (MAX_BODY + 1), mtime=0), "PayloadTooLargeError"),
        ({"content-encoding": "gzip"}, b"no gzip", "Error"),
        ({"content-encoding": "gzip"}, gzip.compress(b"{}", mtime=0)[:-9], "Error"),
    ],
)
def test_bodies_that_cannot_be_read(
    server: Server, stream: Stream, headers: dict[str, str], body: bytes, title: str
) -> None:
    answer = post(server, body, **headers)
    assert answer.status_code == 500
    assert answer.json()["title"] == title
    assert stream.fresh() == []


@pytest.mark.parametrize("query", ["", "?hasty=true"])
def test_a_deep_event_does_not_affect_others(server: Server, stream: Stream, query: str) -> None:
    nest = b'{"a":' * 300 + b"1" + b"}" * 300
    deep = json.dumps(valid(experiments={"x": 0})).encode().replace(b'"x": 0', b'"x": ' + nest)
    answer = post(server, b"[" + deep + b"," + json.dumps(valid()).encode() + b"]", query)
    assert answer.status_code == (202 if query else 207)
    assert len(_soon(stream.fresh)) == 1
    if not query:
        assert "nested too deeply" in answer.json()["error"][0]["context"]["message"]


def test_about_itself(server: Server) -> None:
    answer = httpx.get(f"{server.url}/_info", trust_env=False)
    assert answer.status_code == 200
    assert answer.json().keys() == {"name", "version", "description", "home"}
    spec = httpx.get(f"{server.url}/?spec", trust_env=False).json()
    assert spec["openapi"].startswith("3.")
    assert "/v1/events" in spec["paths"]


def test_test_events_go_end_to_end(server: Server, stream: Stream) -> None:
    answer = httpx.get(f"{server.url}/v1/_test/events", trust_env=False)
    assert answer.status_code == 201
    [event] = stream.fresh()
    assert event["meta"]["domain"] == "canary"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_not_found(server: Server, method: str) -> None:
    assert httpx.request(method, f"{server.url}/v1/events", trust_env=False).status_code == 404


def test_options_and_every_answer_allow_other_origins(server: Server) -> None:
    answers = [
        httpx.options(f"{server.url}/v1/events", trust_env=False),
        post(server, valid()),
        post(server, invalid()),
        post(server, valid(), "?hasty=true"),
        post(server, b"not json"),
        httpx.get(f"{server.url}/nowhere", trust_env=False),
    ]
    assert [answer.status_code for answer in answers] == [200, 201, 400, 202, 500, 404]
    assert {answer.headers["access-control-allow-origin"] for answer in answers} == {"*"}


def test_missing_fields_are_filled_in(server: Server, stream: Stream) -> None:
    assert post(server, valid(), **{"user-agent": "Tester/1"}).status_code == 201
    [event] = stream.fresh()
    assert event["meta"].keys() == {"stream", "domain", "dt", "id", "request_id"}
    assert event["meta"]["dt"].endswith("Z")
    assert len(event["meta"]["id"]) == 36
    assert event["http"] == {"request_headers": {"user-agent": "Tester/1"}}


def test_existing_fields_are_kept(server: Server, stream: Stream) -> None:
    meta = {"stream": STREAM, "dt": "2025-01-31T14:30:00Z", "id": "mine", "request_id": "r"}
    http = {"request_headers": {"user-agent": "Mine"}}
    assert post(server, [valid(meta=meta, http=http)] * 2).status_code == 201
    first, second = stream.fresh()
    assert first == second == valid(meta=meta, http=http)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (valid(meta={"stream": "no.such.stream"}), "is not a configured stream"),
        (valid(meta="x"), "'.meta' should be object"),
    ],
)
def test_events_without_a_configured_stream_are_invalid(
    server: Server, stream: Stream, event: Event, message: str
) -> None:
    answer = post(server, event)
    assert answer.status_code == 400
    assert message in answer.json()["invalid"][0]["context"]["errorsText"]
    assert stream.fresh() == []


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:1/analytics/product_metrics/web/base/1.3.0", "/analytics/../../secret/1.0.0", "//x/1.0.0"]
)
def test_schemas_are_never_fetched(server: Server, uri: str) -> None:
    answer = post(server, valid(**{"$schema": uri}))
    assert answer.status_code == 500
    assert answer.json()["error"][0]["context"]["message"] == f"Failed loading schema at {uri}"


def test_another_schema_title_than_the_streams_is_invalid(tmp_path: Path) -> None:
    configs = tmp_path / "streams.json"
    configs.write_text(json.dumps({"streams": {STREAM: {"schema_title": "analytics/other"}}}))
    arguments = ("--stream-dir", str(tmp_path / "s"), "--stream-configs", str(configs))
    with serving("testbed.intake", *arguments, log=tmp_path / "log") as server:
        answer = post(server, valid())
        assert answer.status_code == 400
        assert "is not the stream's" in answer.json()["invalid"][0]["context"]["errorsText"]
        configs.write_text(json.dumps({"streams": {STREAM: {"schema_title": "analytics/product_metrics/web/base"}}}))
        deadline = time.monotonic() + 60
        while post(server, valid()).status_code != 201:
            assert time.monotonic() < deadline, "a changed file of stream configs was not read again"
            time.sleep(0.1)
