"""`python -m testbed.table.table_export`: export table and error stream for a time span, as files.

Writes `rows.parquet` (the table's rows with a receive time in the span, with the data centre of their partition) and
`errors.ndjson` (the error stream's events since the start of the span). With `--streams` it also exports the keys of
the events in all topics.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import orjson

from common.atomic_write import atomic_write, replacing
from contracts.streams import DATA_CENTRES, ERROR_STREAM, topic
from contracts.table import ARRIVALS, ARRIVALS_FILE, TABLE, parquet_files, parquet_rows, rows_of
from testbed.http_server import guarded
from testbed.stream.options import add_stream_options, open_topic
from testbed.stream.segments import OpenTopic
from testbed.stream.stream_export import export_stream, export_topics

_ROWS = """
SELECT * FROM landed
WHERE epoch_ms(TRY_CAST(meta.dt AS TIMESTAMPTZ)) BETWEEN $from_ms AND $until_ms
ORDER BY meta.dt, meta.id
"""

_ARRIVALS_OF_ROWS = """
SELECT * FROM read_parquet($files) WHERE meta_id IN (SELECT meta.id FROM read_parquet($rows)) ORDER BY meta_id
"""


def export_table(open_topic: OpenTopic, table_dir: Path, to: Path, from_ms: int, until_ms: int) -> None:
    """Write the files into the folder *to*; the span is in milliseconds since 1970."""
    connection = duckdb.connect()
    table = table_dir / TABLE
    if parquet_files(table):
        parquet_rows(table, connection, data_centre=True).create_view("landed")
    else:
        connection.register("landed", rows_of([], connection))
    with replacing(to / "rows.parquet") as temporary:
        connection.sql(_ROWS, params={"from_ms": from_ms, "until_ms": until_ms}).write_parquet(str(temporary))
    _copy_arrivals(table.with_name(ARRIVALS), to, connection)
    lines = [
        line
        for data_centre in DATA_CENTRES
        for batch in open_topic(topic(ERROR_STREAM, data_centre)).read()
        for line in batch.lines
    ]
    start = datetime.fromtimestamp(from_ms / 1000, UTC).isoformat(timespec="milliseconds")
    atomic_write(to / "errors.ndjson", b"".join(line + b"\n" for line in lines if _is_since(line, start)))


def _copy_arrivals(arrivals: Path, to: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """Copy the known arrival times of the rows in the folder *to*."""
    files = [str(path) for path in parquet_files(arrivals)]
    if files:
        rows = {"files": files, "rows": str(to / "rows.parquet")}
        with replacing(to / ARRIVALS_FILE) as temporary:
            connection.sql(_ARRIVALS_OF_ROWS, params=rows).write_parquet(str(temporary))


def _is_since(line: bytes, start: str) -> bool:
    """Return whether *line* is a valid report with a time from *start* on."""
    try:
        # One intake writes all times in one format, so they sort as text.
        return str(orjson.loads(line)["meta"]["dt"]) >= start
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return False


def _export_stream(options: argparse.Namespace) -> None:
    if options.stream_dir is not None:
        export_stream(options.stream_dir, options.streams, options.from_ms, options.until_ms)
        return
    from contracts.kafka import topics

    names = sorted(topics(options.kafka))
    export_topics(names, open_topic(options), options.streams, options.from_ms, options.until_ms)


def main() -> None:
    """Read the options and export."""
    parser = argparse.ArgumentParser(prog="python -m testbed.table.table_export", description=__doc__)
    add_stream_options(parser)
    parser.add_argument("--table-dir", type=Path, required=True, help="folder of the table")
    parser.add_argument("--to", type=Path, required=True, help="folder for the files")
    parser.add_argument("--from-ms", type=int, required=True, help="start of the span, milliseconds since 1970")
    parser.add_argument("--until-ms", type=int, required=True, help="end of the span, milliseconds since 1970")
    parser.add_argument(
        "--streams", type=Path, help="file for the keys of all topics' events; reads Kafka's topics completely"
    )
    options = parser.parse_args()
    if options.streams is not None:
        _export_stream(options)
    export_table(open_topic(options), options.table_dir, options.to, options.from_ms, options.until_ms)


if __name__ == "__main__":
    guarded(main)
