"""Location of lost events: in their stream, in another stream, or in none.

A run's folder may have `streams.parquet`, the events of all topics of the platform from the time of the run. Its
columns are `topic`, the event's `id`, its `funnel` (token, position and action, joined by slashes), `hour_start` of
its receive time, such as `2025-01-31T14`, and whether it is a `canary`. With it, a loss is attributed to the intake,
the stream or the table; without it, the location is unknown.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.engines.base import QueryEngine
from common.errors import DogfoodError
from contracts.streams import topics

STREAMS = "streams.parquet"

_HOUR_S = 3600

_COLUMNS = {
    "topic": pa.string(), "id": pa.string(), "funnel": pa.string(), "hour_start": pa.string(), "canary": pa.bool_(),
}  # fmt: skip


class StreamsError(DogfoodError):
    """File of the streams' events that cannot be read."""


class LossLocation(NamedTuple):
    """Number of lost events by location.

    Attributes:
        known: whether the streams' events are available.
        behind: events in their own stream, so lost after it.
        elsewhere: events in another stream, by topic.
        nowhere: acknowledged events in no stream.
        hours: hours of the events in their own stream, when no event of those hours landed; else empty.
    """

    known: bool
    behind: int = 0
    elsewhere: dict[str, int] = {}  # noqa: RUF012 (never changed)
    nowhere: int = 0
    hours: tuple[str, ...] = ()

    @property
    def astray(self) -> int:
        """Number of events in another stream."""
        return sum(self.elsewhere.values())


def add_streams(run: Path, engine: QueryEngine) -> bool:
    """Define the table `streamed`; return whether the streams' events are available. Raises StreamsError."""
    path = run / STREAMS
    if not path.is_file():
        engine.add("streamed_events", pa.table({name: pa.array([], kind) for name, kind in _COLUMNS.items()}))
        return False
    try:
        if missing := set(_COLUMNS) - set(pq.read_schema(path).names):
            raise StreamsError(f"{path} lacks the columns {', '.join(sorted(missing))}")
    except (OSError, pa.ArrowInvalid) as error:
        raise StreamsError(f"{path} cannot be read: {error}. Was the run's folder damaged?") from error
    engine.add_parquet("streamed_events", path)
    return True


def locate_losses(engine: QueryEngine, stream: str, *, known: bool) -> LossLocation:
    """Return the location of the lost events of a run in *stream*."""
    if not known:
        return LossLocation(known=False)
    own = topics(stream)
    behind, nowhere = 0, 0
    elsewhere: dict[str, int] = {}
    hours: set[str] = set()
    for row in engine.ask("loss_location"):
        name, events = str(row["topic"]), int(str(row["events"]))
        if not name:
            nowhere += events
        elif name in own:
            behind += events
            hours.add(str(row["hour_start"]))
        else:
            elsewhere[name] = elsewhere.get(name, 0) + events
    landed = {_hour(int(str(row["hour_number"]))) for row in engine.ask("landed_hours")} if behind else set()
    return LossLocation(True, behind, elsewhere, nowhere, () if hours & landed else tuple(sorted(hours)))


def _hour(number: int) -> str:
    """Return the hour *number* since 1970 in the format of the streams' rows."""
    return datetime.fromtimestamp(number * _HOUR_S, UTC).strftime("%Y-%m-%dT%H")
