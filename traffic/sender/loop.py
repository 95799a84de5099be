"""The sender's loop: what is due into the ledger and onto the wire, what comes back into the ledger and the tally."""

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Protocol

from contracts.intake import EventAnswer, EventOutcome, first_reason, interpret
from run_record.ledger.files import intents_row, outcome_row, outcomes_row
from run_record.load_report.counters import LoadCounters
from run_record.rate_limit import RateLimiter
from traffic.sender.concurrency import ConcurrencyLimit
from traffic.sender.connection_pool import RequestResult
from traffic.sender.queue import DueRequests, RequestBatch, SendQueue

#: Requests that are written into the ledger and put on the wire in one go.
BURST = 32

_TIDY_US = 100_000
_LONGEST_WAIT_S = 0.02

#: The poll's clock ticks in milliseconds; what is due within one is waited for in shorter naps.
_TICK_US, _NAP_US = 1_100, 200

#: Where so many more are due within a nap they are waited for and sent together: waking up costs as much as sending.
_TOGETHER = 4

#: With less time than this until the next request nothing else is begun, unless ready events run short.
_SPARE_US = 500

_BEFORE_VALIDATION = interpret(202, "", b"", [""])[0]


class Ledger(Protocol):
    """What the engine needs of a ledger; see `run_record.ledger.files.LedgerWriter`."""

    def reserve(self, count: int) -> int:
        """Return the first of *count* numbers."""

    def append(self, row: bytes) -> None:
        """Append rows in one write. Raises LedgerError."""


class Connections(Protocol):
    """What the engine needs of the wire; see `traffic.sender.connection_pool.Wire`."""

    @property
    def under_way(self) -> int:
        """How many requests wait for an answer."""

    @property
    def free(self) -> int:
        """How many requests could be sent now."""

    def send(self, requests: Iterable[bytes], tags: Iterable[object]) -> None:
        """Put requests on the wire."""

    def poll(self, timeout_s: float) -> Sequence[RequestResult]:
        """Wait at most so long; return what became of requests."""

    def reap(self) -> None:
        """Give up what has waited too long."""

    def abandon(self) -> Sequence[RequestResult]:
        """Return an outcome without an answer for each request that is under way."""


