"""The sender's loop: what is due into the ledger and onto the wire, what comes back into the ledger and the tally."""

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from metrics_platform.intake import EventAnswer, EventOutcome, first_reason, interpret
from run_record.ledger import Span, intent_row, outcome_row
from run_record.tally import TallyKeeper
from traffic.governor import Governor
from traffic.sender.agenda import Agenda, Due
from traffic.sender.wire import Outcome

#: Requests that are written into the ledger and put on the wire in one go.
BURST = 32

_TIDY_US = 100_000
_LONGEST_WAIT_S = 0.02

#: The poll's clock ticks in milliseconds; what is due within one is waited for in shorter naps.
_TICK_US, _NAP_S = 1_100, 0.0002

#: With less time than this until the next request nothing else is begun, unless ready events run short.
_SPARE_US = 500

_BEFORE_VALIDATION = interpret(202, "", b"", [""])[0]


class Ledger(Protocol):
    """What the engine needs of a ledger; see `run_record.ledger.LedgerWriter`."""

    def reserve(self, count: int) -> int:
        """Return the first of *count* numbers."""

    def append(self, row: bytes) -> None:
        """Append rows in one write. Raises LedgerError."""


class Connections(Protocol):
    """What the engine needs of the wire; see `traffic.sender.wire.Wire`."""

    @property
    def under_way(self) -> int:
        """How many requests wait for an answer."""

    @property
    def free(self) -> int:
        """How many requests could be sent now."""

    def send(self, request: bytes, tag: object) -> int:
        """Put a request on the wire; return when that was."""

    def poll(self, timeout_s: float) -> Sequence[Outcome]:
        """Wait at most so long; return what became of requests."""

    def tidy(self) -> None:
        """Give up what has waited too long."""


