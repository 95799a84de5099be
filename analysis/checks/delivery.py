"""Did every event that was sent become one row, with the content it was sent with?

Every sent event has exactly one fate (`analysis/sql/model/event_fates.sql`):

- ok: a row landed, whatever the sender was answered.
- corrupted: a row landed with other content; what the intake fills in is not compared.
- late: the row's receive time is later after the event's `dt` than the deadline.
- invalid: in the error stream, or refused to the sender (400, 500) and not landed.
- lost: answered 201 or 202, and in neither the table nor the error stream.
- indeterminate: no answer, and not landed.

On the side of the rows: *duplicated* counts ids that landed more than once, *unexpected* rows whose id was not sent.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from analysis.run_model.load import Evidence
from analysis.run_model.sent_validity import VALIDATED, UnacceptableEvents, intake_schemas
from analysis.statistics import unlike
from analysis.summaries.gaps import find_gaps
from analysis.summaries.segments import count_segments, outlier_segments
from analysis.verdict import ALPHA, CheckResult, CheckStatus, Layer

_EXAMPLES = 5

#: Above this share of events of which nobody knows what became, a clean rest proves too little.
MAX_INDETERMINATE = 0.01

FATES = ("ok", "lost", "corrupted", "indeterminate", "invalid", "late")


def reconcile(evidence: Evidence) -> dict[str, int]:
    """Return the reconciliation: events offered, by fate, and ids duplicated and unexpected."""
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
    """Find events that were acknowledged and are nowhere, and say what they have in common."""
    groups = _by_group(evidence, "lost")
    lost = sum(count for count, _ in groups.values())
    layer = evidence.delivery_layer
    between = f"the intake's {'202' if evidence.hasty else '201'} and the table"
    if not lost:
        return _passed("lost", layer, f"No event was lost between {between}.")
    vanished = {str(row["group_name"]): row["subjects"] for row in evidence.engine.ask("subjects_lost_entirely")}
    apart = outlier_segments(count_segments(evidence))
    told = "; ".join(
        f"group {group!r} lost {count / total:.2%} of its events ({count:,} of {total:,})"
        for group, (count, total) in groups.items()
        if count
    )
    spared = [group for group, (count, _) in groups.items() if not count]
    spared_told = f"; {' and '.join(map(repr, spared))} lost none" if spared else ""
    gone = f" {sum(map(int, map(str, vanished.values()))):,} subjects vanished altogether." if vanished else ""
    where = next((item for item in apart if item.dimension != "group"), None)
    gone += _last_seen(evidence)
    if evidence.unacceptable.explain_all_losses:
        layer = Layer.INSTRUMENT
        gone += f" No intake could accept them: {evidence.unacceptable.problem}."
    elif not evidence.loss_location.known and _of_whole_hours(evidence, lost):
        layer = Layer.TABLE
        gone += " All of them are of whole hours from which nothing landed: look whether their partitions have come."
    elif _heavy_subjects_vanished(evidence):
        layer = Layer.TABLE
        gone += " They had sent more events than others: look for a filter that takes them for bots."
    elif where is not None:
        gone += (
            f" Most of it where {where.dimension} is {where.value!r}: {where.share:.2%} there, {where.rest:.2%} "
            "elsewhere."
        )
    detail = {
        "lost": lost,
        "by_group": _told(groups),
        "segments": [item._asdict() for item in apart[:_EXAMPLES]],
        "vanished_subjects": vanished,
        "last_seen": evidence.loss_location._asdict(),
        "examples": _ids(evidence, "lost"),
    }
    summary = f"Between {between}, {told}{spared_told}.{gone}"
    return CheckResult("lost", layer, CheckStatus.FAIL, summary, lost, threshold=0, evidence=detail)


def _last_seen(evidence: Evidence) -> str:
    """Return a sentence on where lost events were seen last, where that was looked at."""
    found = evidence.loss_location
    told = []
    if found.hours:
        told.append(f"{found.behind:,} are in the stream, and nothing of their hours is in the table: look whether the")
        told[-1] += f" partition of {', '.join(f'{hour}:00 UTC' for hour in found.hours[:3])} has come"
    elif found.behind:
        told.append(f"{found.behind:,} are in the stream and not in the table: look at ingestion")
    if found.elsewhere:
        told.append(f"{found.astray:,} are in another stream ({', '.join(found.elsewhere)})")
    if found.nowhere and found.known:
        told.append(f"{found.nowhere:,} are in no stream: look at the intake, which acknowledged them")
    return f" {'; '.join(told)}." if told else ""


def _of_whole_hours(evidence: Evidence, lost: int) -> bool:
    """Return whether *lost* events are those of whole hours from which nothing landed."""
    silences = find_gaps(evidence.time_buckets)
    return all(silence.hourly for silence in silences) and sum(silence.lost for silence in silences) == lost


def _heavy_subjects_vanished(evidence: Evidence) -> bool:
    """Return whether what is lost is whole subjects, and such as had sent far more events than the others.

    Far more: half as many again on average, and four standard errors apart (Welch, 1947).
    """
    rows = {str(row["what"]): row for row in evidence.engine.ask("subjects_by_loss_extent")}
    if "partial" in rows or not {"vanished", "untouched"} <= rows.keys():
        return False
    (gone, gone_error), (rest, rest_error) = (_mean_events(rows[what]) for what in ("vanished", "untouched"))
    return gone > 1.5 * rest and gone - rest > 4 * (gone_error + rest_error) ** 0.5


def _mean_events(row: Mapping[str, object]) -> tuple[float, float]:
    """Return the mean number of events a subject, and the square of its standard error."""
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
        f"{len(rows):,} events landed more than once ({extra:,} rows too many): look at retries and at de-duplication."
    )
    detail = {"duplicated": len(rows), "rows_too_many": extra, "examples": rows[:_EXAMPLES]}
    return CheckResult("duplicated", Layer.STREAM, CheckStatus.FAIL, summary, len(rows), threshold=0, evidence=detail)


def check_corrupted(evidence: Evidence) -> CheckResult:
    """Find rows whose content is not what was sent, and name the fields."""
    groups = _by_group(evidence, "corrupted")
    count = sum(number for number, _ in groups.values())
    if not count:
        return _passed("corrupted", Layer.TABLE, "Every row holds what was sent.")
    fields = {
        name.replace("__", "."): number for name, number in evidence.engine.ask("corrupted_fields")[0].items() if number
    }
    told = ", ".join(f"{name} in {number:,}" for name, number in fields.items())
    detail = {
        "corrupted": count,
        "fields": fields,
        "by_group": _told(groups),
        "examples": _ids(evidence, "corrupted"),
    }
    summary = f"{count:,} rows hold something else than was sent ({told}): look at what rewrites rows after the intake."
    return CheckResult("corrupted", Layer.TABLE, CheckStatus.FAIL, summary, count, threshold=0, evidence=detail)


def check_unexpected(evidence: Evidence) -> CheckResult:
    """Find rows that claim this run's instrument or experiment and were never sent."""
    rows = evidence.unexpected
    others = ", ".join(f"{count:,} rows of run {name}" for name, count in evidence.other_runs.items())
    apart = f" Left out: {others}, whose ledger names them." if others else ""
    if not rows:
        summary = f"No row claims this experiment that was not sent.{apart}"
        detail: dict[str, object] = {"other_runs": dict(evidence.other_runs)}
        return CheckResult("unexpected", Layer.TABLE, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)
    told = f"{len(rows):,} rows claim this experiment or instrument and were never sent{_received(rows)}"
    summary = f"{told}: look for another sender, or ids that were changed.{apart}"
    detail = {"unexpected": len(rows), "examples": rows[:_EXAMPLES], "other_runs": dict(evidence.other_runs)}
    return CheckResult("unexpected", Layer.TABLE, CheckStatus.FAIL, summary, len(rows), threshold=0, evidence=detail)


