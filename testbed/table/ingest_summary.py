"""Counts of an ingestion, the same for both kinds of table."""

from typing import NamedTuple


class Summary(NamedTuple):
    """Counts of an ingestion: lines read, rows written, duplicates, canary events, broken lines, and hours changed."""

    read: int = 0
    written: int = 0
    duplicates: int = 0
    canary: int = 0
    broken: int = 0
    hours: int = 0

    def plus(self, other: "Summary") -> "Summary":
        """Return the sum of both. An hour that both changed counts twice."""
        return Summary(*(a + b for a, b in zip(self, other, strict=True)))
