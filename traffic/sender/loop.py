"""The sender's loop: writes due requests to the ledger, sends them, and records and counts their results."""

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

#: Maximum requests per ledger write and send.
BURST = 32

_REAP_EVERY_US = 100_000
_MAX_WAIT_S = 0.02

#: epoll has a resolution of 1 ms. Shorter waits are sleeps of `_SLEEP_US`.
_TICK_US, _SLEEP_US = 1_100, 200

#: If this many more requests are due within one sleep, they are sent together: waking up costs as much as sending.
_CROWD_SIZE = 4

#: With less time than this until the next request, no rendering starts unless rendered events run short.
_SPARE_US = 500

_BEFORE_VALIDATION = interpret(202, "", b"", [""])[0]


class Ledger(Protocol):
    """The loop's view of a ledger; see `run_record.ledger.files.LedgerWriter`."""

    def reserve(self, count: int) -> int:
        """Return the first of *count* numbers."""

    def append(self, row: bytes) -> None:
        """Append rows in one write. Raises LedgerError."""


class Connections(Protocol):
    """The loop's view of its connections; see `traffic.sender.connection_pool.ConnectionPool`."""

    @property
    def in_flight(self) -> int:
        """Number of requests that wait for an answer."""

    @property
    def free(self) -> int:
        """Number of requests that can be sent now."""

    def send(self, requests: Iterable[bytes], tags: Iterable[object]) -> None:
        """Send requests."""

    def poll(self, timeout_s: float) -> Sequence[RequestResult]:
        """Wait at most *timeout_s*; return the results since the last call."""

    def reap(self) -> None:
        """Fail requests that have timed out."""

    def abandon(self) -> Sequence[RequestResult]:
        """Return a result without an answer for each request in flight."""


