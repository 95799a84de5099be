"""Checks of the stream: gaps in time, redelivery under new ids, canary events in the table, freshness."""

import numpy as np

from analysis.run_model.load import Evidence
from analysis.summaries.gaps import find_gaps
from analysis.verdict import CheckResult, CheckStatus, Layer
from common.sentences import agree, count_of
from contracts.streams import topics

_EXAMPLES = 5

_HOUR_MS = 3_600_000


def check_replayed(evidence: Evidence) -> CheckResult:
    """Find events that landed a second time under another id."""
    rows = evidence.engine.ask("replayed_events") if evidence.unexpected else []
    if not rows:
        summary = "Every event landed only under the id that it was sent with."
        return CheckResult("replayed", Layer.STREAM, CheckStatus.PASS, summary, 0, threshold=0)
    summary = (
        f"{count_of(len(rows), 'event')} landed again under another id, with funnel, position and action of a sent "
        "event: look at what retries, and at where ids are assigned."
    )
    detail = {"replayed": len(rows), "examples": rows[:_EXAMPLES]}
    return CheckResult("replayed", Layer.STREAM, CheckStatus.FAIL, summary, len(rows), threshold=0, evidence=detail)


def check_canaries(evidence: Evidence) -> CheckResult:
    """Find canary events in the table: they show that a quiet stream is alive and do not count as traffic."""
    rows = evidence.engine.ask("canaries")
    count = sum(int(str(row["events"])) for row in rows)
    if not count:
        summary, detail = _streamed_canaries(evidence)
        return CheckResult("canaries", Layer.TABLE, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)
    are = f"{count_of(count, 'canary event')} {agree(count, 'is', 'are')}"
    summary = f"{are} in the table, counted as traffic: look at ingestion's filter."
    detail = {"canaries": count, "streams": rows[:_EXAMPLES]}
    return CheckResult("canaries", Layer.TABLE, CheckStatus.FAIL, summary, count, threshold=0, evidence=detail)


def _streamed_canaries(evidence: Evidence) -> tuple[str, dict[str, object]]:
    """Return the sentence and the evidence of a table without canary events, with the number in the stream."""
    if not evidence.loss_location.known:
        return "No canary event is in the table.", {}
    own = topics(evidence.manifest.stream)
    rows = [row for row in evidence.engine.ask("canaries_in_topics") if row["topic"] in own]
    events = sum(int(str(row["events"])) for row in rows)
    stream = f"The stream had {events:,} of" if events else "The stream had none, so nothing shows that ingestion drops"
    return f"No canary event is in the table. {stream} them.", {"streamed": rows}


def check_freshness(evidence: Evidence) -> CheckResult:
    """Find rows that became readable after the deadline, and hours with acknowledged events and no row.

    Inconclusive, and without effect on the verdict, when the table does not record when rows were added.
    """
    delays, hours = evidence.arrival_delays.table, evidence.manifest.deadline_s / 3600
    if not len(delays):
        reason = "The table does not record when rows were added."
        return CheckResult("freshness", Layer.TABLE, CheckStatus.INCONCLUSIVE, reason, matters=False)
    late = int(np.count_nonzero(delays > evidence.manifest.deadline_s * 1000))
    empty = [
        int(str(row["bucket"])) * _HOUR_MS
        for row in evidence.engine.ask("events_over_time", {"from_ms": 0, "bucket_ms": _HOUR_MS})
        if row["acknowledged_events"] and not row["landed_events"]
    ]
    median, most = (float(np.percentile(delays, at)) / 1000 for at in (50, 99))
    delay = f"p50 {median:,.0f} s, p99 {most:,.0f} s after the event"
    detail = {"rows": len(delays), "late": late, "share": late / len(delays), "hours_without_rows_ms": empty}
    if late or empty:
        parts = (
            [f"{late / len(delays):.2%} of the rows became readable after {count_of(hours, 'hour')}"] if late else []
        )
        no_row = f"{count_of(len(empty), 'hour')} with acknowledged events {agree(len(empty), 'has', 'have')} no row"
        parts += [no_row] if empty else []
        summary = f"{' and '.join(parts)} ({delay}): look at when ingestion runs."
        return CheckResult(
            "freshness", Layer.TABLE, CheckStatus.FAIL, summary, late + len(empty), threshold=0, evidence=detail
        )
    summary = f"All {count_of(len(delays), 'row')} became readable within {count_of(hours, 'hour')} ({delay})."
    return CheckResult("freshness", Layer.TABLE, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)


def check_silences(evidence: Evidence) -> CheckResult:
    """Find periods from which nothing landed; whole hours point at a partition, others at the intake."""
    gaps = find_gaps(evidence.time_buckets)
    if not gaps:
        landed = any(moment.landed for moment in evidence.time_buckets)
        summary = "Events from every period landed." if landed else "No event landed at any time."
        return CheckResult("silences", Layer.INTAKE, CheckStatus.PASS, summary, 0, threshold=0)
    missing = sum(gap.acknowledged for gap in gaps)
    first = gaps[0]
    hourly = all(gap.hourly for gap in gaps)
    layer = Layer.TABLE if hourly else Layer.INTAKE
    where = (
        "at ingestion: whole hours are missing" if hourly else "at the intake: it acknowledged events and produced none"
    )
    more = f" and {count_of(len(gaps) - 1, 'more such gap')}" if len(gaps) > 1 else ""
    seconds = count_of(round((first.until_ms - first.from_ms) / 1000), "second")
    summary = (
        f"{count_of(missing, 'acknowledged event')} did not land: nothing landed from {seconds} on end{more}. "
        f"Look {where}."
    )
    detail = {"silences": [gap._asdict() for gap in gaps[:10]]}
    return CheckResult("silences", layer, CheckStatus.FAIL, summary, missing, threshold=0, evidence=detail)
