"""What observed files were read as, for people to compare with what they meant to give."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ObservedKind(StrEnum):
    """What observed rows are: of the table, or of a stream, where canaries are normal."""

    STREAM = "stream"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class SourceSummary:
    """Files that were read alike.

    Attributes:
        format: with its compression, such as `gzip NDJSON`.
        envelope: around each event, empty where there is none.
        kind: a stream's output or a table's rows.
        files: how many.
        first: the first file's name.
        events: how many rows of events they hold, canaries of a stream left out.
        canaries: events of a stream that only show that it is alive.
        reports: of invalid events, as the error stream has them.
        broken: lines that could not be read.
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
        """What they were read as, in one line: `gzip NDJSON, Kafka envelope, stream, 56,860 events`."""
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
    """All observed files, and the rows in them.

    Attributes:
        sources: files by what they were read as.
        rows: events of this run and of others.
        of_run: rows of this run.
        mapped: fields by the names that the files have for them, where those differ.
        unmapped: columns and members that no field of an event has.
        coerced: how many values were read as another type, by field and type.
        unreadable: how many could not be, and are null now.
        absent: fields that no file has a column for; only known of tables.
        skipped: files without events.
        first_dt, last_dt: the rows' first and last receive time; empty where none has one.
        partitions: rows by hour of receive time and data centre, the most recent last.
        streams: rows by the stream that they name.
        duplicated_ids: ids on more than one row.
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
        """Yield what people should know of the files: a heading and a text each."""
        for source in self.sources:
            yield "read as", f"{source.sentence} ({source.first}{', …' if source.files > 1 else ''})"
        yield "rows", f"{self.rows:,}, of them {self.of_run:,} of this run"
        yield "columns mapped", _told(f"{name} → {to}" for name, to in self.mapped.items()) or "none had to be"
        yield "not mapped", _told(self.unmapped) or "none"
        yield "types coerced", _told(f"{name}: {count:,}" for name, count in self.coerced.items()) or "none"
        if self.unreadable:
            yield "not readable", _told(f"{name}: {count:,}" for name, count in self.unreadable.items())
        if self.absent:
            yield "no column for", _told(self.absent)
        if self.skipped:
            yield "files without events", _told(self.skipped)
        yield "time span", f"{self.first_dt} to {self.last_dt}" if self.first_dt else "no row has a receive time"
        yield "hours", _told(f"{hour}: {count:,}" for hour, count in self.partitions.items()) or "none"
        yield "streams", _told(f"{name}: {count:,}" for name, count in self.streams.items()) or "none"
        yield "ids duplicated", f"{self.duplicated_ids:,}"


#: So many names are told; of more there is a count.
_MOST = 12


def _told(words: Iterator[str] | tuple[str, ...]) -> str:
    listed = list(words)
    more = f", and {len(listed) - _MOST:,} more" if len(listed) > _MOST else ""
    return ", ".join(listed[:_MOST]) + more
