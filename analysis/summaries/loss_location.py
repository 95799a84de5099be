"""Where lost events were seen last: in the stream, in another stream, or in none.

A run's folder may hold `streams.parquet`, what all topics of the platform's stream held of the run's time: `topic`, the
event's `id`, its `funnel` (token, position and action, joined by slashes), `hour_start` of its receive time, such as
`2025-01-31T14`, and whether it is a `canary`. It is what tells a stream from a table, and both from an intake that only
says so. Where it is not to be had, that stays open.
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
    """What the streams held cannot be read."""


class LossLocation(NamedTuple):
    """Lost events by where they were seen last.

    Attributes:
        known: whether that was looked at.
        behind: in their own stream, so they were lost behind it.
        elsewhere: in another stream, by its topic.
        nowhere: in none, though they were acknowledged.
        hours: from which nothing landed, and that have all of those that are behind their stream.
    """

    known: bool
    behind: int = 0
    elsewhere: dict[str, int] = {}  # noqa: RUF012 (never changed)
    nowhere: int = 0
    hours: tuple[str, ...] = ()

    @property
    def astray(self) -> int:
        """How many are in another stream."""
        return sum(self.elsewhere.values())


def add_streams(run: Path, engine: QueryEngine) -> bool:
    """Define the table `streamed`; return whether it is known what the streams held. Raises StreamsError."""
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
    """Return where the lost events of a run in *stream* were seen last."""
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
    """Return the hour *number* since 1970 as the streams' rows have it."""
    return datetime.fromtimestamp(number * _HOUR_S, UTC).strftime("%Y-%m-%dT%H")
