"""Keeps a sender below its target's ceilings while it runs, whatever its schedule says."""

import math
from typing import Self

from run_record.target import Ceilings


class Governor:
    """Lets events through: at most the rate (and 1 % more in any one second), nor more than there may be, nor too late.

    The schedule asks for less than the ceilings, or the run would not have been set up; but after a stall everything
    that was due meanwhile is sent as fast as it goes, and that is when the rate has to be held.

    Args:
        ceilings: of the target.
        share: the part of the rate and of the events that this sender may have, when there are several.
        start_s: the moment of the run's first event, by the clock whose times are given to `wait`.
    """

    def __init__(self, ceilings: Ceilings, *, share: float = 1.0, start_s: float = 0.0) -> None:
        self._rate = ceilings.rate * share
        self._left = ceilings.events * share
        self._end_s = start_s + ceilings.seconds
        # Credit for events, one at least: it grows by the rate up to what a hundredth of a second may have.
        self._most = max(1.0, self._rate / 100)
        self._credit = self._most
        self._at_s = -math.inf

    @classmethod
    def free(cls) -> Self:
        """Return one that lets everything through."""
        return cls(Ceilings())

    @property
    def lets_all(self) -> bool:
        """Whether there is nothing that it would ever hold back."""
        return math.isinf(self._rate) and math.isinf(self._left) and math.isinf(self._end_s)

    def wait(self, events: int, now_s: float) -> float:
        """Return the seconds until a request of *events* may be sent: 0 now, infinite never.

        A request that may be sent now is counted as sent. One with more events than a hundredth of a second may have
        goes when there is full credit, and the next one waits the longer.
        """
        if events > self._left or now_s > self._end_s:
            return math.inf
        if math.isinf(self._rate):
            self._left -= events
            return 0.0
        grown = (now_s - self._at_s) * self._rate if math.isfinite(self._at_s) else self._most
        self._credit = min(self._most, self._credit + max(0.0, grown))
        self._at_s = max(self._at_s, now_s)
        needed = min(float(events), self._most)
        if self._credit + 1e-9 < needed:
            return (needed - self._credit) / self._rate
        self._credit -= events
        self._left -= events
        return 0.0
