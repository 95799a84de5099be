"""Interpret a response of EventGate for each event of the request (contract: eventgate-http.md)."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import httpx
import orjson

from common.egress import LOOPBACK, Egress
from common.errors import DogfoodError
from common.http import open_client


class EventOutcome(StrEnum):
    """The outcome of an event, as far as the sender knows it.

    OK: accepted and produced. INVALID: refused by validation. ERROR: not accepted for another reason. INDETERMINATE:
    the sender cannot know: hasty (202), no response, a broken connection, or a response outside the contract.
    """

    OK = "ok"
    INVALID = "invalid"
    ERROR = "error"
    INDETERMINATE = "indeterminate"


class EventAnswer(NamedTuple):
    """The outcome of one event, and the reason, which is empty for an accepted event."""

    outcome: EventOutcome
    reason: str = ""


class IntakeError(DogfoodError):
    """The intake does not respond."""

    page = "docs/guide/troubleshooting.md"


class _Failures(NamedTuple):
    """The failures in the body of a response.

    Attributes:
        named: failures by the `meta.id` of the event that the body repeats.
        unnamed: failures of events without an id, such as `null`, and of the request as a whole.
    """

    named: Mapping[str, EventAnswer]
    unnamed: Sequence[EventAnswer]


_OK = EventAnswer(EventOutcome.OK)
_LONGEST_REASON = 300


def interpret(status: int | None, reason: str, body: bytes, event_ids: Sequence[str]) -> tuple[EventAnswer, ...]:
    """Return the outcome of each event of a request, in the order they were sent. Raises nothing.

    EventGate repeats the events that failed, so `meta.id` identifies them. In a partial failure an event that is not
    repeated was accepted. The exception is a failure without an id that was sent: it could be any event, so all
    events that are not named are indeterminate.

    Args:
        status: HTTP status of the response; None without a response.
        reason: the response's reason phrase, or the error of the connection.
        body: body of the response.
        event_ids: `meta.id` of each event of the request, each once.
    """
    if status == 201:
        return (_OK,) * len(event_ids)
    if status == 202:
        return (EventAnswer(EventOutcome.INDETERMINATE, "answered before validation"),) * len(event_ids)
    if status not in (207, 400, 500):
        why = f"unexpected answer {status} {reason}" if status else reason or "no answer"
        return (EventAnswer(EventOutcome.INDETERMINATE, _short(why)),) * len(event_ids)
    failures = _failures(body)
    rest = _of_unnamed(status, reason, failures, event_ids)
    return tuple(failures.named.get(event_id, rest) for event_id in event_ids)


def check_reachable(
    url: str, egress: Egress = LOOPBACK, *, timeout_s: float = 5.0, transport: httpx.BaseTransport | None = None
) -> None:
    """Check that a server answers HTTP at the intake; no event is sent.

    Args:
        url: address to which events are posted.
        egress: the policy for connections; this machine only by default.
        timeout_s: seconds to wait for a response.
        transport: replaces the network, for tests.

    Raises:
        IntakeError: no response.
    """
    try:
        with open_client(egress, timeout_s=timeout_s, transport=transport) as client:
            client.options(url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise IntakeError(f"the intake at {url} does not answer ({error}): is it up? See `dogfood status`") from error


def first_reason(reason: str, body: bytes) -> str:
    """Return the reason of the first failed event in *body*; *reason* when it has none."""
    failures = _failures(body)
    return next((answer.reason for answer in (*failures.named.values(), *failures.unnamed)), reason)


def _of_unnamed(status: int, reason: str, failures: _Failures, event_ids: Sequence[str]) -> EventAnswer:
    """Return the outcome of the events that the response does not name by their ids."""
    if status == 207:
        # A failure with an id that was not sent is treated like one without an id.
        stray = [*failures.unnamed, *(failures.named[key] for key in failures.named.keys() - set(event_ids))]
        if failures.named and not stray:
            return _OK
        why = f"some event failed, the answer does not name it: {stray[0].reason}" if stray else "failures not named"
        return EventAnswer(EventOutcome.INDETERMINATE, _short(why))
    if failures.unnamed and not failures.named:
        return failures.unnamed[0]
    outcome = EventOutcome.INVALID if status == 400 else EventOutcome.ERROR
    return EventAnswer(outcome, _short(reason))


def _failures(body: bytes) -> _Failures:
    try:
        content: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        content = None
    named: dict[str, EventAnswer] = {}
    unnamed: list[EventAnswer] = []
    if not isinstance(content, Mapping):
        return _Failures(named, unnamed)
    if "title" in content:
        problem = f"{content['title']}: {content.get('detail', '')}".rstrip(": ")
        unnamed.append(EventAnswer(EventOutcome.ERROR, _short(problem)))
    for key, outcome in (("invalid", EventOutcome.INVALID), ("error", EventOutcome.ERROR)):
        failures = content.get(key)
        for failure in failures if isinstance(failures, list) else []:
            answer = EventAnswer(outcome, _reason(failure))
            event_id = _get(failure, "event", "meta", "id")
            if isinstance(event_id, str):
                named[event_id] = answer
            else:
                unnamed.append(answer)
    return _Failures(named, unnamed)


def _reason(failure: object) -> str:
    return _short(str(_get(failure, "context", "errorsText") or _get(failure, "context", "message") or ""))


def _short(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_REASON] or "no reason given"


def _get(value: object, *path: str) -> object:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
