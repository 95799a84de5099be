"""Who plays which visits: ranges of them are lent, so that nothing is sent twice."""

#: Visits lent at a time: a fraction of a second's worth at a few hundred a second, so that workers stay in step.
LEASE_VISITS = 64


class Leaser:
    """Lends out the visits 0 to *visitors*-1, each once."""

    def __init__(self, visitors: int, step: int = LEASE_VISITS) -> None:
        self._visitors = visitors
        self._step = step
        self._next = 0

    def __call__(self) -> tuple[int, int] | None:
        """Return the next (first, count), or None when all visits have been lent."""
        first = self._next
        count = min(self._step, self._visitors - first)
        self._next += max(count, 0)
        return (first, count) if count > 0 else None
