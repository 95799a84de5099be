"""Export of the stream's event keys for a time span, by topic: used to search for events missing in the table."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from common.atomic_write import replacing
from contracts.streams import DATA_CENTRES, ERROR_STREAM
from testbed.stream.segments import OpenTopic

_EVENTS = """
SELECT
    regexp_extract(filename, '([^/]+)/[^/]+$', 1) AS topic,
    meta.id AS id,
    concat_ws('/', funnel_entry_token, coalesce(CAST(funnel_event_sequence_position AS VARCHAR), dt), action) AS funnel,
    left(meta.dt, 13) AS hour_start,
    coalesce(meta.domain = 'canary', false) AS canary
FROM read_json(
    $files, format = 'newline_delimited', ignore_errors = true, filename = true,
    columns = {
        meta: 'STRUCT(id VARCHAR, dt VARCHAR, domain VARCHAR)', funnel_entry_token: 'VARCHAR',
        funnel_event_sequence_position: 'BIGINT', action: 'VARCHAR', dt: 'VARCHAR'
    }
)
WHERE epoch_ms(TRY_CAST(meta.dt AS TIMESTAMPTZ)) BETWEEN $from_ms AND $until_ms
"""

_NOTHING = """
SELECT '' AS topic, '' AS id, '' AS funnel, '' AS hour_start, false AS canary WHERE false
"""


def export_stream(stream_dir: Path, to: Path, from_ms: int, until_ms: int) -> None:
    """Write the keys of all events in the span to the Parquet file *to*, atomically.

    Args:
        stream_dir: folder of the stream's segments, with one folder per topic.
        to: Parquet file to write.
        from_ms, until_ms: time span, milliseconds since 1970.
    """
    files = _segments(stream_dir)
    with duckdb.connect() as connection:
        if files:
            rows = connection.sql(_EVENTS, params={"files": files, "from_ms": from_ms, "until_ms": until_ms})
        else:
            rows = connection.sql(_NOTHING)
        with replacing(to) as temporary:
            rows.write_parquet(str(temporary))


def export_topics(names: Iterable[str], open_topic: OpenTopic, to: Path, from_ms: int, until_ms: int) -> None:
    """Export the topics *names*, except those without a data centre's prefix. Raises BrokerError."""
    with TemporaryDirectory(prefix="dogfood-topics-") as folder:
        for name in names:
            if name.split(".", 1)[0] not in DATA_CENTRES:
                continue
            part = Path(folder) / name
            part.mkdir()
            with (part / "topic.ndjson").open("wb") as file:
                for batch in open_topic(name).read():
                    file.writelines(line + b"\n" for line in batch.lines)
        export_stream(Path(folder), to, from_ms, until_ms)


def _segments(stream_dir: Path) -> Sequence[str]:
    """Return the non-empty segments of all topics, except error topics."""
    paths = sorted(stream_dir.glob("*/*.ndjson"))
    return [str(path) for path in paths if not path.parent.name.endswith(ERROR_STREAM) and path.stat().st_size]
