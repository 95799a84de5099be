"""What an ingestion did, whichever table it fills."""

from typing import NamedTuple


class Summary(NamedTuple):
    """What was done: counts of lines and rows."""

    read: int = 0
    written: int = 0
    duplicates: int = 0
    canary: int = 0
    broken: int = 0
    hours: int = 0

    def plus(self, other: "Summary") -> "Summary":
        """Return both together. An hour that both wrote to counts twice."""
        return Summary(*(a + b for a, b in zip(self, other, strict=True)))