def _received(rows: Sequence[Mapping[str, object]]) -> str:
    """Return from when to when rows were received, where they have a time."""
    moments = [int(str(row["first_ms"])) for row in rows if row["first_ms"] is not None]
    if not moments:
        return ""
    first, last = (
        datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        for moment in (min(moments), max(moments))
    )
    return f", received {first} UTC" if first == last else f", received from {first} to {last} UTC"


def check_invalid(evidence: Evidence) -> CheckResult:
    """Find events that the intake refused, or dropped behind a 202, and tell why.

    What was sent is validated again here, under what the intake serves: when it is valid, as the intake would have
    completed it, the intake is at fault; otherwise the client that sent it.
    """
    rows = evidence.engine.ask("rejection_reasons")
    count = sum(int(str(row["events"])) for row in rows)
    if not count:
        if evidence.unacceptable.events:
            return _dropped(evidence.unacceptable)
        return _passed("invalid", Layer.INSTRUMENT, "The intake found no event invalid.")
    why = str(rows[0]["reason"]) or "it gave no reason"
    problem_of = intake_schemas(evidence).problem_of
    problem = next(filter(None, map(problem_of, evidence.sent_bodies("rejected_events", VALIDATED))), "")
    if problem:
        layer, where = Layer.INSTRUMENT, f"at what the client sends ({problem})"
    else:
        layer, where = Layer.INTAKE, "at the intake and its log, for the schema allows what was sent"
    share = count / max(len(evidence.ledger.visit), 1)
    summary = f"The intake refused {count:,} events ({share:.1%}), most often because {why}: look {where}."
    detail = {"invalid": count, "reasons": rows[:_EXAMPLES], "examples": _ids(evidence, "invalid")}
    return CheckResult("invalid", layer, CheckStatus.FAIL, summary, count, threshold=0, evidence=detail)


