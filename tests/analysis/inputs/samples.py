"""Sample events of each generation, in the forms of a platform's exports."""

import io
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.engines.duckdb_engine import DuckDbEngine
from analysis.inputs.description import ObservedKind
from analysis.run_model.observed import Observed, read_observed
from contracts.generation import Generation
from contracts.table import column_name, rows_of
from tests.plans import plan

Event = dict[str, Any]


@cache
def _bodies() -> tuple[bytes, ...]:
    return tuple(
        event.body
        for generation in Generation
        for event in plan(generation, visitors=40, seed=3, epoch_ms=1_738_333_800_000).events(0, 40)
    )


def events() -> list[Event]:
    """Return new copies of events of all generations, as the intake writes them."""
    items = []
    for number, body in enumerate(_bodies()):
        event = orjson.loads(body)
        event["meta"]["dt"] = f"2025-01-31T14:{number % 60:02}:10.250Z"
        event["http"] = {"request_headers": {"user-agent": "Tester/1"}}
        items.append(event)
    return items


def lines(items: Sequence[object] | None = None) -> bytes:
    """Return *items*, the events by default, as NDJSON."""
    return b"".join(orjson.dumps(item) + b"\n" for item in (events() if items is None else items))


def table(items: Sequence[Event] | None = None) -> pa.Table:
    """Return events as rows of the table."""
    with duckdb.connect() as connection:
        return rows_of([orjson.dumps(item) for item in (events() if items is None else items)], connection)


def parquet(rows: pa.Table, **options: object) -> bytes:
    """Return *rows* as a Parquet file."""
    file = io.BytesIO()
    pq.write_table(rows, file, **options)
    return file.getvalue()


def hive_row(event: Mapping[str, object]) -> Event:
    """Return an event as a row of `SELECT *`: `$schema` is the column `_schema`."""
    return {column_name(name): value for name, value in event.items()}


def flat(event: Mapping[str, object], separator: str = ".", outer: str = "") -> Event:
    """Return an event with one member per field, `meta.dt`, as pandas' `json_normalize` writes it."""
    by_name: Event = {}
    for name, value in event.items():
        if isinstance(value, Mapping) and value:
            by_name |= flat(value, separator, f"{outer}{name}{separator}")
        else:
            by_name[f"{outer}{name}"] = value
    return by_name


def upper(event: Mapping[str, object]) -> Event:
    """Return an event with the names of all its fields in upper case; keys of maps are data and stay."""
    maps = ("assigned", "request_headers")
    return {
        name.upper(): upper(value) if isinstance(value, Mapping) and name not in maps else value
        for name, value in event.items()
    }


def read(*paths: Path, kind: ObservedKind | None = None) -> tuple[Observed, list[Event]]:
    """Return the description of *paths*, and their rows sorted by id."""
    engine = DuckDbEngine()
    observed = read_observed(Path("/nowhere"), paths, engine, kind)
    return observed, _rows(engine.connection.table("observed_events").to_arrow_table())


def expected_rows(items: Sequence[Event] | None = None) -> list[Event]:
    """Return the rows that events have to be read as."""
    rows = table(items)
    return _rows(rows.append_column("datacenter", pa.nulls(len(rows), pa.string())))


def _rows(rows: pa.Table) -> list[Event]:
    items = [_without_nulls(row) for row in rows.to_pylist(maps_as_pydicts="strict")]
    return sorted(items, key=lambda row: (row["meta"]["id"], row["_schema"]))


def _without_nulls(row: Event) -> Event:
    """Return a row without nulls and empty objects; the checks treat an object of nulls as a missing one."""
    by_name = {}
    for name, value in row.items():
        inner = _without_nulls(value) if isinstance(value, dict) else value
        if inner is not None and inner != {}:
            by_name[name] = inner
    return by_name
