"""What an answer of EventGate means for each event of the request (contract: eventgate-http.md)."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import orjson


class EventOutcome(StrEnum):
    """What the sender knows of an event.

    OK: accepted and produced. INVALID: refused, and why. ERROR: not accepted for another reason. INDETERMINATE: the
    sender cannot know: hasty (202), no answer, a broken connection, or an answer that the contract does not have.
    """

    OK = "ok"
    INVALID = "invalid"
    ERROR = "error"
    INDETERMINATE = "indeterminate"


class EventAnswer(NamedTuple):
    """What became of one event, and why (empty when it was accepted)."""

    outcome: EventOutcome
    reason: str = ""


_OK = EventAnswer(EventOutcome.OK)
_MAX_REASON = 300


def interpret(status: int | None, reason: str, body: bytes, event_ids: Sequence[str]) -> tuple[EventAnswer, ...]:
    """Return an answer for each event of a request, in the order they were sent.

    Args:
        status: of the HTTP answer, None when none came.
        reason: the answer's reason phrase, or what happened to the connection.
        body: of the answer.
        event_ids: `meta.id` of each event. EventGate names failed events by repeating them; an event that is not
            named in a partial failure was accepted. An answer that repeats an event without a known id cannot be
            told from the others, so all events that are not named are indeterminate then.
    """
    if status == 201:
        return (_OK,) * len(event_ids)
    if status == 202:
        return (EventAnswer(EventOutcome.INDETERMINATE, "answered before validation"),) * len(event_ids)
    if status not in (207, 400, 500):
        what = f"unexpected answer {status} {reason}" if status else reason or "no answer"
        return (EventAnswer(EventOutcome.INDETERMINATE, what[:_MAX_REASON]),) * len(event_ids)
    failures, unnamed = _failures(body)
    return tuple(failures.get(event_id) or _unnamed(status, reason, unnamed, failures) for event_id in event_ids)


def _unnamed(
    status: int, reason: str, unnamed: Sequence[EventAnswer], failures: Mapping[str, EventAnswer]
) -> EventAnswer:
    """Return what became of an event that the answer does not name by its id."""
    if status == 207:
        if failures and not unnamed:
            return _OK
        return EventAnswer(EventOutcome.INDETERMINATE, unnamed[0].reason if unnamed else "failed events not named")
    if unnamed and not failures:
        return unnamed[0]
    outcome = EventOutcome.INVALID if status == 400 else EventOutcome.ERROR
    return EventAnswer(outcome, reason[:_MAX_REASON])


def _failures(body: bytes) -> tuple[dict[str, EventAnswer], list[EventAnswer]]:
    """Return the failed events of *body* by id, and those that have no id."""
    try:
        content: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}, []
    named: dict[str, EventAnswer] = {}
    unnamed: list[EventAnswer] = []
    if not isinstance(content, Mapping):
        return named, unnamed
    if "title" in content:
        what = f"{content['title']}: {content.get('detail', '')}".strip(": ")
        unnamed.append(EventAnswer(EventOutcome.ERROR, what[:_MAX_REASON]))
    for key, outcome in (("invalid", EventOutcome.INVALID), ("error", EventOutcome.ERROR)):
        failures = content.get(key)
        for failure in failures if isinstance(failures, list) else []:
            answer = EventAnswer(outcome, _reason(failure))
            event_id = _get(failure, "event", "meta", "id")
            if isinstance(event_id, str):
                named[event_id] = answer
            else:
                unnamed.append(answer)
    return named, unnamed


def _reason(failure: object) -> str:
    text = _get(failure, "context", "errorsText") or _get(failure, "context", "message") or "no reason given"
    return str(text)[:_MAX_REASON]


def _get(value: object, *path: str) -> object:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