class Engine:
    """Plays what the agenda has, to its end.

    Args:
        agenda: what is due when.
        wire: to the intake.
        ledger: written before the wire.
        tally: where everything is counted.
        head: of each request, up to `Content-Length: `.
        zero_us: the schedule's zero on the clock.
        started_ms: the same moment, milliseconds since 1970.
        clock: microseconds, never going back.
        patience_us: a request that found no connection for so long is dropped.
        governor: keeps the target's ceilings, whatever is due.
    """

    def __init__(
        self,
        agenda: Agenda,
        wire: Connections,
        ledger: Ledger,
        tally: TallyKeeper,
        *,
        head: bytes,
        zero_us: int,
        started_ms: int,
        clock: Callable[[], int],
        patience_us: int,
        governor: Governor | None = None,
    ) -> None:
        self._agenda = agenda
        self._wire = wire
        self._ledger = ledger
        self._tally = tally
        self._head = head
        self._zero_us = zero_us
        self._started_ms = started_ms
        self._clock = clock
        self._patience_us = patience_us
        self._governor = governor or Governor.free()
        self._held_until_us = 0
        self._waiting: deque[Due] = deque()
        self._tidied_us = 0
        self._stopping = False
        self.failures: Counter[str] = Counter()

    def now_us(self) -> int:
        """Return microseconds since the schedule's zero; less than 0 before it."""
        return self._clock() - self._zero_us

    @property
    def is_over(self) -> bool:
        """Whether everything was sent, and answered or given up."""
        done = self._stopping or self._agenda.is_over
        return done and not self._waiting and not self._wire.under_way

    def stop(self) -> None:
        """Take up nothing more; what is on the wire may still be answered."""
        self._stopping = True
        self._drop(len(self._waiting))

    def step(self) -> None:
        """Do what there is to do now, or wait a moment for it."""
        now = self.now_us()
        if not self._stopping:
            self._take(now)
        if self._can_send(now):
            self._send(now)
        if outcomes := self._wire.poll(self._wait_s()):
            self._take_down(outcomes)
        if now - self._tidied_us > _TIDY_US:
            self._tidied_us = now
            self._wire.tidy()
            stale = next((n for n, due in enumerate(self._waiting) if due.intended_us > now - self._patience_us), None)
            self._drop(len(self._waiting) if stale is None else stale)

    def _can_send(self, now: int) -> bool:
        return bool(self._waiting and self._wire.free and now >= self._held_until_us)

    def _take(self, now: int) -> None:
        for due in self._agenda.take(now, BURST):
            self._tally.taken(due.intended_us, now - due.intended_us, len(due.events))
            self._waiting.append(due)

    def _wait_s(self) -> float:
        """Return how long the poll may wait; use the time to make events ready."""
        if self._stopping:
            return _LONGEST_WAIT_S
        if self._waiting and self._wire.free:
            held = (self._held_until_us - self.now_us()) / 1e6
            return min(held, _LONGEST_WAIT_S) if held > 0 else 0.0
        due, now = self._agenda.next_us(), self.now_us()
        slack = _LONGEST_WAIT_S * 1e6 if due is None else due - now
        if (slack > _SPARE_US or self._agenda.is_short(now)) and self._agenda.prepare():
            return 0.0
        if slack <= 0:
            # Due, but it waits for events of blocks that are still to be lent.
            return 0.0 if self._agenda.has_due(now) else _NAP_S
        if slack < _TICK_US:
            time.sleep(min(slack / 1e6, _NAP_S))
            return 0.0
        return min((slack - _TICK_US) / 1e6 + 0.0001, _LONGEST_WAIT_S)

    def _send(self, now: int) -> None:
        count = min(len(self._waiting), self._wire.free, BURST)
        go = self._let_through(count, now)
        if not go:
            return
        number = self._ledger.reserve(len(go))
        self._ledger.append(b"".join(self._intents(go, number, now)))
        for place, due in enumerate(go):
            events = due.events
            body = events[0].body if len(events) == 1 else b"[%b]" % b",".join([event.body for event in events])
            tag = [number + place, due, now]
            tag[2] = self._wire.send(b"%b%d\r\n\r\n%b" % (self._head, len(body), body), tag) - self._zero_us

    def _let_through(self, most: int, now: int) -> list[Due]:
        """Return the next requests that the target's ceilings allow now; what they never allow is dropped."""
        go: list[Due] = []
        while len(go) < most and self._waiting:
            wait_s = self._governor.wait(len(self._waiting[0].events), now / 1e6)
            if math.isinf(wait_s):
                self._drop(len(self._waiting), "ceiling")
            elif wait_s > 0:
                self._held_until_us = now + int(wait_s * 1e6)
                break
            else:
                go.append(self._waiting.popleft())
        return go

    def _intents(self, go: Sequence[Due], number: int, now: int) -> list[bytes]:
        started, sent_ms = self._started_ms, self._started_ms + now // 1000
        rows = []
        for place, (intended_us, events) in enumerate(go):
            intended_ms = started + intended_us // 1000
            if len(events) == 1:
                visit, position, *_ = events[0]
                rows.append(
                    b'{"intent":%d,"events":[[%d,%d,1]],"intended_ms":%d,"sent_ms":%d}\n'
                    % (number + place, visit, position, intended_ms, sent_ms)
                )
            else:
                spans = [Span(event.visit, event.position, 1) for event in events]
                rows.append(intent_row(number + place, spans, intended_ms=intended_ms, sent_ms=sent_ms))
        return rows

    def _take_down(self, outcomes: Sequence[Outcome]) -> None:
        rows = []
        for outcome in outcomes:
            number, due, sent_us = cast("tuple[int, Due, int]", outcome.tag)
            at_us, events, response = outcome.at_us - self._zero_us, len(due.events), outcome.response
            at_ms = self._started_ms + at_us // 1000
            if response is not None and response.status == 201 and events == 1:
                rows.append(b'{"outcome":%d,"answered_ms":%d,"status":201,"answers":"ok"}\n' % (number, at_ms))
                self._tally.done(due.intended_us, sent_us, at_us, 1, 1, 0)
                continue
            answers, failed = self._judge(outcome, due)
            status = None if response is None else response.status
            rows.append(outcome_row(number, answers, status=status, at_ms=at_ms))
            accepted = sum(answer.outcome is EventOutcome.OK for answer in answers)
            answered_us = -1 if response is None else at_us
            self._tally.done(due.intended_us, sent_us, answered_us, events, accepted, failed)
        self._ledger.append(b"".join(rows))

    def _judge(self, outcome: Outcome, due: Due) -> tuple[Sequence[EventAnswer], int]:
        """Return an answer for each event, and how many failed; take down why."""
        response, events = outcome.response, len(due.events)
        if response is None:
            self._tally.error(outcome.problem, events)
            reason = f"no answer: {outcome.problem}, {outcome.detail}"
            self.failures[reason] += 1
            return interpret(None, reason, b"", [event.id for event in due.events]), events
        if response.status == 202:
            return (_BEFORE_VALIDATION,) * events, 0
        answers = interpret(response.status, response.reason, response.body, [event.id for event in due.events])
        failed = sum(answer.outcome is not EventOutcome.OK for answer in answers)
        if failed:
            self._tally.error(str(response.status), failed)
        if response.status != 201:
            self.failures[f"{response.status}: {first_reason(response.reason, response.body)}"] += 1
        return answers, failed

    def _drop(self, count: int, why: str = "dropped") -> None:
        for _ in range(count):
            due = self._waiting.popleft()
            self._tally.done(due.intended_us, -1, -1, len(due.events), 0, len(due.events))
            self._tally.error(why, len(due.events))
