"""`python -m testbed.table.ingest`: ingest the stream into the table, Parquet files in Hive's layout.

New lines are read from a checkpoint, de-duplicated on `meta.id` among themselves and against the table, and added to
the hours of their `meta.dt`. An hour is rewritten as a whole and renamed into place; the checkpoint moves last. So a
killed run leaves each hour either old or new; the next run reads the same lines again and skips the ids in the table.
"""

import argparse
import os
import time
from pathlib import Path

import duckdb
import orjson

from common.atomic_write import atomic_write
from contracts.streams import DATA_CENTRES, topic
from contracts.table import ARRIVALS, PARTITIONS, TABLE, columns, parquet_files, read_parquet, rows_of
from testbed.http_server import guarded
from testbed.stream.options import add_stream_options, open_topic
from testbed.stream.segments import OpenTopic
from testbed.table.ingest_faults import inject
from testbed.table.ingest_rules import Rules
from testbed.table.ingest_summary import Summary

CHECKPOINT = "checkpoint.json"


_RULES = Rules()


def ingest(open_topic: OpenTopic, table_dir: Path, stream: str, rules: Rules = _RULES) -> Summary:
    """Ingest the new events of *stream* into the table under *table_dir*; safe to run again at any time."""
    table_dir.mkdir(parents=True, exist_ok=True)
    table = table_dir / TABLE
    checkpoint = table_dir / CHECKPOINT
    positions: dict[str, dict[str, int]] = orjson.loads(checkpoint.read_bytes()) if checkpoint.exists() else {}
    total = Summary()
    for data_centre in DATA_CENTRES:
        name = topic(stream, data_centre)
        reader = open_topic(name, positions.get(name))
        lines = [line for batch in reader.read() for line in batch.lines]
        if lines:
            counts = _add(rules.change(lines), table, data_centre, rules.canary_domain)
            total = total.plus(counts)
        if rules.moves_on:
            positions[name] = reader.position
    atomic_write(checkpoint, orjson.dumps(positions))
    return total


def _add(lines: list[bytes], table: Path, data_centre: str, canary_domain: str) -> Summary:
    good = [line for line in lines if _is_object(line)]
    connection = duckdb.connect()
    connection.register("fresh", rows_of(good, connection))
    connection.execute(_USABLE_ROWS, {"canary": canary_domain})
    [(usable, canary)] = connection.sql(
        "SELECT count(*) FILTER (NOT canary), count(*) FILTER (canary) FROM usable"
    ).fetchall()
    have = read_parquet(table, connection) if parquet_files(table) else rows_of([], connection)
    connection.register("have", have.select(["meta"]))
    connection.execute(_NEW_ROWS)
    [(written,)] = connection.sql("SELECT count(*) FROM new_rows").fetchall()
    hours = connection.sql("SELECT DISTINCT hour_start FROM new_rows ORDER BY hour_start").fetchall()
    for (hour,) in hours:
        _write_hour(connection, table, data_centre, hour)
    if written:
        connection.execute(_ARRIVAL_TIMES, [str(_arrivals_file(table)), time.time_ns() // 1_000_000])
    broken = len(lines) - usable - canary
    return Summary(len(lines), written, usable - written, canary, broken, len(hours))


#: Rows that can be ingested: those with an id and a time. Canary events are marked.
_USABLE_ROWS = """
CREATE TEMP TABLE usable AS
SELECT *, coalesce(meta.domain = $canary, false) AS canary,
       date_trunc('hour', make_timestamp(epoch_us(TRY_CAST(meta.dt AS TIMESTAMPTZ)))) AS hour_start
FROM fresh
WHERE meta.id IS NOT NULL AND TRY_CAST(meta.dt AS TIMESTAMPTZ) IS NOT NULL
"""

#: The earliest row of each id that the table does not have.
_NEW_ROWS = """
CREATE TEMP TABLE new_rows AS
SELECT * EXCLUDE (canary) FROM usable
WHERE NOT canary AND meta.id NOT IN (SELECT meta.id FROM have)
QUALIFY row_number() OVER (PARTITION BY meta.id ORDER BY meta.dt) = 1
"""


#: Times at which rows were added to the table. They stay unknown when the job is killed just before.
_ARRIVAL_TIMES = """
COPY (SELECT meta.id AS meta_id, CAST(NULL AS BIGINT) AS topic_ms, CAST($2 AS BIGINT) AS table_ms FROM new_rows)
TO $1 (FORMAT parquet)
"""


def _arrivals_file(table: Path) -> Path:
    folder = table.with_name(ARRIVALS)
    folder.mkdir(exist_ok=True)
    return folder / f"{time.time_ns():020d}-{os.getpid()}.parquet"


def _write_hour(connection: duckdb.DuckDBPyConnection, table: Path, data_centre: str, hour: object) -> None:
    """Rewrite one hour's partition with its old and new rows."""
    values = dict(zip(PARTITIONS, (data_centre, hour.year, hour.month, hour.day, hour.hour), strict=True))  # type: ignore[attr-defined]
    folder = table.joinpath(*(f"{name}={value}" for name, value in values.items()))
    folder.mkdir(parents=True, exist_ok=True)
    part, draft = folder / "part-0.parquet", folder / ".part-0.draft"
    names = ", ".join(f'"{name}"' for name in columns())
    parts = [f"SELECT {names} FROM new_rows WHERE hour_start = ?"]  # noqa: S608 (constant column names)
    if part.exists():
        connection.register("old_rows", read_parquet(part, connection))
        parts.append(f"SELECT {names} FROM old_rows")  # noqa: S608
    every = " UNION ALL ".join(parts)
    rows = connection.sql(f"SELECT * FROM ({every}) ORDER BY meta.dt, meta.id", params=[hour])  # noqa: S608
    rows.write_parquet(str(draft), compression="zstd")
    draft.replace(part)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def main() -> None:
    """Read the options, ingest, and print the counts as one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m testbed.table.ingest", description=__doc__)
    add_stream_options(parser)
    parser.add_argument("--table-dir", type=Path, required=True, help="folder of the table")
    parser.add_argument("--stream", default="product_metrics.web_base", help="name of the stream")
    parser.add_argument(
        "--fault", action="append", default=[], help="fault to switch on (python -m testbed.faults); repeatable"
    )
    options = parser.parse_args()
    summary = ingest(open_topic(options), options.table_dir, options.stream, inject(_RULES, options.fault))
    print(orjson.dumps(summary._asdict()).decode())


if __name__ == "__main__":
    guarded(main)
