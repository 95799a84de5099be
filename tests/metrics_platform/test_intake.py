import json

import pytest

from metrics_platform.intake import EventOutcome, first_reason, interpret

OK, INVALID, ERROR, UNKNOWN = EventOutcome.OK, EventOutcome.INVALID, EventOutcome.ERROR, EventOutcome.INDETERMINATE


def failures(**kinds: list[tuple[str | None, str]]) -> bytes:
    def failure(kind: str, event_id: str | None, why: str) -> dict[str, object]:
        event = {} if event_id is None else {"meta": {"id": event_id}}
        context = {"errorsText": why} if kind == "invalid" else {"message": why}
        return {"status": kind, "event": event, "context": context}

    return json.dumps({k: [failure(k, *item) for item in items] for k, items in kinds.items()}).encode()


PROBLEM = json.dumps({"status": 500, "type": "internal_error", "title": "SyntaxError", "detail": "bad"}).encode()


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
        (500, "Internal Server Error", PROBLEM, 1, [ERROR]),
        (202, "1 events hastily received.", b"", 1, [UNKNOWN]),
        (None, "timed out", b"", 2, [UNKNOWN, UNKNOWN]),
        (404, "Not Found", b"", 1, [UNKNOWN]),
        (502, "Bad Gateway", b"<html>", 1, [UNKNOWN]),
        (207, "…", b"not json", 1, [UNKNOWN]),
        (207, "…", failures(invalid=[(None, "who?")], error=[]), 2, [UNKNOWN, UNKNOWN]),
    ],
)
def test_every_answer_means_something_for_every_event(
    status: int | None, reason: str, body: bytes, count: int, outcomes: list[EventOutcome]
) -> None:
    found = interpret(status, reason, body, [str(i) for i in range(count)])
    assert [answer.outcome for answer in found] == outcomes
    assert all(bool(answer.reason) is (answer.outcome is not OK) for answer in found)


def test_the_reason_of_a_refused_event_is_its_own() -> None:
    body = failures(invalid=[("0", "'.page.id' should be integer")], error=[("1", "Failed loading schema at /x/1.0.0")])
    assert first_reason("…", body) == "'.page.id' should be integer"
    assert first_reason("Bad Gateway", b"<html>") == "Bad Gateway"
    first, second = interpret(500, "…", body, ["0", "1"])
    assert first.reason == "'.page.id' should be integer"
    assert second.reason == "Failed loading schema at /x/1.0.0"
