"""Checks of delivery: every sent event should become one row with the sent content.

Every sent event has exactly one fate (`analysis/sql/model/event_fates.sql`):

- ok: a row landed, with any response to the sender.
- corrupted: a row landed with other content; fields that the intake fills in are not compared.
- late: the row's receive time is later after the event's `dt` than the deadline.
- invalid: in the error stream, or refused (400, 500) and not landed.
- lost: answered 201 or 202, and in neither the table nor the error stream.
- indeterminate: no response, and not landed.

Among the rows, *duplicated* counts ids that landed more than once, *unexpected* rows whose id was not sent.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from analysis.run_model.load import Evidence
from analysis.run_model.sent_validity import VALIDATED, intake_schemas
from analysis.statistics import unlike
from analysis.summaries.gaps import find_gaps
from analysis.summaries.segments import count_segments, outlier_segments
from analysis.verdict import ALPHA, CheckResult, CheckStatus, Layer
from common.sentences import agree, clause, count_of

_EXAMPLES = 5

#: Largest share of events with unknown outcome at which the others are still enough for a pass.
MAX_INDETERMINATE = 0.01

FATES = ("ok", "lost", "corrupted", "indeterminate", "invalid", "late")


def reconcile(evidence: Evidence) -> dict[str, int]:
    """Return the reconciliation: events offered, events by fate, and duplicated and unexpected ids."""
    counts = dict.fromkeys(FATES, 0)
    for row in evidence.fates:
        counts[str(row["fate"])] += int(str(row["events"]))
    return {
        "offered": sum(counts.values()),
        **counts,
        "duplicated": len(evidence.duplicates),
        "unexpected": len(evidence.unexpected),
    }


def check_lost(evidence: Evidence) -> CheckResult:
    """Find acknowledged events in neither the table nor the error stream, and describe their common properties."""
    groups = _by_group(evidence, "lost")
    lost = sum(count for count, _ in groups.values())
    layer = evidence.delivery_layer
    between = f"the intake's {'202' if evidence.hasty else '201'} and the table"
    if not lost:
        return _passed("lost", layer, f"No event was lost between {between}.")
    vanished = {str(row["group_name"]): row["subjects"] for row in evidence.engine.ask("subjects_lost_entirely")}
    apart = outlier_segments(count_segments(evidence))
    losses = "; ".join(
        f"group {group!r} lost {count / total:.2%} of its events ({count:,} of {total:,})"
        for group, (count, total) in groups.items()
        if count
    )
    spared = [group for group, (count, _) in groups.items() if not count]
    others = f"; {' and '.join(map(repr, spared))} lost none" if spared else ""
    subjects = sum(map(int, map(str, vanished.values())))
    remarks = f" {count_of(subjects, 'subject')} vanished completely." if vanished else ""
    where = next((item for item in apart if item.dimension != "group"), None)
    remarks += _last_seen(evidence)
    if evidence.dropped.all_of_them:
        layer = Layer.INSTRUMENT
        remarks += f" No intake accepts them: {clause(evidence.dropped.problem)}."
    elif not evidence.whereabouts.known and _of_whole_hours(evidence, lost):
        layer = Layer.TABLE
        remarks += " They fill whole hours from which nothing landed: check whether the partitions have arrived."
    elif _heavy_subjects_vanished(evidence):
        layer = Layer.TABLE
        remarks += " These subjects had sent more events than others: look for a filter that takes them for bots."
    elif where is not None:
        remarks += (
            f" The loss is concentrated where {where.dimension} is {where.value!r}: {where.share:.2%} there, "
            f"{where.rest:.2%} elsewhere."
        )
    detail = {
        "lost": lost,
        "by_group": _groups_json(groups),
        "segments": [item._asdict() for item in apart[:_EXAMPLES]],
        "vanished_subjects": vanished,
        "last_seen": evidence.loss_location._asdict(),
        "examples": _ids(evidence, "lost"),
    }
    number = f"{count_of(lost, 'event')} {agree(lost, 'was', 'were')}"
    summary = f"{number} lost between {between}: {losses}{others}.{remarks}"
    return CheckResult("lost", layer, CheckStatus.FAIL, summary, lost, threshold=0, evidence=detail)


def _last_seen(evidence: Evidence) -> str:
    """Return a sentence on where lost events were seen last; empty when the streams are unknown."""
    lost = evidence.whereabouts
    clauses = []
    if lost.hours:
        hours = ", ".join(f"{hour}:00 UTC" for hour in lost.hours[:3])
        clauses.append(
            f"{_number_in(lost.behind)} the stream, and the table has no row of their hours: check whether the "
            f"partition of {hours} has arrived"
        )
    elif lost.behind:
        clauses.append(f"{_number_in(lost.behind)} the stream and not in the table: look at ingestion")
    if lost.elsewhere:
        clauses.append(f"{_number_in(lost.astray)} another stream ({', '.join(lost.elsewhere)})")
    if lost.nowhere and lost.known:
        clauses.append(f"{_number_in(lost.nowhere)} no stream: look at the intake, which acknowledged them")
    return f" {'; '.join(clauses)}." if clauses else ""


def _number_in(events: int) -> str:
    return f"{events:,} {agree(events, 'is', 'are')} in"


def _of_whole_hours(evidence: Evidence, lost: int) -> bool:
    """Return whether the *lost* events are exactly those of whole hours from which nothing landed."""
    gaps = find_gaps(evidence.moments)
    return all(gap.hourly for gap in gaps) and sum(gap.lost for gap in gaps) == lost


def _heavy_subjects_vanished(evidence: Evidence) -> bool:
    """Return whether only whole subjects are lost, and those had sent far more events than the others.

    Far more means over 1.5 times as many on average, and over four standard errors apart (Welch, 1947).
    """
    rows = {str(row["what"]): row for row in evidence.engine.ask("subjects_by_loss_extent")}
    if "partial" in rows or not {"vanished", "untouched"} <= rows.keys():
        return False
    (lost, lost_error), (rest, rest_error) = (_mean_events(rows[kind]) for kind in ("vanished", "untouched"))
    return lost > 1.5 * rest and lost - rest > 4 * (lost_error + rest_error) ** 0.5


def _mean_events(row: Mapping[str, object]) -> tuple[float, float]:
    """Return the mean number of events per subject, and the square of its standard error."""
    subjects, events, squared = (int(str(row[name])) for name in ("subjects", "events", "events_squared"))
    mean = events / subjects
    spread = max(squared / subjects - mean**2, 0.0) * subjects / max(subjects - 1, 1)
    return mean, spread / subjects


def check_duplicated(evidence: Evidence) -> CheckResult:
    """Find ids that landed more than once."""
    rows = evidence.duplicates
    if not rows:
        return _passed("duplicated", Layer.STREAM, "No event landed twice.")
    extra = sum(int(str(row["copies"])) - 1 for row in rows)
    summary = (
        f"{count_of(len(rows), 'event')} landed more than once ({count_of(extra, 'surplus row')}): look at retries "
        "and at deduplication."
    )
    detail = {"duplicated": len(rows), "rows_too_many": extra, "examples": rows[:_EXAMPLES]}
    return CheckResult("duplicated", Layer.STREAM, CheckStatus.FAIL, summary, len(rows), threshold=0, evidence=detail)


def check_corrupted(evidence: Evidence) -> CheckResult:
    """Find rows that differ from what was sent, and name the fields."""
    groups = _by_group(evidence, "corrupted")
    count = sum(number for number, _ in groups.values())
    if not count:
        return _passed("corrupted", Layer.TABLE, "Every row holds what was sent.")
    fields = {
        name.replace("__", "."): number for name, number in evidence.engine.ask("corrupted_fields")[0].items() if number
    }
    changes = ", ".join(f"{name} in {number:,}" for name, number in fields.items())
    detail = {
        "corrupted": count,
        "fields": fields,
        "by_group": _groups_json(groups),
        "examples": _ids(evidence, "corrupted"),
    }
    differ = f"{count_of(count, 'row')} {agree(count, 'differs', 'differ')}"
    summary = f"{differ} from what was sent ({changes}): look at what rewrites rows after the intake."
    return CheckResult("corrupted", Layer.TABLE, CheckStatus.FAIL, summary, count, threshold=0, evidence=detail)


def check_unexpected(evidence: Evidence) -> CheckResult:
    """Find rows that claim this run's instrument or experiment and were not sent."""
    rows = evidence.unexpected
    others = ", ".join(f"{count_of(count, 'row')} of run {name}" for name, count in evidence.other_runs.items())
    excluded = f" Not counted: {others}, by that run's ledger." if others else ""
    if not rows:
        summary = f"Every row that claims this experiment was sent.{excluded}"
        detail: dict[str, object] = {"other_runs": dict(evidence.other_runs)}
        return CheckResult("unexpected", Layer.TABLE, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)
    claim = f"{count_of(len(rows), 'row')} {agree(len(rows), 'claims', 'claim')} this experiment or instrument"
    summary = (
        f"{claim} without having been sent{_received(rows)}: look for another sender, or for changed ids.{excluded}"
    )
    detail = {"unexpected": len(rows), "examples": rows[:_EXAMPLES], "other_runs": dict(evidence.other_runs)}
    return CheckResult("unexpected", Layer.TABLE, CheckStatus.FAIL, summary, len(rows), threshold=0, evidence=detail)


