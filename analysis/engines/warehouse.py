"""Rows in a warehouse's table, judged where they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from analysis.engines.duckdb_engine import EngineError, QueryEngine
from analysis.inputs.description import InputSummary, ObservedKind, SourceSummary

#: Of no row is it known when it came.
NO_ARRIVALS = pa.schema([("meta_id", pa.string()), ("topic_ms", pa.int64()), ("table_ms", pa.int64())]).empty_table()


@dataclass(frozen=True)
class Warehouse:
    """A table that an engine knows, and the hours of it that are looked at.

    Attributes:
        engine: that answers the questions.
        table: its name, such as `event.product_metrics_web_base`, with what of the schema is in it as columns and the
            partitions `datacenter, year, month, day, hour`.
        arrivals: name of the table that says when rows came, such as `event.product_metrics_web_base_arrivals`; empty
            where there is none.
        since, until: the first and the last hour, by when rows were received; None for those that the run's rows can be
            in.
    """

    engine: QueryEngine
    table: str
    arrivals: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        if not all(part.isidentifier() for name in (self.table, self.arrivals or "none") for part in name.split(".")):
            raise EngineError(f"{self.table!r} is no name of a table: name it like event.product_metrics_web_base")
        if self.since and self.until and self.since > self.until:
            raise EngineError(f"there is no hour from {self.since:%Y-%m-%dT%H} until {self.until:%Y-%m-%dT%H}")

    def add_rows(self, first_ms: int, last_ms: int) -> None:
        """Make the rows of the hours known to the engine as the table `observed_events`.

        Args:
            first_ms, last_ms: the span in which the run's rows can have been received, where no hours were named.
        """
        hours = {"from_hour": _number(self.since, first_ms), "until_hour": _number(self.until, last_ms)}
        self.engine.define("observed_events", "table_rows", hours, event_table=self.table)

    def add_arrivals(self) -> None:
        """Make what is known of when rows came known to the engine as the table `arrivals`."""
        if self.arrivals:
            self.engine.define("arrivals", "table_arrivals", table_arrivals=self.arrivals)
        else:
            self.engine.add("arrivals", NO_ARRIVALS)

    def summary(self) -> InputSummary:
        """Return what is looked at; its numbers of rows follow later."""
        source = SourceSummary(
            f"warehouse table by {self.engine.hashes.split()[0]}", "", ObservedKind.TABLE, 1, self.table, 0
        )
        return InputSummary(sources=(source,))

    def misplaced(self) -> Mapping[tuple[str, str], int]:
        """Return how many rows are in another hour's partition, by partition and hour they belong to."""
        return {
            (_hour(row["partition_hour"]), _hour(row["intake_hour"])): int(str(row["events"]))
            for row in self.engine.ask("misplaced")
        }


def _number(moment: datetime | None, at_ms: int) -> int:
    """Return an hour as a number like 2025013114."""
    hour = moment or datetime.fromtimestamp(at_ms / 1000, UTC)
    return int(f"{hour:%Y%m%d%H}")


def _hour(number: object) -> str:
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=int(str(number))):%Y-%m-%dT%H}"
