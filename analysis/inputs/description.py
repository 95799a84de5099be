"""Description of the observed files: formats, mapped columns, coerced types and counts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ObservedKind(StrEnum):
    """Origin of observed rows: the table, or a stream, in which canaries are normal."""

    STREAM = "stream"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class SourceSummary:
    """Files of the same format, envelope and kind.

    Attributes:
        format: format with its compression, such as `gzip NDJSON`.
        envelope: envelope around each event; empty for none.
        kind: output of a stream, or rows of a table.
        files: number of files.
        first: name of the first file.
        events: number of events, without the canaries of a stream.
        canaries: number of a stream's canary events.
        reports: number of the error stream's reports of invalid events.
        broken: number of unreadable lines.
        cut_short: whether a file ends in the middle of a line.
    """

    format: str
    envelope: str
    kind: ObservedKind
    files: int
    first: str
    events: int
    canaries: int = 0
    reports: int = 0
    broken: int = 0
    cut_short: bool = False

    @property
    def sentence(self) -> str:
        """Format, envelope, kind and counts: `gzip NDJSON, Kafka envelope, stream, 56,860 events`."""
        words = [self.format, self.envelope, str(self.kind), f"{self.events:,} events"]
        for count, noun in (
            (self.canaries, "canaries"),
            (self.reports, "error reports"),
            (self.broken, "broken lines"),
        ):
            words += [f"{count:,} {noun}"] if count else []
        more = f" in {self.files:,} files" if self.files > 1 else ""
        return f"{', '.join(filter(None, words))}{more}"


@dataclass(frozen=True, slots=True)
class InputSummary:
    """Summary of all observed files and their rows.

    Attributes:
        sources: files by format, envelope and kind.
        rows: number of rows, of this run and of others.
        of_run: number of rows of this run.
        mapped: field by source name, where the names differ.
        unmapped: columns and members without a field.
        coerced: number of values that were converted from another type, by field and type.
        unreadable: number of values that did not convert and became null, by field and type.
        absent: fields without a column in any file; only tables have any.
        skipped: files without events.
        first_dt, last_dt: first and last receive time of the rows; empty without one.
        partitions: number of rows by hour of receive time and data centre, the most recent last.
        streams: number of rows by stream.
        duplicated_ids: number of ids on more than one row.
    """

    sources: tuple[SourceSummary, ...] = ()
    rows: int = 0
    of_run: int = 0
    mapped: Mapping[str, str] = field(default_factory=dict)
    unmapped: tuple[str, ...] = ()
    coerced: Mapping[str, int] = field(default_factory=dict)
    unreadable: Mapping[str, int] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    first_dt: str = ""
    last_dt: str = ""
    partitions: Mapping[str, int] = field(default_factory=dict)
    streams: Mapping[str, int] = field(default_factory=dict)
    duplicated_ids: int = 0

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield the lines of the summary: heading and text."""
        for source in self.sources:
            yield "read as", f"{source.sentence} ({source.first}{', …' if source.files > 1 else ''})"
        yield "rows", f"{self.rows:,}, of them {self.of_run:,} of this run"
        yield "columns mapped", _joined(f"{name} → {to}" for name, to in self.mapped.items()) or "none"
        yield "not mapped", _joined(self.unmapped) or "none"
        yield "types coerced", _joined(f"{name}: {count:,}" for name, count in self.coerced.items()) or "none"
        if self.unreadable:
            yield "not readable", _joined(f"{name}: {count:,}" for name, count in self.unreadable.items())
        if self.absent:
            yield "no column for", _joined(self.absent)
        if self.skipped:
            yield "files without events", _joined(self.skipped)
        yield "time span", f"{self.first_dt} to {self.last_dt}" if self.first_dt else "no row has a receive time"
        yield "hours", _joined(f"{hour}: {count:,}" for hour, count in self.partitions.items()) or "none"
        yield "streams", _joined(f"{name}: {count:,}" for name, count in self.streams.items()) or "none"
        yield "ids duplicated", f"{self.duplicated_ids:,}"


#: Maximum number of names in a line.
_MAX_NAMES = 12


def _joined(words: Iterator[str] | tuple[str, ...]) -> str:
    listed = list(words)
    more = f", and {len(listed) - _MAX_NAMES:,} more" if len(listed) > _MAX_NAMES else ""
    return ", ".join(listed[:_MAX_NAMES]) + more