def _received(rows: Sequence[Mapping[str, object]]) -> str:
    """Return the period in which *rows* were received; empty when none has a time."""
    moments = [int(str(row["first_ms"])) for row in rows if row["first_ms"] is not None]
    if not moments:
        return ""
    first, last = (
        datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        for moment in (min(moments), max(moments))
    )
    return f", received {first} UTC" if first == last else f", received from {first} to {last} UTC"


def check_invalid(evidence: Evidence) -> CheckResult:
    """Find events that the intake refused, or dropped behind a 202, and give the reason.

    Sent events are validated again, with the schemas that the intake serves and the fields that it fills in. When they
    are valid the intake is at fault, otherwise the client.
    """
    rows = evidence.engine.ask("rejection_reasons")
    count = sum(int(str(row["events"])) for row in rows)
    if not count:
        if evidence.dropped.events:
            return _dropped(evidence.dropped)
        return _passed("invalid", Layer.INSTRUMENT, "The intake refused no event.")
    reason = str(rows[0]["reason"]) or "it gave no reason"
    problem_of = intake_schemas(evidence).problem_of
    problem = next(filter(None, map(problem_of, evidence.sent_bodies("rejected_events", VALIDATED))), "")
    if problem:
        layer, where = Layer.INSTRUMENT, f"at what the client sends ({problem})"
    else:
        layer, where = Layer.INTAKE, "at the intake and its log, for the sent events fit the schema"
    share = count / max(len(evidence.ledger.visit), 1)
    refused = f"{count_of(count, 'event')} ({share:.1%}) {agree(count, 'was', 'were')} refused by the intake"
    summary = f"{refused}, most often because {clause(reason)}: look {where}."
    detail = {"invalid": count, "reasons": rows[:_EXAMPLES], "examples": _ids(evidence, "invalid")}
    return CheckResult("invalid", layer, CheckStatus.FAIL, summary, count, threshold=0, evidence=detail)


