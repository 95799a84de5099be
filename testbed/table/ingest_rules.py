"""What ingestion does with what it reads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Rules:
    """What ingestion does with what it reads.

    Attributes:
        change: from the lines that are new to those that are ingested.
        canary_domain: `meta.domain` of the events that are dropped.
        moves_on: whether the next ingestion begins behind what this one read.
    """

    change: Callable[[Sequence[bytes]], list[bytes]] = list
    canary_domain: str = "canary"
    moves_on: bool = True
