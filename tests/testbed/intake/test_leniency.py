"""Inputs that a real EventGate accepts and a strict parser would not, and inputs that it rejects."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

import testbed
from contracts.schemas import SchemaRegistry
from testbed.intake.eventgate import EventGate, Request, fill
from testbed.intake.stream_configs import StreamConfigFile
from tests.servers import Server, serving
from tests.testbed.intake.test_contract import STREAM, invalid, post, valid

STREAM_CONFIGS = Path(testbed.__file__).with_name("stream_configs.json")
WEB_BASE = "/analytics/product_metrics/web/base/1.3.0"
MAX_BODY = 100_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("intake")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    options = ("--stream-dir", str(folder / "stream"), "--max-body", str(MAX_BODY))
    with serving("testbed.intake", *options, log=folder / "log") as running:
        yield running


def raw(text: bytes) -> bytes:
    """Return a valid event with *text* as the value of a field of text."""
    return json.dumps(valid(element_id="@")).encode().replace(b'"@"', text)


def written(folder: Path) -> list[dict[str, Any]]:
    """Return the accepted events, parsed with a strict JSON parser."""
    [segment] = (folder / "stream" / f"eqiad.{STREAM}").iterdir()
    return [json.loads(line.decode()) for line in segment.read_bytes().splitlines()]


TIMES = [
    "2025-02-30T00:00:00Z", "2025-13-01T00:00:00Z", "2025-01-01 00:00:00Z", "2025-01-01T24:00:00Z",
    "2025-01-01T00:00:00+0000", "2025-01-01T00:00:00+00", "2025-01-01t23:59:60z",
]  # fmt: skip


@pytest.mark.parametrize("time", TIMES)
def test_times_are_checked_by_a_loose_pattern(server: Server, time: str) -> None:
    event = valid(dt=time, meta={"stream": STREAM, "dt": time}, performer={"registration_dt": time})
    assert post(server, event).status_code == 201


@pytest.mark.parametrize(
    "time", ["", "2025-01-01", "2025-01-01T00:00:00", "2025-21-01T00:00:00Z", "x2025-01-01T00:00:00Z"]
)
def test_text_unlike_a_time_is_invalid(server: Server, time: str) -> None:
    answer = post(server, valid(dt=time))
    assert answer.status_code == 400
    assert answer.json()["invalid"][0]["context"]["errorsText"] == "'.dt' should match format \"date-time\""


@pytest.mark.parametrize(
    ("uri", "status"),
    [("é", 201), ("http://[::1", 201), ("%zz", 201), ("a b", 400), ("\\x", 400), ("#a#b", 201), ("", 201)],
)
def test_addresses_are_checked_by_a_loose_pattern(server: Server, uri: str, status: int) -> None:
    assert post(server, valid(meta={"stream": STREAM, "uri": uri})).status_code == status


@pytest.mark.parametrize("text", [b'"\\ud800"', b'"\xff"', b'"\xed\xa0\x80"', b'"\\udc00\\ud800"'])
def test_broken_text_becomes_replacement_characters(server: Server, folder: Path, text: bytes) -> None:
    assert post(server, raw(text)).status_code == 201
    assert set(written(folder)[-1]["element_id"]) == {"\ufffd"}


def test_surrogate_pairs_are_kept(server: Server, folder: Path) -> None:
    assert post(server, raw(b'"\\ud83d\\ude00\xff"')).status_code == 201
    assert written(folder)[-1]["element_id"] == "\U0001f600\ufffd"


def test_a_byte_order_mark_is_skipped(server: Server) -> None:
    assert post(server, b"\xef\xbb\xbf" + json.dumps(valid()).encode()).status_code == 201


def test_utf_16_is_read(server: Server) -> None:
    body = json.dumps(valid()).encode("utf-16")
    assert post(server, body, **{"content-type": "text/plain;charset=utf-16"}).status_code == 201


@pytest.mark.parametrize("uri", [f"{WEB_BASE}/", f"{WEB_BASE}#", f"/{WEB_BASE}", f"{WEB_BASE}?x=1"])
def test_schema_uris_are_normalized(server: Server, uri: str) -> None:
    assert post(server, valid(**{"$schema": uri})).status_code == 201


@pytest.mark.parametrize("number", [b"1E400", b"-1E400", b"1" * 5_000])
def test_huge_numbers_affect_only_their_event(server: Server, number: bytes) -> None:
    answer = post(server, b"[" + raw(number) + b"," + json.dumps(valid()).encode() + b"]")
    assert answer.status_code == 207
    assert answer.json()["invalid"][0]["context"]["errorsText"] == "'.element_id' should be string"


@pytest.mark.parametrize("text", [b"NaN", b"Infinity", b"01", b'"\t"', b"'x'"])
def test_invalid_javascript_json_is_a_problem(server: Server, text: bytes) -> None:
    answer = post(server, raw(text))
    assert (answer.status_code, answer.json()["title"]) == (500, "SyntaxError")


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json;", 400), ("text/plain; charset", 400), ("json", 400), ("text/plain, application/json", 400),
        ("text/plain ; charset=utf-8", 201), ('text/plain; a=b; charset="UTF-8"', 201),
        ("text/plain; charset=UTF8", 500), ("text/plain; charset=latin1", 500),
    ],
)  # fmt: skip
def test_content_types_are_read_by_their_grammar(server: Server, kind: str, status: int) -> None:
    assert post(server, valid(), **{"content-type": kind}).status_code == status


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("hasty[]=a", 202),
        ("hasty[a]=b", 202),
        ("hasty%5B%5D=a", 202),
        ("hasty=&hasty=", 202),
        ("hasty=", 201),
        ("Hasty=1", 201),
    ],
)
def test_hasty_is_any_value_but_an_empty_one(server: Server, query: str, status: int) -> None:
    assert post(server, valid(), f"?{query}").status_code == status


EVENT = json.dumps(valid()).encode()


@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [
        ("gzip", gzip.compress(EVENT, mtime=0) + gzip.compress(EVENT, mtime=0), 500),
        ("gzip", gzip.compress(EVENT, mtime=0) + gzip.compress(b" ", mtime=0), 201),
        ("gzip", gzip.compress(EVENT, mtime=0) + b"junk", 500),
        ("gzip", gzip.compress(EVENT, mtime=0) + b"\0" * 512, 201),
        ("gzip", gzip.compress(b"", mtime=0), 400),
        ("gzip", zlib.compress(EVENT), 500),
        ("deflate", zlib.compress(EVENT), 201),
        ("deflate", gzip.compress(EVENT, mtime=0), 500),
    ],
)
def test_packed_bodies_are_read_as_node_reads_them(server: Server, coding: str, body: bytes, status: int) -> None:
    assert post(server, body, **{"content-encoding": coding}).status_code == status


@pytest.mark.parametrize(("kind", "status"), [("text/html", 400), ("application/json;", 400), ("text/plain", 500)])
def test_unread_bodies_have_no_size_limit(server: Server, kind: str, status: int) -> None:
    body = b"[" + b" " * MAX_BODY + b"]"
    assert post(server, body, **{"content-type": kind}).status_code == status


def nested(depth: int, field: str) -> bytes:
    nest = b'{"a":' * depth + b"1" + b"}" * depth
    return (
        json.dumps(valid(**{field: "@", "meta": {"stream": STREAM, "id": f"deep-{depth}"}}))
        .encode()
        .replace(b'"@"', nest)
    )


@pytest.mark.parametrize("depth", [260, 500, 1_100, 5_000])
@pytest.mark.parametrize("field", ["page", "http", "experiments", "unknown"])
def test_a_deep_event_is_an_error_alone(server: Server, depth: int, field: str) -> None:
    answer = post(server, b"[" + EVENT + b"," + nested(depth, field) + b"," + EVENT + b"]")
    assert answer.reason_phrase == "2 out of 3 events were accepted, but 1 failed (0 invalid and 1 errored)."
    [failure] = answer.json()["error"]
    assert "nested too deeply" in failure["context"]["message"]
    assert failure["event"]["meta"]["id"] == f"deep-{depth}"


@pytest.mark.parametrize("query", ["", "?hasty=1"])
def test_a_deep_event_behind_202_leaves_its_neighbours(server: Server, folder: Path, query: str) -> None:
    mark = f"neighbour-{query}"
    good = json.dumps(valid(element_id=mark)).encode()
    post(server, b"[" + nested(5_000, "page") + b"," + good + b"]", query)
    # Requests are written in order: a later response means that the events before it are written.
    while not any(event.get("element_id") == mark for event in written(folder)):
        assert post(server, valid()).status_code == 201


def test_brackets_without_an_end_are_a_problem(server: Server) -> None:
    answer = post(server, b"[" * 20_000)
    assert (answer.status_code, answer.json()["title"]) == (500, "SyntaxError")
    assert post(server, valid()).status_code == 201


class RecordingProducer:
    """A producer that records its batches."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, int]] = []

    async def produce(self, topic: str, events: Sequence[bytes]) -> Mapping[int, str]:
        self.batches.append((topic, len(events)))
        return {}

    def close(self) -> None:
        """Nothing is open."""


def test_other_requests_run_during_a_long_body() -> None:
    gate = EventGate(SchemaRegistry(), StreamConfigFile(STREAM_CONFIGS), RecordingProducer(), "eqiad", fill)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def junk() -> None:
        other = asyncio.create_task(others())
        answer = await gate.take([None] * 10_000, Request("", ""))
        other.cancel()
        assert answer.status == 500

    asyncio.run(junk())
    assert turns > 10_000 / 256


def test_errored_and_invalid_events_are_reported() -> None:
    producer = RecordingProducer()
    gate = EventGate(SchemaRegistry(), StreamConfigFile(STREAM_CONFIGS), producer, "eqiad", fill)
    events = [
        None,
        {},
        {"$schema": "/no/such/1.0.0", "meta": 1},
        {"$schema": [1]},
        valid(**{"$schema": "x"}),
        invalid(),
        valid(),
    ]
    asyncio.run(gate.take(events, Request("", "")))
    assert sum(count for topic, count in producer.batches if "error" in topic) == 6


def test_the_service_stays_up(server: Server) -> None:
    assert httpx.get(f"{server.url}/healthz", trust_env=False).status_code == 200
    assert server.process.poll() is None
