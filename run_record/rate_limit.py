"""Rate limiter: keep senders below a target's ceilings, regardless of their schedules."""

import math
import threading
from collections.abc import Callable
from typing import NamedTuple, Protocol, Self

from run_record.target import Ceilings


class Balance(NamedTuple):
    """The used part of a target's ceilings.

    Attributes:
        begun_s: time of the first event, by the rate limiter's clock; NaN before it.
        credit: number of events that may be sent now.
        at_s: time at which the credit was computed; -inf before the first request.
        spent: number of admitted events.
    """

    begun_s: float = math.nan
    credit: float = math.nan
    at_s: float = -math.inf
    spent: float = 0.0


class BalanceStore(Protocol):
    """A balance that several senders may share."""

    def change(self, step: Callable[[Balance], tuple[Balance, float]]) -> float:
        """Replace the balance by the result of *step*, atomically; return the second value of *step*."""


class _LocalBalance:
    """A balance of one sender."""

    def __init__(self, balance: Balance) -> None:
        self._value = balance
        self._lock = threading.Lock()

    def change(self, step: Callable[[Balance], tuple[Balance, float]]) -> float:
        with self._lock:
            self._value, wait_s = step(self._value)
        return wait_s


class RateLimiter:
    """Admits events up to the rate (plus 1 % in any second), the number and the duration of the ceilings.

    The schedule is below the ceilings, or the set-up of the run would have failed. After a stall, however, a sender
    sends all overdue events as fast as it can, so it needs the limit.

    Args:
        ceilings: ceilings of the target.
        share: this machine's share of the rate and the events, when there are several machines.
        start_s: time of the run's first event, by the clock of the times given to `wait`; None for the time at which
            the first event is admitted.
        balance: the balance, where several senders share it.
        clock: source of the time, where senders that share a balance have different clocks.
    """

    def __init__(
        self,
        ceilings: Ceilings,
        *,
        share: float = 1.0,
        start_s: float | None = 0.0,
        balance: BalanceStore | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._rate = ceilings.rate * share
        self._events = ceilings.events * share
        self._seconds = ceilings.seconds
        # Maximum credit: the events of a hundredth of a second, at least one.
        self._most = max(1.0, self._rate / 100)
        self._balance = balance or _LocalBalance(Balance(begun_s=math.nan if start_s is None else start_s))
        self._clock = clock

    @classmethod
    def unlimited(cls) -> Self:
        """Return a rate limiter that admits all events."""
        return cls(Ceilings())

    @property
    def is_unlimited(self) -> bool:
        """Whether all events are admitted."""
        return math.isinf(self._rate) and math.isinf(self._events) and math.isinf(self._seconds)

    def wait(self, events: int, now_s: float = 0.0) -> float:
        """Return the seconds until a request of *events* may be sent: 0 for now, infinite for never.

        A request that may be sent now is counted as sent. One with more events than the maximum credit is admitted at
        full credit, and the next one waits longer.
        """
        time_s = self._clock() if self._clock is not None else now_s
        return self._balance.change(lambda balance: self._step(balance, events, time_s))

    def _step(self, balance: Balance, events: int, now_s: float) -> tuple[Balance, float]:
        begun_s = now_s if math.isnan(balance.begun_s) else balance.begun_s
        if balance.spent + events > self._events or now_s > begun_s + self._seconds:
            return balance, math.inf
        if math.isinf(self._rate):
            return balance._replace(begun_s=begun_s, spent=balance.spent + events), 0.0
        grown = (now_s - balance.at_s) * self._rate if math.isfinite(balance.at_s) else self._most
        before = 0.0 if math.isnan(balance.credit) else balance.credit
        credit = min(self._most, before + max(0.0, grown))
        at_s = max(balance.at_s, now_s)
        needed = min(float(events), self._most)
        if credit + 1e-9 < needed:
            return balance._replace(credit=credit, at_s=at_s), (needed - credit) / self._rate
        return Balance(begun_s, credit - events, at_s, balance.spent + events), 0.0
