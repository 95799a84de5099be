"""How large events are: measured on rendered ones, and on the table's own rows and compression."""

import uuid
from collections.abc import Sequence

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.capacity.forecast import EventSize, ForecastError, Sizes
from contracts.table import rows_of
from personas.plan.plan import Plan

#: Row groups of the real table are large, and a row shrinks with its neighbours: measured on this many events.
_VISITORS = 20_000

#: What browsers call themselves.
_BROWSERS = tuple(
    f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
    for system in ("X11; Linux x86_64", "Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7")
    for version in range(128, 133)
)


def measured_sizes(plan: Plan) -> Sizes:
    """Return the mean sizes of the events of *plan*, at most the first 20,000 visits of it.

    A row's size is that of a Parquet file (zstd, as the testbed's ingestion writes) of all its events with what the
    intake fills in, shared out by the size of the bodies.

    Raises:
        ForecastError: nobody of the plan sends anything, so there is nothing to measure.
    """
    impressions: list[bytes] = []
    clicks: list[bytes] = []
    for event in plan.events(0, min(plan.settings.visitors, _VISITORS)):
        (impressions if orjson.loads(event.body)["action"] == "impression" else clicks).append(event.body)
    if not impressions:
        raise ForecastError("sizes of events cannot be measured: with this sample rate nobody sends any")
    bodies = [*impressions, *clicks]
    packed = _parquet_bytes(_landed(bodies)) / sum(map(len, bodies))
    first, second = _mean(impressions), _mean(clicks or impressions)
    source = f"measured on {len(bodies):,} rendered {plan.settings.generation} events"
    return Sizes(EventSize(first, first * packed), EventSize(second, second * packed), len(bodies), source)


def _landed(bodies: Sequence[bytes]) -> list[bytes]:
    """Return the events as they land: with the time, the request's id and the browser that the intake fills in."""
    rows = []
    for number, body in enumerate(bodies):
        event = orjson.loads(body)
        # Ids do not compress: these are as random as real ones, and the same every time.
        request = str(uuid.uuid5(uuid.NAMESPACE_OID, str(number)))
        event["meta"] |= {"dt": event["dt"], "request_id": request}
        event["http"] = {"request_headers": {"user-agent": _BROWSERS[number % len(_BROWSERS)]}}
        rows.append(orjson.dumps(event))
    return rows


def _parquet_bytes(bodies: Sequence[bytes]) -> int:
    with duckdb.connect() as connection:
        table = rows_of(bodies, connection)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return int(sink.getvalue().size)


def _mean(bodies: Sequence[bytes]) -> float:
    return sum(map(len, bodies)) / len(bodies)
