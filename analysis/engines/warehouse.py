"""A warehouse's table as input of the analysis; its rows stay in the warehouse."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from analysis.engines.base import EngineError, QueryEngine
from analysis.inputs.description import InputSummary, ObservedKind, SourceSummary

#: Empty relation of arrival times, for a table without them.
NO_ARRIVALS = pa.schema([("meta_id", pa.string()), ("topic_ms", pa.int64()), ("table_ms", pa.int64())]).empty_table()


@dataclass(frozen=True)
class Warehouse:
    """A table of a query engine, and the hours of it that the analysis reads.

    Attributes:
        engine: query engine that runs the analysis.
        table: name of the table, such as `event.product_metrics_web_base`. Its columns are the fields of the schema and
            the partitions `datacenter, year, month, day, hour`.
        arrivals: name of the table of arrival times, such as `event.product_metrics_web_base_arrivals`; empty for none.
        since, until: first and last receive hour to read; None for the hours that can hold rows of the run.
    """

    engine: QueryEngine
    table: str
    arrivals: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        if not all(part.isidentifier() for name in (self.table, self.arrivals or "none") for part in name.split(".")):
            raise EngineError(f"{self.table!r} is not a table name; use one like event.product_metrics_web_base")
        if self.since and self.until and self.since > self.until:
            raise EngineError(f"the hour {self.since:%Y-%m-%dT%H} is after {self.until:%Y-%m-%dT%H}; swap them")

    def add_rows(self, first_ms: int, last_ms: int) -> None:
        """Define the rows of the hours as the relation `observed_events`.

        Args:
            first_ms, last_ms: span in which the run's rows can have been received; used where no hours are set.
        """
        hours = {"from_hour": _hour_number(self.since, first_ms), "until_hour": _hour_number(self.until, last_ms)}
        self.engine.define("observed_events", "table_rows", hours, event_table=self.table)

    def add_arrivals(self) -> None:
        """Define the arrival times of rows as the relation `arrivals`."""
        if self.arrivals:
            self.engine.define("arrivals", "table_arrivals", table_arrivals=self.arrivals)
        else:
            self.engine.add("arrivals", NO_ARRIVALS)

    def summary(self) -> InputSummary:
        """Return the description of the input; row counts are added later."""
        source = SourceSummary(
            f"warehouse table by {self.engine.hashes.split()[0]}", "", ObservedKind.TABLE, 1, self.table, 0
        )
        return InputSummary(sources=(source,))

    def misplaced(self) -> Mapping[tuple[str, str], int]:
        """Return the number of rows in another hour's partition, by partition and receive hour."""
        return {
            (_hour(row["partition_hour"]), _hour(row["intake_hour"])): int(str(row["events"]))
            for row in self.engine.ask("misplaced_rows")
        }


def _hour_number(hour: datetime | None, default_ms: int) -> int:
    """Return an hour as a number like 2025013114."""
    hour = hour or datetime.fromtimestamp(default_ms / 1000, UTC)
    return int(f"{hour:%Y%m%d%H}")


def _hour(number: object) -> str:
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=int(str(number))):%Y-%m-%dT%H}"
