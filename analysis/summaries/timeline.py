"""Timeline of a run: sent, landed and lost events in periods of equal length."""

from dataclasses import dataclass

from analysis.engines.base import QueryEngine

#: Maximum number of periods of a run.
_MOST_PERIODS = 60

#: Lengths of a period that are easy to read off an axis, milliseconds.
_LENGTHS_MS = (
    1_000,
    2_000,
    5_000,
    10_000,
    30_000,
    60_000,
    300_000,
    600_000,
    1_800_000,
    3_600_000,
    10_800_000,
    86_400_000,
)


@dataclass(frozen=True, slots=True)
class TimeBucket:
    """One period of a run, by the due time of events.

    Attributes:
        at_ms, span_ms: start, milliseconds since 1970, and length.
        sent, acknowledged, landed, lost: number of events.
        lost_of_landed: lost events of subjects that have landed events too.
    """

    at_ms: int
    span_ms: int
    sent: int
    acknowledged: int
    landed: int
    lost: int
    lost_of_landed: int


def count_over_time(engine: QueryEngine) -> tuple[TimeBucket, ...]:
    """Return the periods of the run that have events; none when no event was sent."""
    [due] = engine.ask("due_span")
    first, last = int(str(due["first_ms"])), int(str(due["last_ms"]))
    if not last:
        return ()
    span = next((length for length in _LENGTHS_MS if (last - first) // length < _MOST_PERIODS), _LENGTHS_MS[-1])
    begin = first // span * span
    rows = engine.ask("events_over_time", {"from_ms": begin, "bucket_ms": span})
    return tuple(
        TimeBucket(
            begin + int(str(row["bucket"])) * span,
            span,
            *(
                int(str(row[name]))
                for name in ("sent_events", "acknowledged_events", "landed_events", "lost_events", "lost_of_landed")
            ),
        )
        for row in rows
    )
