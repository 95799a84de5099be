"""`python -m bench.event_sizes`: sizes of events, measured on rendered bodies and on compressed rows of the table.

It prints the values of `analysis/capacity/event_sizes.py`; a test compares them.
"""

import uuid
from collections.abc import Sequence

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.capacity.forecast import EventSize, ForecastError, Sizes
from contracts.generation import Generation
from contracts.table import rows_of
from personas.plan.plan import Plan
from run_record.target import Target
from traffic.locust_run.options import TrafficOptions, new_settings

#: Subjects of the plan that is measured.
_SUBJECTS = 5_000

#: Visits that are rendered: row groups of the real table are large, and rows compress better together.
_VISITORS = 20_000

#: User agents of browsers.
_BROWSERS = tuple(
    f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
    for system in ("X11; Linux x86_64", "Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7")
    for version in range(128, 133)
)


def measured_sizes(plan: Plan) -> Sizes:
    """Return the mean sizes of the events of *plan*, from its first 20,000 visits at most.

    All events, with the fields that the intake fills in, go into a Parquet file (zstd, as the testbed's ingestion
    writes). Its size is distributed in proportion to the size of the bodies.

    Raises:
        ForecastError: the plan has no event to measure.
    """
    impressions: list[bytes] = []
    clicks: list[bytes] = []
    for event in plan.events(0, min(plan.settings.visitors, _VISITORS)):
        (impressions if orjson.loads(event.body)["action"] == "impression" else clicks).append(event.body)
    if not impressions:
        raise ForecastError("sizes of events cannot be measured: the plan has no event at this sample rate; raise it")
    bodies = [*impressions, *clicks]
    packed = _parquet_bytes(_landed(bodies)) / sum(map(len, bodies))
    first, second = _mean(impressions), _mean(clicks or impressions)
    source = f"measured on {len(bodies):,} rendered {plan.settings.generation} events"
    return Sizes(EventSize(first, first * packed), EventSize(second, second * packed), len(bodies), source)


def _landed(bodies: Sequence[bytes]) -> list[bytes]:
    """Return the landed events: with time, request id and user agent, which the intake fills in."""
    rows = []
    for number, body in enumerate(bodies):
        event = orjson.loads(body)
        # Ids must not compress: these look random, and are reproducible.
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


def plan_of(generation: Generation) -> Plan:
    """Return the plan whose events are measured: the kit's own experiment with its usual personas."""
    return Plan(new_settings(TrafficOptions(generation=generation, visitors=_SUBJECTS), Target.read("local")))


if __name__ == "__main__":
    for generation in Generation:
        print(generation, measured_sizes(plan_of(generation)))
