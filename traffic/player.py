"""Plays a plan: at each event's intended time it is written into the ledger and put on the wire."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from metrics_platform.intake import EventAnswer, interpret
from personas.blocks import PlannedEvent
from run_record.ledger import LedgerWriter, Span
from traffic.schedule import Schedule


class HttpAnswer(NamedTuple):
    """What came back for one request: status None when nothing did, *reason* then says what happened."""

    status: int | None
    reason: str
    body: bytes


class Post(Protocol):
    """Puts one request on the wire."""

    def __call__(self, body: bytes) -> HttpAnswer:
        """Post *body*. Never raises for what the network does."""


class Player:
    """Plays the events of one worker. Several greenlets may share it.

    Args:
        schedule: which event is next.
        ledger: written before the wire.
        started_ms: wall time of the schedule's zero, milliseconds since 1970.
        batch_size: the most events in one request.
        sleep: waits some seconds; gevent's, under Locust.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        schedule: Schedule,
        ledger: LedgerWriter,
        *,
        started_ms: int,
        batch_size: int,
        sleep: Callable[[float], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._schedule = schedule
        # Getting more visits from the master may switch greenlets in the middle of the schedule's work.
        self._taking = threading.Lock()
        self._ledger = ledger
        self._started_ms = started_ms
        self._batch_size = batch_size
        self._sleep = sleep
        self._clock = clock

    def play_next(self, post: Post) -> Sequence[EventAnswer] | None:
        """Wait for the next events' time, send them as one request, and write down what became of them.

        Returns:
            An answer for each event, or None when there is nothing left to send.
        """
        events = self._take()
        if not events:
            return None
        # A batch goes when its last event has happened, as a client's queue does.
        intended_ms = self._started_ms + events[-1].offset_ms
        self._sleep(max(0.0, intended_ms / 1000 - self._clock()))
        body = events[0].body if len(events) == 1 else b"[" + b",".join([event.body for event in events]) + b"]"
        spans = [Span(event.visit, event.position, 1) for event in events]
        request = self._ledger.intend(spans, intended_ms=intended_ms, sent_ms=self._now_ms())
        answer = post(body)
        answers = interpret(answer.status, answer.reason, answer.body, [event.id for event in events])
        self._ledger.answered(request, answers, status=answer.status, at_ms=self._now_ms())
        return answers

    def _take(self) -> list[PlannedEvent]:
        events: list[PlannedEvent] = []
        with self._taking:
            while len(events) < self._batch_size and (event := self._schedule.next()) is not None:
                events.append(event)
        return events

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
