"""What happens to events as a stream: gaps in time, deliveries under new ids, canaries taken for traffic."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from analysis.evidence import Evidence
from analysis.results import CheckResult, Layer, Outcome
from analysis.series import Moment, count_over_time

_EXAMPLES = 5

#: Fewer events than this in a stretch of time are too few to call it a silence.
_MIN_EVENTS = 20

#: As likely as this, a stretch is silent by the chance of a scattered loss.
_CHANCE = 1e-6

_HOUR_MS = 3_600_000


def check_replayed(evidence: Evidence) -> CheckResult:
    """Find events that landed again under another id."""
    rows = evidence.engine.ask("replayed") if evidence.unexpected else []
    if not rows:
        summary = "No event landed again under another id."
        return CheckResult("replayed", Layer.STREAM, Outcome.PASS, summary, 0, threshold=0)
    summary = (
        f"{len(rows):,} events landed again under another id, with funnel, position and action of one that was sent: "
        "look at what retries, and where ids are given."
    )
    detail = {"replayed": len(rows), "examples": rows[:_EXAMPLES]}
    return CheckResult("replayed", Layer.STREAM, Outcome.FAIL, summary, len(rows), threshold=0, evidence=detail)


def check_canaries(evidence: Evidence) -> CheckResult:
    """Find canary events in the table: they prove that a quiet stream is alive and are no traffic."""
    rows = evidence.engine.ask("canaries")
    count = sum(int(str(row["events"])) for row in rows)
    if not count:
        return CheckResult("canaries", Layer.TABLE, Outcome.PASS, "No canary event is in the table.", 0, threshold=0)
    summary = f"{count:,} canary events are in the table, where they count as traffic: look at ingestion's filter."
    detail = {"canaries": count, "streams": rows[:_EXAMPLES]}
    return CheckResult("canaries", Layer.TABLE, Outcome.FAIL, summary, count, threshold=0, evidence=detail)


def check_freshness(evidence: Evidence) -> CheckResult:
    """Find rows that could be read later than was promised, and hours whose events were acknowledged and have no row.

    Inconclusive, and no matter, where nobody wrote down when rows were added.
    """
    delays, hours = evidence.arrived.table, evidence.manifest.deadline_s / 3600
    if not len(delays):
        why = "It was not written down when rows were added to the table."
        return CheckResult("freshness", Layer.TABLE, Outcome.INCONCLUSIVE, why, matters=False)
    late = int(np.count_nonzero(delays > evidence.manifest.deadline_s * 1000))
    empty = [
        int(str(row["bucket"])) * _HOUR_MS
        for row in evidence.engine.ask("series", {"from_ms": 0, "bucket_ms": _HOUR_MS})
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
            "freshness", Layer.TABLE, Outcome.FAIL, summary, late + len(empty), threshold=0, evidence=detail
        )
    summary = f"Of {len(delays):,} rows {told}; none later than {hours:g} hours."
    return CheckResult("freshness", Layer.TABLE, Outcome.PASS, summary, 0, threshold=0, evidence=detail)


def check_silences(evidence: Evidence) -> CheckResult:
    """Find stretches of time in which events were acknowledged and none of them landed, while others did.

    A stretch that is made of whole hours of the clock is a partition that did not come; any other is an intake that
    acknowledged and produced nothing.
    """
    moments = count_over_time(evidence)
    landed = sum(moment.landed for moment in moments)
    gaps = _gaps(moments) if landed else []
    if not gaps:
        summary = "There was no stretch of time from which nothing landed." if landed else "Nothing landed at any time."
        return CheckResult("silences", Layer.INTAKE, Outcome.PASS, summary, 0, threshold=0)
    missing = sum(moment.acknowledged for gap in gaps for moment in gap)
    first = gaps[0]
    begin, end = first[0].at_ms, first[-1].at_ms + first[-1].span_ms
    hourly = all(_whole_hours(moments, gap) for gap in gaps)
    layer = Layer.TABLE if hourly else Layer.INTAKE
    where = "at ingestion: whole hours are missing" if hourly else "at the intake: it answered and produced nothing"
    more = f", and {len(gaps) - 1} more such stretches" if len(gaps) > 1 else ""
    summary = (
        f"Nothing landed of {missing:,} acknowledged events of {(end - begin) / 1000:,.0f} seconds on end{more}: "
        f"look {where}."
    )
    detail = {"silences": [{"from_ms": gap[0].at_ms, "until_ms": gap[-1].at_ms + gap[-1].span_ms} for gap in gaps[:10]]}
    return CheckResult("silences", layer, Outcome.FAIL, summary, missing, threshold=0, evidence=detail)


def _gaps(moments: Sequence[Moment]) -> list[list[Moment]]:
    """Return the runs of neighbouring moments with enough acknowledged events of which none landed.

    A run that a loss like that of the other moments would leave silent now and then is none; nor is one of which only
    whole subjects are missing, who are gone at every other time as well.
    """
    busy = [moment for moment in moments if moment.acknowledged]
    runs = [list(run) for silent, run in groupby(busy, key=lambda moment: not moment.landed) if silent]
    others = [moment for moment in busy if moment.landed]
    loss = sum(moment.lost for moment in others) / max(sum(moment.acknowledged for moment in others), 1)
    return [
        run
        for run in runs
        if (lost := sum(moment.lost for moment in run)) >= _MIN_EVENTS
        and loss**lost < _CHANCE
        and any(moment.lost_of_landed for moment in run)
    ]


def _whole_hours(moments: Sequence[Moment], gap: Sequence[Moment]) -> bool:
    """Return whether a gap begins and ends with hours of the clock, or with the run, and the run has other hours."""
    begin, end = gap[0].at_ms, gap[-1].at_ms + gap[-1].span_ms
    first, last = moments[0].at_ms, moments[-1].at_ms + moments[-1].span_ms
    hours = {moment.at_ms // _HOUR_MS for moment in moments}
    slack = gap[0].span_ms
    starts = begin == first or begin % _HOUR_MS < slack or _HOUR_MS - begin % _HOUR_MS <= slack
    ends = end == last or end % _HOUR_MS <= slack or _HOUR_MS - end % _HOUR_MS < slack
    return len(hours) > 1 and starts and ends
