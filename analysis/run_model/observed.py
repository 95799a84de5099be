"""Observed rows: read files into the relation `observed_events`, and describe their formats."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import duckdb

from analysis.engines.base import QueryEngine
from analysis.engines.duckdb_engine import DuckDbEngine
from analysis.inputs.columnar import FILE
from analysis.inputs.description import InputSummary, ObservedKind, SourceSummary
from analysis.inputs.errors import InputError
from analysis.inputs.folders import data_files
from analysis.inputs.reader import Reader, empty_rows
from contracts.table import PARTITIONS, BrokenLine, columns
from run_record.run_folder import OBSERVED

#: Number of rows by file and hour of their receive time.
_ROWS_BY_HOUR = (
    "{file}, strftime(make_timestamp(epoch_us(TRY_CAST(meta.dt AS TIMESTAMPTZ))), '%Y-%m-%dT%H') AS hour, count(*)"
)


class Observed(NamedTuple):
    """Content of the observed files besides their rows.

    Attributes:
        broken: lines that cannot be read.
        reports: lines of the error stream.
        misplaced: number of rows in another hour's partition, by partition and receive hour.
        summary: formats of the files; `summarise` adds the row counts.
    """

    broken: tuple[BrokenLine, ...]
    reports: tuple[bytes, ...]
    misplaced: Mapping[tuple[str, str], int]
    summary: InputSummary


def read_observed(run: Path, paths: Sequence[Path], engine: DuckDbEngine, kind: ObservedKind | None = None) -> Observed:
    """Read files into the relation `observed_events` of *engine*.

    Args:
        run: the run's folder; its rows are read when *paths* is empty.
        paths: files, folders or pipes; `-` is standard input.
        engine: receives the rows.
        kind: rows of a stream or of a table; None to detect it for each file.

    Raises:
        InputError: one of them cannot be read, or holds no events.
    """
    folder = run / OBSERVED
    if not paths and not any(data_files(folder)):
        raise InputError(f"{folder} holds no rows: `dogfood run` puts them there, or name them with --observed")
    reader = Reader(engine, kind)
    for path in paths or [folder]:
        reader.read(path)
    if paths and not reader.sources:
        skipped = ", ".join(reader.skipped[:3])
        raise InputError(f"nothing in {', '.join(map(str, paths))} is an event of this platform (read: {skipped})")
    misplaced: Counter[tuple[str, str]] = Counter()
    names = [*columns(), "datacenter"]
    rows = empty_rows(engine.connection).project(", ".join(f'"{name}"' for name in names))
    for part in reader.parts:
        misplaced.update(_misplaced(part))
        rows = rows.union(part.project(", ".join(f'"{name}"' for name in names)))
    rows.create_view("observed_events")
    notes = reader.notes
    summary = InputSummary(
        sources=_merged(reader.sources),
        mapped=dict(sorted(notes.mapped.items())),
        unmapped=tuple(sorted(notes.unmapped)),
        coerced=dict(sorted((name, count) for name, count in notes.coerced.items() if count)),
        unreadable=dict(sorted((name, count) for name, count in notes.unreadable.items() if count)),
        absent=tuple(sorted(reader.absent or ())),
        skipped=tuple(reader.skipped),
    )
    return Observed(tuple(reader.broken), tuple(reader.reports), misplaced, summary)


def summarise(summary: InputSummary, engine: QueryEngine, of_run: int) -> InputSummary:
    """Return *summary* with the row counts of *engine*; *of_run* rows are this run's."""
    [row] = engine.ask("input_rows")
    partitions: Counter[str] = Counter()
    streams: Counter[str] = Counter()
    for group in engine.ask("input_hours"):
        events = int(str(group["events"]))
        datacenter = f" {group['datacenter']}" if group["datacenter"] else ""
        partitions[f"{group['hour_start'] or 'no receive time'}{datacenter}"] += events
        streams[str(group["stream"] or "none")] += events
    return replace(
        summary,
        rows=int(str(row["rows_observed"])),
        of_run=of_run,
        first_dt=str(row["first_dt"] or ""),
        last_dt=str(row["last_dt"] or ""),
        partitions=dict(partitions),
        streams=dict(streams),
        duplicated_ids=int(str(row["ids_again"])),
    )


def _merged(sources: Sequence[SourceSummary]) -> tuple[SourceSummary, ...]:
    """Return one summary for all sources of the same format, envelope and kind."""
    merged: dict[tuple[str, str, ObservedKind], SourceSummary] = {}
    for item in sources:
        key = item.format, item.envelope, item.kind
        existing = merged.get(key)
        if existing is None:
            merged[key] = item
            continue
        counts = {
            name: getattr(existing, name) + getattr(item, name)
            for name in ("files", "events", "canaries", "reports", "broken")
        }
        merged[key] = replace(existing, **counts, cut_short=existing.cut_short or item.cut_short)
    return tuple(merged.values())


def _misplaced(part: duckdb.DuckDBPyRelation) -> Mapping[tuple[str, str], int]:
    """Return the number of rows of *part* in another hour's partition than their receive time names."""
    partitioned = part.filter(f"{FILE} LIKE '%/hour=%'")
    counts: Counter[tuple[str, str]] = Counter()
    for file, hour, count in partitioned.aggregate(_ROWS_BY_HOUR.format(file=FILE), f"{FILE}, hour").fetchall():
        partition = _partition(file)
        if partition and hour and partition != hour:
            counts[partition, hour] += count
    return counts


def _partition(file: str) -> str:
    """Return the hour that a file's Hive partitions name, such as `2025-01-31T14`; empty without partitions."""
    parts = dict(part.split("=", 1) for part in Path(file).parts if "=" in part)
    if not set(PARTITIONS) <= parts.keys():
        return ""
    try:
        hour = datetime(*(int(parts[name]) for name in PARTITIONS[1:]), tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError:
        return ""
    return f"{hour:%Y-%m-%dT%H}"
