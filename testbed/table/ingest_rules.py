"""Rules of ingestion, which faults change."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Rules:
    """Rules of ingestion.

    Attributes:
        change: function from the new lines to the lines to ingest.
        canary_domain: `meta.domain` of canary events, which are dropped.
        moves_on: whether the checkpoint advances.
    """

    change: Callable[[Sequence[bytes]], list[bytes]] = list
    canary_domain: str = "canary"
    moves_on: bool = True