def _dropped(dropped: Dropped) -> CheckResult:
    """Return the result for invalid events that were lost behind a 202 without a report."""
    of = "" if dropped.validated == dropped.lost else f" of {dropped.validated:,} validated"
    summary = (
        f"{dropped.events:,}{of} of the {count_of(dropped.lost, 'lost event')} behind a 202 "
        f"{agree(dropped.events, 'is', 'are')} invalid: {clause(dropped.problem)}. Look at what the client sends."
    )
    detail = {"invalid": dropped.events, **dropped._asdict()}
    return CheckResult(
        "invalid", Layer.INSTRUMENT, CheckStatus.FAIL, summary, dropped.events, threshold=0, evidence=detail
    )


def check_indeterminate(evidence: Evidence) -> CheckResult:
    """Find events with an unknown outcome; a larger share in one group than in the others is a failure.

    Responses that are missing by chance, or because a worker was killed, are missing in every group alike. Fisher's
    exact test compares the share of subjects with such an event, each group against the rest.
    """
    counts = reconcile(evidence)
    share = counts["indeterminate"] / counts["offered"] if counts["offered"] else 0.0
    rows = evidence.engine.ask("indeterminate_by_group")
    detail = {
        "indeterminate": counts["indeterminate"],
        "share": share,
        "by_group": rows,
        "examples": _ids(evidence, "indeterminate"),
    }
    unknown = counts["indeterminate"]
    summary = f"{unknown:,} of {count_of(counts['offered'], 'event')} got no response and did not land."
    p_value = None
    if not counts["offered"]:
        summary, status = "No event was sent, so there is no outcome to know.", CheckStatus.INCONCLUSIVE
    elif (p_value := unlike([(int(str(row["hit"])), int(str(row["subjects"]))) for row in rows])) < ALPHA:
        status = CheckStatus.FAIL
        summary = (
            f"{count_of(unknown, 'event')} got no response and did not land, not alike in all groups: "
            f"{_unanswered(rows)}. Look between the client and the intake."
        )
    else:
        status = CheckStatus.INCONCLUSIVE if share > MAX_INDETERMINATE else CheckStatus.PASS
    return CheckResult(
        "indeterminate", Layer.TRANSPORT, status, summary, share, p_value, MAX_INDETERMINATE, evidence=detail
    )


