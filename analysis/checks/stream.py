"""What happens to events as a stream: gaps in time, deliveries under new ids, canaries taken for traffic."""

import numpy as np

from analysis.run_model.load import Evidence
from analysis.summaries.gaps import find_gaps
from analysis.verdict import CheckResult, CheckStatus, Layer
from contracts.streams import topics

_EXAMPLES = 5

_HOUR_MS = 3_600_000


def check_replayed(evidence: Evidence) -> CheckResult:
    """Find events that landed again under another id."""
    rows = evidence.engine.ask("replayed_events") if evidence.unexpected else []
    if not rows:
        summary = "No event landed again under another id."
        return CheckResult("replayed", Layer.STREAM, CheckStatus.PASS, summary, 0, threshold=0)
    summary = (
        f"{len(rows):,} events landed again under another id, with funnel, position and action of one that was sent: "
        "look at what retries, and where ids are given."
    )
    detail = {"replayed": len(rows), "examples": rows[:_EXAMPLES]}
    return CheckResult("replayed", Layer.STREAM, CheckStatus.FAIL, summary, len(rows), threshold=0, evidence=detail)


def check_canaries(evidence: Evidence) -> CheckResult:
    """Find canary events in the table: they prove that a quiet stream is alive and are no traffic."""
    rows = evidence.engine.ask("canaries")
    count = sum(int(str(row["events"])) for row in rows)
    if not count:
        summary, detail = _streamed_canaries(evidence)
        return CheckResult("canaries", Layer.TABLE, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)
    summary = f"{count:,} canary events are in the table, where they count as traffic: look at ingestion's filter."
    detail = {"canaries": count, "streams": rows[:_EXAMPLES]}
    return CheckResult("canaries", Layer.TABLE, CheckStatus.FAIL, summary, count, threshold=0, evidence=detail)


def _streamed_canaries(evidence: Evidence) -> tuple[str, dict[str, object]]:
    """Return what the stream had in the way of canaries, none of which is in the table."""
    if not evidence.loss_location.known:
        return "No canary event is in the table.", {}
    own = topics(evidence.manifest.stream)
    rows = [row for row in evidence.engine.ask("canaries_in_topics") if row["topic"] in own]
    seen = sum(int(str(row["events"])) for row in rows)
    told = "The stream had none, so nothing shows that ingestion drops" if not seen else f"The stream had {seen:,} of"
    return f"No canary event is in the table. {told} them.", {"streamed": rows}


def check_freshness(evidence: Evidence) -> CheckResult:
    """Find rows that could be read later than was promised, and hours whose events were acknowledged and have no row.

    Inconclusive, and no matter, where nobody wrote down when rows were added.
    """
    delays, hours = evidence.arrival_delays.table, evidence.manifest.deadline_s / 3600
    if not len(delays):
        why = "It was not written down when rows were added to the table."
        return CheckResult("freshness", Layer.TABLE, CheckStatus.INCONCLUSIVE, why, matters=False)
    late = int(np.count_nonzero(delays > evidence.manifest.deadline_s * 1000))
    empty = [
        int(str(row["bucket"])) * _HOUR_MS
        for row in evidence.engine.ask("events_over_time", {"from_ms": 0, "bucket_ms": _HOUR_MS})
        if row["acknowledged_events"] and not row["landed_events"]
    ]
    median, most = (float(np.percentile(delays, at)) / 1000 for at in (50, 99))
    told = f"half of the rows could be read {median:,.0f} s after their events, 99 % after {most:,.0f} s"
    detail = {"rows": len(delays), "late": late, "share": late / len(delays), "hours_without_rows_ms": empty}
    if late or empty:
        parts = [f"{late / len(delays):.2%} of the rows could be read later than {hours:g} hours"] if late else []
        parts += [f"{len(empty)} hours have no row although events were acknowledged"] if empty else []
        summary = f"{' and '.join(parts)} ({told}): look at when ingestion runs."
        return CheckResult(
            "freshness", Layer.TABLE, CheckStatus.FAIL, summary, late + len(empty), threshold=0, evidence=detail
        )
    summary = f"Of {len(delays):,} rows {told}; none later than {hours:g} hours."
    return CheckResult("freshness", Layer.TABLE, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)


def check_silences(evidence: Evidence) -> CheckResult:
    """Look for stretches of time from which nothing landed, and tell a partition's from an intake's."""
    silences = find_gaps(evidence.time_buckets)
    if not silences:
        landed = any(moment.landed for moment in evidence.time_buckets)
        summary = "There was no stretch of time from which nothing landed." if landed else "Nothing landed at any time."
        return CheckResult("silences", Layer.INTAKE, CheckStatus.PASS, summary, 0, threshold=0)
    missing = sum(silence.acknowledged for silence in silences)
    first = silences[0]
    hourly = all(silence.hourly for silence in silences)
    layer = Layer.TABLE if hourly else Layer.INTAKE
    where = "at ingestion: whole hours are missing" if hourly else "at the intake: it answered and produced nothing"
    more = f", and {len(silences) - 1} more such stretches" if len(silences) > 1 else ""
    summary = (
        f"Nothing landed of {missing:,} acknowledged events of {(first.until_ms - first.from_ms) / 1000:,.0f} seconds "
        f"on end{more}: look {where}."
    )
    detail = {"silences": [silence._asdict() for silence in silences[:10]]}
    return CheckResult("silences", layer, CheckStatus.FAIL, summary, missing, threshold=0, evidence=detail)
