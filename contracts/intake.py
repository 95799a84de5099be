"""What an answer of EventGate means for each event of the request (contract: eventgate-http.md)."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import httpx
import orjson

from common.egress import LOOPBACK, Egress
from common.errors import DogfoodError
from common.http import open_client


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


class IntakeError(DogfoodError):
    """The intake does not answer at all."""

    page = "docs/guide/troubleshooting.md"


class _Failures(NamedTuple):
    """What the body of an answer says of events that were not accepted.

    Attributes:
        named: by the `meta.id` of the event that the body repeats.
        unnamed: those whose event has no id, such as `null`, and problems of the request as a whole.
    """

    named: Mapping[str, EventAnswer]
    unnamed: Sequence[EventAnswer]


_OK = EventAnswer(EventOutcome.OK)
_LONGEST_REASON = 300


def interpret(status: int | None, reason: str, body: bytes, event_ids: Sequence[str]) -> tuple[EventAnswer, ...]:
    """Return an answer for each event of a request, in the order they were sent. Raises nothing.

    EventGate tells which events failed by repeating them, so they are found by their `meta.id`. In a partial failure
    an event that is not repeated was accepted – unless some failure carries none of the ids that were sent: that one
    could be any of them, and all events not named are indeterminate.

    Args:
        status: of the HTTP answer, None when none came.
        reason: the answer's reason phrase, or what happened to the connection.
        body: of the answer.
        event_ids: `meta.id` of each event that was sent, each once.
    """
    if status == 201:
        return (_OK,) * len(event_ids)
    if status == 202:
        return (EventAnswer(EventOutcome.INDETERMINATE, "answered before validation"),) * len(event_ids)
    if status not in (207, 400, 500):
        what = f"unexpected answer {status} {reason}" if status else reason or "no answer"
        return (EventAnswer(EventOutcome.INDETERMINATE, _short(what)),) * len(event_ids)
    failures = _failures(body)
    rest = _of_unnamed(status, reason, failures, event_ids)
    return tuple(failures.named.get(event_id, rest) for event_id in event_ids)


def check_reachable(
    url: str, egress: Egress = LOOPBACK, *, timeout_s: float = 5.0, transport: httpx.BaseTransport | None = None
) -> None:
    """See whether anything answers HTTP where events are posted to; sends no event.

    Args:
        url: where events are posted to.
        egress: the policy for connections; this machine only by default.
        timeout_s: seconds to wait for an answer.
        transport: how the request is made; for tests.

    Raises:
        IntakeError: nothing answers.
    """
    try:
        with open_client(egress, timeout_s=timeout_s, transport=transport) as client:
            client.options(url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise IntakeError(f"the intake at {url} does not answer ({error}): is it up? `dogfood status` tells") from error


def first_reason(reason: str, body: bytes) -> str:
    """Return why the first failed event of an answer failed: as *body* says, else the *reason* phrase."""
    failures = _failures(body)
    return next((answer.reason for answer in (*failures.named.values(), *failures.unnamed)), reason)


def _of_unnamed(status: int, reason: str, failures: _Failures, event_ids: Sequence[str]) -> EventAnswer:
    """Return what became of the events that the answer does not name by their ids."""
    if status == 207:
        # A failure that names an id nobody sent is as good as one without a name.
        stray = [*failures.unnamed, *(failures.named[key] for key in failures.named.keys() - set(event_ids))]
        if failures.named and not stray:
            return _OK
        why = f"some event failed, the answer does not tell which: {stray[0].reason}" if stray else "failures not named"
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