def _dropped(dropped: UnacceptableEvents) -> CheckResult:
    """Return the result where nobody reported events that no intake could accept, and they are lost behind a 202."""
    of = "" if dropped.validated == dropped.lost else f" of {dropped.validated:,} that were validated"
    summary = (
        f"{dropped.events:,}{of} of the {dropped.lost:,} events that were answered 202 and are nowhere cannot be "
        f"accepted by any intake: {dropped.problem}. Look at what the client sends."
    )
    detail = {"invalid": dropped.events, **dropped._asdict()}
    return CheckResult(
        "invalid", Layer.INSTRUMENT, CheckStatus.FAIL, summary, dropped.events, threshold=0, evidence=detail
    )


def check_indeterminate(evidence: Evidence) -> CheckResult:
    """Find events of which nobody can know what became; more of one group's than of the others' is a failure.

    What goes missing without an answer by chance, or because a worker was killed, does so in every group alike. So the
    share of subjects with such an event is compared by Fisher's exact test, group against the rest.
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
    told = f"{counts['indeterminate']:,} of {counts['offered']:,} events were never answered and did not land."
    p_value = None
    if not counts["offered"]:
        told, outcome = "Nothing was sent, so nothing is known.", CheckStatus.INCONCLUSIVE
    elif (p_value := unlike([(int(str(row["hit"])), int(str(row["subjects"]))) for row in rows])) < ALPHA:
        outcome = CheckStatus.FAIL
        told = f"Between the client and the intake, {_unanswered(rows)}: no answer came, and they did not land."
    else:
        outcome = CheckStatus.INCONCLUSIVE if share > MAX_INDETERMINATE else CheckStatus.PASS
    return CheckResult(
        "indeterminate", Layer.TRANSPORT, outcome, told, share, p_value, MAX_INDETERMINATE, evidence=detail
    )


def _unanswered(rows: Sequence[Mapping[str, object]]) -> str:
    told = []
    for row in sorted(rows, key=lambda row: -int(str(row["hit"])) / int(str(row["subjects"]))):
        events, sent = int(str(row["events"])), int(str(row["sent_events"]))
        count = f"{events / sent:.2%} of its events ({events:,} of {sent:,})" if events else "none"
        told.append(f"group {str(row['group_name'])!r} lost {count}")
    return "; ".join(told)


def check_late(evidence: Evidence) -> CheckResult:
    """Find rows that came after the deadline."""
    count = sum(number for number, _ in _by_group(evidence, "late").values())
    hours = evidence.manifest.deadline_s / 3600
    if not count:
        return _passed("late", Layer.TABLE, f"Every row arrived within {hours:g} hours of its event.")
    summary = f"{count:,} rows arrived more than {hours:g} hours after their event: look at clocks and at queues."
    detail = {"late": count, "examples": _ids(evidence, "late")}
    return CheckResult("late", Layer.TABLE, CheckStatus.FAIL, summary, count, threshold=0, evidence=detail)


def _passed(name: str, layer: Layer, summary: str) -> CheckResult:
    return CheckResult(name, layer, CheckStatus.PASS, summary, 0, threshold=0)


def _by_group(evidence: Evidence, fate: str) -> dict[str, tuple[int, int]]:
    """Return, per group, how many events met *fate*, and how many were sent."""
    found: dict[str, tuple[int, int]] = {}
    for row in evidence.fates:
        count, total = found.get(str(row["group_name"]), (0, 0))
        events = int(str(row["events"]))
        found[str(row["group_name"])] = (count + events * (row["fate"] == fate), total + events)
    return found


def _told(groups: dict[str, tuple[int, int]]) -> dict[str, dict[str, int]]:
    return {group: {"events": count, "of": total} for group, (count, total) in groups.items()}


def _ids(evidence: Evidence, fate: str) -> Sequence[dict[str, object]]:
    return evidence.engine.ask("fate_examples", {"fate": fate, "most": _EXAMPLES})