class SendLoop:
    """Sends everything in the queue, each request at its intended time.

    Args:
        queue: requests and their intended times.
        pool: connections to the intake.
        ledger: gets each request's intent before it is sent.
        counters: counts requests and delays.
        zero_us: the schedule's zero on the clock.
        started_ms: the same moment, milliseconds since 1970.
        clock: monotonic time in microseconds.
        request_timeout_us: a request that gets no connection within this time is dropped.
        rate_limiter: enforces the target's ceilings.
        concurrency: limit on concurrent visits; None for no limit.

    Attributes:
        failures: requests that failed, by reason; the caller empties it.
    """

    def __init__(
        self,
        queue: SendQueue,
        pool: Connections,
        ledger: Ledger,
        counters: LoadCounters,
        *,
        zero_us: int,
        started_ms: int,
        clock: Callable[[], int],
        request_timeout_us: int,
        rate_limiter: RateLimiter | None = None,
        concurrency: ConcurrencyLimit | None = None,
    ) -> None:
        self._queue = queue
        self._pool = pool
        self._ledger = ledger
        self._counters = counters
        self._zero_us = zero_us
        self._started_ms = started_ms
        self._clock = clock
        self._request_timeout_us = request_timeout_us
        self._rate_limiter = rate_limiter or RateLimiter.unlimited()
        self._concurrency = concurrency
        self._limited_until_us = 0
        self._is_budget_spent = False
        self._waiting: deque[DueRequests] = deque()
        self._reaped_us = 0
        self._stopping = False
        self.failures: Counter[str] = Counter()

    def now_us(self) -> int:
        """Return microseconds since the schedule's zero; less than 0 before it."""
        return self._clock() - self._zero_us

    @property
    def is_over(self) -> bool:
        """Whether every request was answered or dropped."""
        done = self._stopping or self._queue.is_over
        held_back = self._concurrency is not None and not self._concurrency.is_empty
        return done and not (self._waiting or held_back or self._pool.in_flight)

    def stop(self) -> None:
        """Send nothing more and drop what waits; requests in flight may still be answered."""
        self._stopping = True
        self._drop_all()
        if self._concurrency is not None:
            now = self.now_us()
            for due in self._concurrency.drain():
                self._count_taken(due, now)
                self._drop(due, "dropped")

    def abandon(self) -> None:
        """Count requests in flight as sent and unanswered. Their intents stay without outcomes in the ledger."""
        for result in self._pool.abandon():
            for (_, batch, index), sent_us in zip(result.tags, result.sent_us, strict=True):
                intended_us, size = batch.intended_us[index], batch.size
                self._counters.done([intended_us], [sent_us - self._zero_us], -1, size, 0, size)
                self._counters.error(result.problem, size)

    def step(self) -> None:
        """Record results and send due requests; wait briefly without any."""
        rows = self._record_results(self._pool.poll(self._wait_s()))
        now = self.now_us()
        if not self._stopping:
            self._take_due(now)
        ready = self._admit(now) if self._can_send(now) else []
        numbers = [self._ledger.reserve(due.end - due.begin) for due in ready]
        sent_ms = self._started_ms + now // 1000
        rows += [self._intents_row(due, number, sent_ms) for due, number in zip(ready, numbers, strict=True)]
        if rows:
            self._ledger.append(b"".join(rows))
        for (batch, begin, end, _), number in zip(ready, numbers, strict=True):
            tags = zip(range(number, number + end - begin), repeat(batch), range(begin, end), strict=False)
            self._pool.send(batch.requests[begin:end], tags)
        if now - self._reaped_us > _REAP_EVERY_US:
            self._reaped_us = now
            self._pool.reap()
            self._drop_older_than(now - self._request_timeout_us)

    def _can_send(self, now: int) -> bool:
        return bool(self._waiting and self._pool.free and now >= self._limited_until_us)

    def _take_due(self, now: int) -> None:
        due = self._queue.take(now, BURST)
        if self._concurrency is None:
            ready = [due] if due is not None else []
        else:
            if due is not None:
                self._concurrency.offer(due)
            ready = self._concurrency.take(now)
        for due in ready:
            self._count_taken(due, now)
            self._waiting.append(due)

    def _count_taken(self, due: DueRequests, now: int) -> None:
        self._counters.taken(due.batch.intended_us[due.begin : due.end], now, due.batch.size)

    def _next_us(self) -> int | None:
        """Return when the next known request is due; None without any."""
        candidates = (self._queue.next_us(), None if self._concurrency is None else self._concurrency.next_us)
        return min((at_us for at_us in candidates if at_us is not None), default=None)

    def _wait_s(self) -> float:
        """Return how long the poll may wait, in seconds; render events if there is time."""
        if self._stopping:
            return _MAX_WAIT_S
        now = self.now_us()
        if self._waiting and self._pool.free:
            limited_s = (self._limited_until_us - now) / 1e6
            return min(limited_s, _MAX_WAIT_S) if limited_s > 0 else 0.0
        due = self._next_us()
        slack = _MAX_WAIT_S * 1e6 if due is None else due - now
        if (slack > _SPARE_US or self._queue.is_short(now)) and self._queue.prepare(now):
            return 0.0
        if slack > _TICK_US and not self._waiting:
            return min((slack - _TICK_US) / 1e6 + 0.0001, _MAX_WAIT_S)
        self._sleep(now, slack)
        return 0.0

    def _sleep(self, now: int, slack: float) -> None:
        """Sleep until the next request, or the next few, are due; at most `_SLEEP_US`."""
        later_us = self._queue.next_us(_CROWD_SIZE)
        crowded = bool(self._waiting) or (later_us is not None and later_us - now < _SLEEP_US)
        sleep_us = _SLEEP_US if crowded or slack <= 0 else min(slack, _SLEEP_US)
        time.sleep(sleep_us / 1e6)

    def _admit(self, now: int) -> list[DueRequests]:
        """Return the next requests that the target's ceilings allow now; drop those that they will never allow."""
        ready: list[DueRequests] = []
        free = min(self._pool.free, BURST)
        while free and self._waiting:
            batch, begin, end, late_us = self._waiting[0]
            limit = min(free, end - begin)
            allowed = limit if self._rate_limiter.is_unlimited else self._allowed(batch.size, limit, now)
            if allowed:
                ready.append(DueRequests(batch, begin, begin + allowed, late_us))
                self._waiting.popleft()
                if begin + allowed < end:
                    self._waiting.appendleft(DueRequests(batch, begin + allowed, end, late_us))
            free -= allowed
            if allowed < limit:
                break
        if self._is_budget_spent:
            self._drop_all("ceiling")
        return ready

    def _allowed(self, size: int, limit: int, now: int) -> int:
        """Return the number of requests of *size* events that the rate limiter allows now, at most *limit*."""
        for count in range(limit):
            wait_s = self._rate_limiter.wait(size, now / 1e6)
            if math.isinf(wait_s):
                self._is_budget_spent = True
                return count
            if wait_s > 0:
                self._limited_until_us = now + int(wait_s * 1e6)
                return count
        return limit

    def _intents_row(self, due: DueRequests, number: int, sent_ms: int) -> bytes:
        batch, begin, end, _ = due
        first, last = begin * batch.size, end * batch.size
        started = self._started_ms
        return intents_row(
            number, batch.visits[first:last], batch.positions[first:last], size=batch.size,
            intended_ms=[started + ms for ms in batch.intended_ms[begin:end]], sent_ms=sent_ms,
        )  # fmt: skip

    def _record_results(self, results: Sequence[RequestResult]) -> list[bytes]:
        """Count *results*; return their ledger rows."""
        rows = []
        for result in results:
            if self._concurrency is not None:
                for _, batch, index in result.tags:
                    self._concurrency.finish(batch, (index,))
            if result.response is not None and result.response.status == 201:
                rows.append(self._record_accepted(result))
            else:
                rows += [
                    self._record_other(result, number, batch, index, sent_us)
                    for (number, batch, index), sent_us in zip(result.tags, result.sent_us, strict=True)
                ]
        return rows

    def _record_accepted(self, result: RequestResult) -> bytes:
        zero, at_us = self._zero_us, result.at_us - self._zero_us
        # The run's last request may have fewer events: requests of one size are counted together.
        sizes = {batch.size for _, batch, _ in result.tags}
        for size in sizes:
            times = [
                (batch.intended_us[index], sent_us - zero)
                for (_, batch, index), sent_us in zip(result.tags, result.sent_us, strict=True)
                if batch.size == size
            ]
            intended_us, sent = zip(*times, strict=True)
            self._counters.done(intended_us, sent, at_us, size, size, 0)
        numbers = [number for number, _, _ in result.tags]
        return outcomes_row(numbers, EventOutcome.OK, status=201, at_ms=self._started_ms + at_us // 1000)

    def _record_other(self, result: RequestResult, number: int, batch: RequestBatch, index: int, sent_us: int) -> bytes:
        response, size, at_us = result.response, batch.size, result.at_us - self._zero_us
        answers, failed = self._interpret(result, batch, index)
        accepted = sum(answer.outcome is EventOutcome.OK for answer in answers)
        answered_us = -1 if response is None else at_us
        self._counters.done([batch.intended_us[index]], [sent_us - self._zero_us], answered_us, size, accepted, failed)
        status = None if response is None else response.status
        return outcome_row(number, answers, status=status, at_ms=self._started_ms + at_us // 1000)

    def _interpret(self, result: RequestResult, batch: RequestBatch, index: int) -> tuple[Sequence[EventAnswer], int]:
        """Return an answer per event of a request, and the number of failed events; record the reason."""
        response, size = result.response, batch.size
        ids = [event_id.decode() for event_id in batch.ids[index * size : (index + 1) * size]]
        if response is None:
            self._counters.error(result.problem, size)
            reason = f"no answer: {result.problem}, {result.detail}"
            self.failures[reason] += 1
            return interpret(None, reason, b"", ids), size
        if response.status == 202:
            return (_BEFORE_VALIDATION,) * size, 0
        answers = interpret(response.status, response.reason, response.body, ids)
        failed = sum(answer.outcome is not EventOutcome.OK for answer in answers)
        if failed:
            self._counters.error(str(response.status), failed)
        self.failures[f"{response.status}: {first_reason(response.reason, response.body)}"] += 1
        return answers, failed

    def _drop_all(self, reason: str = "dropped") -> None:
        for due in self._waiting:
            self._drop(due, reason)
        self._waiting.clear()

    def _drop_older_than(self, intended_us: int) -> None:
        """Drop waiting requests that were intended before *intended_us*."""
        while self._waiting:
            batch, begin, end, late_us = self._waiting[0]
            stale_end = begin
            while stale_end < end and batch.intended_us[stale_end] + late_us <= intended_us:
                stale_end += 1
            if stale_end == begin:
                return
            self._drop(DueRequests(batch, begin, stale_end, late_us), "dropped")
            self._waiting.popleft()
            if stale_end < end:
                self._waiting.appendleft(DueRequests(batch, stale_end, end, late_us))

    def _drop(self, due: DueRequests, reason: str) -> None:
        (batch, begin, end, _), count = due, due.end - due.begin
        if self._concurrency is not None:
            self._concurrency.finish(batch, range(begin, end))
        self._counters.done(batch.intended_us[begin:end], [-1] * count, -1, batch.size, 0, batch.size)
        self._counters.error(reason, count * batch.size)
