"""Keeps senders below a target's ceilings while they run, whatever their schedules say."""

import math
import threading
from collections.abc import Callable
from typing import NamedTuple, Protocol, Self

from run_record.target import Ceilings


class Balance(NamedTuple):
    """What was used of a target's ceilings.

    Attributes:
        begun_s: moment of the first event, by the governor's clock; NaN before it.
        credit: events that may be sent now.
        at_s: moment at which the credit was computed; -inf before the first request.
        spent: events let through.
    """

    begun_s: float = math.nan
    credit: float = math.nan
    at_s: float = -math.inf
    spent: float = 0.0


class Account(Protocol):
    """Keeps one balance for all who share it."""

    def change(self, step: Callable[[Balance], tuple[Balance, float]]) -> float:
        """Replace the balance by what *step* makes of it, in one go; return the number that *step* returns."""


class _OwnAccount:
    """A balance that nobody shares."""

    def __init__(self, balance: Balance) -> None:
        self._balance = balance
        self._lock = threading.Lock()

    def change(self, step: Callable[[Balance], tuple[Balance, float]]) -> float:
        with self._lock:
            self._balance, wait_s = step(self._balance)
        return wait_s


class RateLimiter:
    """Lets events through: at most the rate (and 1 % more in any one second), nor more than there may be, nor too late.

    The schedule asks for less than the ceilings, or the run would not have been set up; but after a stall everything
    that was due meanwhile is sent as fast as it goes, and that is when the rate has to be held.

    Args:
        ceilings: of the target.
        share: the part of the rate and of the events that this machine may have, when there are several.
        start_s: the moment of the run's first event, by the clock whose times are given to `wait`; None when it is
            the moment at which the first event is let through.
        account: keeps the balance where several senders share it.
        clock: tells the time instead of the caller, where senders with clocks of their own share an account.
    """

    def __init__(
        self,
        ceilings: Ceilings,
        *,
        share: float = 1.0,
        start_s: float | None = 0.0,
        account: Account | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._rate = ceilings.rate * share
        self._events = ceilings.events * share
        self._seconds = ceilings.seconds
        # Credit for events, one at least: it grows by the rate up to what a hundredth of a second may have.
        self._most = max(1.0, self._rate / 100)
        self._account = account or _OwnAccount(Balance(begun_s=math.nan if start_s is None else start_s))
        self._clock = clock

    @classmethod
    def free(cls) -> Self:
        """Return one that lets everything through."""
        return cls(Ceilings())

    @property
    def lets_all(self) -> bool:
        """Whether there is nothing that it would ever hold back."""
        return math.isinf(self._rate) and math.isinf(self._events) and math.isinf(self._seconds)

    def wait(self, events: int, now_s: float = 0.0) -> float:
        """Return the seconds until a request of *events* may be sent: 0 now, infinite never.

        A request that may be sent now is counted as sent. One with more events than a hundredth of a second may have
        goes when there is full credit, and the next one waits the longer.
        """
        moment = self._clock() if self._clock is not None else now_s
        return self._account.change(lambda balance: self._step(balance, events, moment))

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