def _unanswered(rows: Sequence[Mapping[str, object]]) -> str:
    clauses = []
    for row in sorted(rows, key=lambda row: -int(str(row["hit"])) / int(str(row["subjects"]))):
        events, sent = int(str(row["events"])), int(str(row["sent_events"]))
        count = f"{events / sent:.2%} of its events ({events:,} of {sent:,})" if events else "none"
        clauses.append(f"group {str(row['group_name'])!r} lost {count}")
    return "; ".join(clauses)


def check_late(evidence: Evidence) -> CheckResult:
    """Find rows that arrived after the deadline."""
    count = sum(number for number, _ in _by_group(evidence, "late").values())
    hours = evidence.manifest.deadline_s / 3600
    if not count:
        return _passed("late", Layer.TABLE, f"Every row arrived within {count_of(hours, 'hour')} of its event.")
    late = f"{count_of(count, 'row')} arrived more than {count_of(hours, 'hour')} after the event"
    summary = f"{late}: look at clocks and at queues."
    detail = {"late": count, "examples": _ids(evidence, "late")}
    return CheckResult("late", Layer.TABLE, CheckStatus.FAIL, summary, count, threshold=0, evidence=detail)


def _passed(name: str, layer: Layer, summary: str) -> CheckResult:
    return CheckResult(name, layer, CheckStatus.PASS, summary, 0, threshold=0)


def _by_group(evidence: Evidence, fate: str) -> dict[str, tuple[int, int]]:
    """Return, per group, the number of events with *fate* and the number sent."""
    counts: dict[str, tuple[int, int]] = {}
    for row in evidence.fates:
        count, total = counts.get(str(row["group_name"]), (0, 0))
        events = int(str(row["events"]))
        counts[str(row["group_name"])] = (count + events * (row["fate"] == fate), total + events)
    return counts


def _groups_json(groups: dict[str, tuple[int, int]]) -> dict[str, dict[str, int]]:
    return {group: {"events": count, "of": total} for group, (count, total) in groups.items()}


def _ids(evidence: Evidence, fate: str) -> Sequence[dict[str, object]]:
    return evidence.engine.ask("fate_examples", {"fate": fate, "most": _EXAMPLES})
