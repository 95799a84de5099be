import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.intake import EventOutcome, IntakeError, check_reachable, first_reason, interpret

OK, INVALID, ERROR, UNKNOWN = EventOutcome.OK, EventOutcome.INVALID, EventOutcome.ERROR, EventOutcome.INDETERMINATE


def failures(**kinds: list[tuple[str | None, str]]) -> bytes:
    def failure(kind: str, event_id: str | None, why: str) -> dict[str, object]:
        event = {} if event_id is None else {"meta": {"id": event_id}}
        context = {"errorsText": why} if kind == "invalid" else {"message": why}
        return {"status": kind, "event": event, "context": context}

    return json.dumps({k: [failure(k, *item) for item in items] for k, items in kinds.items()}).encode()


def problem(title: str) -> bytes:
    return json.dumps({"status": 500, "type": "internal_error", "title": title, "detail": "bad"}).encode()


@pytest.mark.parametrize(
    ("status", "reason", "body", "count", "outcomes"),
    [
        (201, "All 1 out of 1 events were accepted.", b"", 1, [OK]),
        (201, "All 3 out of 3 events were accepted.", b"", 3, [OK, OK, OK]),
        (207, "…", failures(invalid=[("1", "'.test' should be string")], error=[]), 3, [OK, INVALID, OK]),
        (207, "…", failures(invalid=[], error=[("1", "Failed loading schema")]), 2, [OK, ERROR]),
        (400, "…", failures(invalid=[("0", "a"), ("1", "b")]), 2, [INVALID, INVALID]),
        (500, "…", failures(invalid=[("0", "a")], error=[("1", "b")]), 2, [INVALID, ERROR]),
        (400, "Request body was empty.", b"", 1, [INVALID]),
        (500, "…", failures(invalid=[], error=[(None, "Field(s) $schema were missing")]), 1, [ERROR]),
        (500, "Internal Server Error", problem("SyntaxError"), 1, [ERROR]),
        (500, "…", failures(invalid=[], error=[(None, "Field(s) $schema were missing")] * 3), 3, [ERROR] * 3),
        (500, "Internal Server Error", problem("PayloadTooLargeError"), 2, [ERROR, ERROR]),
        (500, "Internal Server Error", problem("UnsupportedMediaTypeError"), 1, [ERROR]),
        (400, "…", failures(invalid=[("0", "'.meta' should have required property 'stream'")]), 1, [INVALID]),
        (400, "", b"", 1, [INVALID]),
        (500, "…", json.dumps({"title": ""}).encode(), 1, [ERROR]),
        (500, "", b"", 1, [ERROR]),
        (202, "1 events hastily received.", b"", 1, [UNKNOWN]),
        (202, "2 events hastily received.", b"", 2, [UNKNOWN, UNKNOWN]),
        (None, "", b"", 1, [UNKNOWN]),
        (200, "OK", b"", 1, [UNKNOWN]),
        (413, "Payload Too Large", b"", 1, [UNKNOWN]),
        (None, "timed out", b"", 2, [UNKNOWN, UNKNOWN]),
        (404, "Not Found", b"", 1, [UNKNOWN]),
        (502, "Bad Gateway", b"<html>", 1, [UNKNOWN]),
        (207, "…", b"not json", 1, [UNKNOWN]),
        (207, "…", failures(invalid=[(None, "who?")], error=[]), 2, [UNKNOWN, UNKNOWN]),
        (207, "…", failures(invalid=[("1", "a"), (None, "who?")], error=[]), 3, [UNKNOWN, INVALID, UNKNOWN]),
        (207, "…", failures(invalid=[("1", "a"), ("other", "b")], error=[]), 2, [UNKNOWN, INVALID]),
    ],
)
def test_every_response_decides_every_event(
    status: int | None, reason: str, body: bytes, count: int, outcomes: list[EventOutcome]
) -> None:
    result = interpret(status, reason, body, [str(i) for i in range(count)])
    assert [answer.outcome for answer in result] == outcomes
    assert all(bool(answer.reason) is (answer.outcome is not OK) for answer in result)


def test_each_refused_event_has_its_reason() -> None:
    body = failures(invalid=[("0", "'.page.id' should be integer")], error=[("1", "Failed loading schema at /x/1.0.0")])
    assert first_reason("…", body) == "'.page.id' should be integer"
    assert first_reason("Bad Gateway", b"<html>") == "Bad Gateway"
    first, second = interpret(500, "…", body, ["0", "1"])
    assert first.reason == "'.page.id' should be integer"
    assert second.reason == "Failed loading schema at /x/1.0.0"


def test_a_problem_of_the_request_is_named() -> None:
    [answer] = interpret(500, "Internal Server Error", problem("SyntaxError"), ["0"])
    assert answer.reason == "SyntaxError: bad"


def test_a_reason_is_one_short_line() -> None:
    body = failures(invalid=[("0", "no\n" * 1000)])
    [answer] = interpret(400, "…", body, ["0"])
    assert answer.reason.startswith("no no no")
    assert len(answer.reason) <= 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.sampled_from(["invalid", "error", "event", "meta", "id", "context", "title"]), children)
    ),
    max_leaves=8,
)


@given(
    st.none() | st.sampled_from([201, 202, 207, 400, 404, 500]) | st.integers(100, 599),
    st.text(max_size=20),
    st.binary(max_size=20) | JSON.map(lambda content: json.dumps(content).encode()),
    st.lists(st.text(max_size=3), unique=True, max_size=4),
)
def test_any_response_decides_every_event(status: int | None, reason: str, body: bytes, event_ids: list[str]) -> None:
    result = interpret(status, reason, body, event_ids)
    assert len(result) == len(event_ids)
    for answer in result:
        assert bool(answer.reason) is (answer.outcome is not OK)
        assert answer.outcome is not OK or status in (201, 207)


def test_an_intake_with_any_response_is_reachable() -> None:
    seen: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(f"{request.method} {request.url}")
        return httpx.Response(404)

    check_reachable("http://127.0.0.1/v1/events", transport=httpx.MockTransport(handle))
    assert seen == ["OPTIONS http://127.0.0.1/v1/events"]


def test_an_unreachable_intake_is_one_clear_line() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(IntakeError, match=r"the intake at http://127\.0\.0\.1/v1/events does not answer"):
        check_reachable("http://127.0.0.1/v1/events", transport=httpx.MockTransport(handle))