class SendLoop:
    """Plays what the agenda has, to its end.

    Args:
        agenda: what is due when.
        wire: to the intake.
        ledger: written before the wire.
        tally: where everything is counted.
        zero_us: the schedule's zero on the clock.
        started_ms: the same moment, milliseconds since 1970.
        clock: microseconds, never going back.
        request_timeout_us: a request that found no connection for so long is dropped.
        governor: keeps the target's ceilings, whatever is due.
        places: how many visits may be under way at the same time; without it there is no limit.
    """

    def __init__(
        self,
        agenda: SendQueue,
        wire: Connections,
        ledger: Ledger,
        tally: LoadCounters,
        *,
        zero_us: int,
        started_ms: int,
        clock: Callable[[], int],
        request_timeout_us: int,
        governor: RateLimiter | None = None,
        places: ConcurrencyLimit | None = None,
    ) -> None:
        self._agenda = agenda
        self._wire = wire
        self._ledger = ledger
        self._tally = tally
        self._zero_us = zero_us
        self._started_ms = started_ms
        self._clock = clock
        self._patience_us = request_timeout_us
        self._governor = governor or RateLimiter.unlimited()
        self._places = places
        self._held_until_us = 0
        self._is_shut = False
        self._waiting: deque[DueRequests] = deque()
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
        held_back = self._places is not None and not self._places.is_empty
        return done and not (self._waiting or held_back or self._wire.under_way)

    def stop(self) -> None:
        """Take up nothing more; what is on the wire may still be answered."""
        self._stopping = True
        self._drop_all()
        if self._places is not None:
            now = self.now_us()
            for due in self._places.drain():
                self._count_taken(due, now)
                self._drop(due, "dropped")

    def abandon(self) -> None:
        """Count what is still on the wire as sent and unanswered. Its intents stay without outcomes in the ledger."""
        for outcome in self._wire.abandon():
            for (_, stretch, place), sent_us in zip(outcome.tags, outcome.sent_us, strict=True):
                intended_us, size = stretch.intended_us[place], stretch.size
                self._tally.done([intended_us], [sent_us - self._zero_us], -1, size, 0, size)
                self._tally.error(outcome.problem, size)

    def step(self) -> None:
        """Do what there is to do now, or wait a moment for it."""
        rows = self._record_results(self._wire.poll(self._wait_s()))
        now = self.now_us()
        if not self._stopping:
            self._take(now)
        go = self._admit(now) if self._can_send(now) else []
        numbers = [self._ledger.reserve(due.end - due.begin) for due in go]
        sent_ms = self._started_ms + now // 1000
        rows += [self._intents(due, number, sent_ms) for due, number in zip(go, numbers, strict=True)]
        if rows:
            self._ledger.append(b"".join(rows))
        for (stretch, begin, end, _), number in zip(go, numbers, strict=True):
            tags = zip(range(number, number + end - begin), repeat(stretch), range(begin, end), strict=False)
            self._wire.send(stretch.requests[begin:end], tags)
        if now - self._tidied_us > _TIDY_US:
            self._tidied_us = now
            self._wire.reap()
            self._drop_older_than(now - self._patience_us)

    def _can_send(self, now: int) -> bool:
        return bool(self._waiting and self._wire.free and now >= self._held_until_us)

    def _take(self, now: int) -> None:
        due = self._agenda.take(now, BURST)
        if self._places is None:
            go = [due] if due is not None else []
        else:
            if due is not None:
                self._places.offer(due)
            go = self._places.take(now)
        for due in go:
            self._count_taken(due, now)
            self._waiting.append(due)

    def _count_taken(self, due: DueRequests, now: int) -> None:
        self._tally.taken(due.stretch.intended_us[due.begin : due.end], now, due.stretch.size)

    def _next_us(self) -> int | None:
        """Return when something is due next, as far as is known."""
        known = (self._agenda.next_us(), None if self._places is None else self._places.next_us)
        return min((at_us for at_us in known if at_us is not None), default=None)

    def _wait_s(self) -> float:
        """Return how long the poll may wait; use the time to make events ready."""
        if self._stopping:
            return _LONGEST_WAIT_S
        now = self.now_us()
        if self._waiting and self._wire.free:
            held = (self._held_until_us - now) / 1e6
            return min(held, _LONGEST_WAIT_S) if held > 0 else 0.0
        due = self._next_us()
        slack = _LONGEST_WAIT_S * 1e6 if due is None else due - now
        if (slack > _SPARE_US or self._agenda.is_short(now)) and self._agenda.prepare(now):
            return 0.0
        if slack > _TICK_US and not self._waiting:
            return min((slack - _TICK_US) / 1e6 + 0.0001, _LONGEST_WAIT_S)
        self._sleep(now, slack)
        return 0.0

    def _sleep(self, now: int, slack: float) -> None:
        """Wait until something is due, or several things: very shortly."""
        several = self._agenda.next_us(_TOGETHER)
        crowded = bool(self._waiting) or (several is not None and several - now < _NAP_US)
        nap_us = _NAP_US if crowded or slack <= 0 else min(slack, _NAP_US)
        time.sleep(nap_us / 1e6)

    def _admit(self, now: int) -> list[DueRequests]:
        """Return the next requests that the target's ceilings allow now; what they never allow is dropped."""
        go: list[DueRequests] = []
        left = min(self._wire.free, BURST)
        while left and self._waiting:
            stretch, begin, end, late_us = self._waiting[0]
            most = min(left, end - begin)
            allowed = most if self._governor.is_unlimited else self._allowed(stretch.size, most, now)
            if allowed:
                go.append(DueRequests(stretch, begin, begin + allowed, late_us))
                self._waiting.popleft()
                if begin + allowed < end:
                    self._waiting.appendleft(DueRequests(stretch, begin + allowed, end, late_us))
            left -= allowed
            if allowed < most:
                break
        if self._is_shut:
            self._drop_all("ceiling")
        return go

    def _allowed(self, size: int, most: int, now: int) -> int:
        """Return how many requests of *size* events the governor lets through, at most *most*."""
        for count in range(most):
            wait_s = self._governor.wait(size, now / 1e6)
            if math.isinf(wait_s):
                self._is_shut = True
                return count
            if wait_s > 0:
                self._held_until_us = now + int(wait_s * 1e6)
                return count
        return most

    def _intents(self, due: DueRequests, number: int, sent_ms: int) -> bytes:
        stretch, begin, end, _ = due
        first, last = begin * stretch.size, end * stretch.size
        started = self._started_ms
        return intents_row(
            number, stretch.visits[first:last], stretch.positions[first:last], size=stretch.size,
            intended_ms=[started + ms for ms in stretch.intended_ms[begin:end]], sent_ms=sent_ms,
        )  # fmt: skip

    def _record_results(self, outcomes: Sequence[RequestResult]) -> list[bytes]:
        """Count what became of requests; return the rows for the ledger."""
        rows = []
        for outcome in outcomes:
            if self._places is not None:
                for _, stretch, place in outcome.tags:
                    self._places.finish(stretch, (place,))
            if outcome.response is not None and outcome.response.status == 201:
                rows.append(self._accepted(outcome))
            else:
                rows += [
                    self._not_simply_accepted(outcome, number, stretch, place, sent_us)
                    for (number, stretch, place), sent_us in zip(outcome.tags, outcome.sent_us, strict=True)
                ]
        return rows

    def _accepted(self, outcome: RequestResult) -> bytes:
        zero, at_us = self._zero_us, outcome.at_us - self._zero_us
        # The last batch of all may be smaller than the others: requests of one size are counted together.
        sizes = {stretch.size for _, stretch, _ in outcome.tags}
        for size in sizes:
            own = [
                (stretch.intended_us[place], sent_us - zero)
                for (_, stretch, place), sent_us in zip(outcome.tags, outcome.sent_us, strict=True)
                if stretch.size == size
            ]
            intended_us, sent = zip(*own, strict=True)
            self._tally.done(intended_us, sent, at_us, size, size, 0)
        numbers = [number for number, _, _ in outcome.tags]
        return outcomes_row(numbers, EventOutcome.OK, status=201, at_ms=self._started_ms + at_us // 1000)

    def _not_simply_accepted(
        self, outcome: RequestResult, number: int, stretch: RequestBatch, place: int, sent_us: int
    ) -> bytes:
        response, size, at_us = outcome.response, stretch.size, outcome.at_us - self._zero_us
        answers, failed = self._judge(outcome, stretch, place)
        accepted = sum(answer.outcome is EventOutcome.OK for answer in answers)
        answered_us = -1 if response is None else at_us
        self._tally.done([stretch.intended_us[place]], [sent_us - self._zero_us], answered_us, size, accepted, failed)
        status = None if response is None else response.status
        return outcome_row(number, answers, status=status, at_ms=self._started_ms + at_us // 1000)

    def _judge(self, outcome: RequestResult, stretch: RequestBatch, place: int) -> tuple[Sequence[EventAnswer], int]:
        """Return an answer for each event of a request, and how many failed; take down why."""
        response, size = outcome.response, stretch.size
        ids = [event_id.decode() for event_id in stretch.ids[place * size : (place + 1) * size]]
        if response is None:
            self._tally.error(outcome.problem, size)
            reason = f"no answer: {outcome.problem}, {outcome.detail}"
            self.failures[reason] += 1
            return interpret(None, reason, b"", ids), size
        if response.status == 202:
            return (_BEFORE_VALIDATION,) * size, 0
        answers = interpret(response.status, response.reason, response.body, ids)
        failed = sum(answer.outcome is not EventOutcome.OK for answer in answers)
        if failed:
            self._tally.error(str(response.status), failed)
        self.failures[f"{response.status}: {first_reason(response.reason, response.body)}"] += 1
        return answers, failed

    def _drop_all(self, why: str = "dropped") -> None:
        for due in self._waiting:
            self._drop(due, why)
        self._waiting.clear()

    def _drop_older_than(self, intended_us: int) -> None:
        """Drop what has waited for a connection since before *intended_us*."""
        while self._waiting:
            stretch, begin, end, late_us = self._waiting[0]
            until = begin
            while until < end and stretch.intended_us[until] + late_us <= intended_us:
                until += 1
            if until == begin:
                return
            self._drop(DueRequests(stretch, begin, until, late_us), "dropped")
            self._waiting.popleft()
            if until < end:
                self._waiting.appendleft(DueRequests(stretch, until, end, late_us))

    def _drop(self, due: DueRequests, why: str) -> None:
        (stretch, begin, end, _), count = due, due.end - due.begin
        if self._places is not None:
            self._places.finish(stretch, range(begin, end))
        self._tally.done(stretch.intended_us[begin:end], [-1] * count, -1, stretch.size, 0, stretch.size)
        self._tally.error(why, count * stretch.size)
