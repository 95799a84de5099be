"""Checks of times: clocks, the experiment's dates, the partition of each row."""

from datetime import UTC, datetime

import numpy as np

from analysis.run_model.load import SETTLE_MS, Evidence
from analysis.run_model.sent_events import first_ms, last_ms
from analysis.verdict import CheckResult, CheckStatus, Layer
from common.sentences import agree, count_of

#: Most that a client's clock may be ahead of the intake's, milliseconds.
_AHEAD_MS = 60_000

_RULES = {
    "no_time": "have no readable client time",
    "no_intake_time": "have no readable intake time",
    "from_the_future": "are from a client whose clock is more than a minute ahead",
    "before_the_run": "reached the intake before the run began",
    "before_due": "were received more than a minute before they were due",
    "after_the_run": "were received more than a minute after the run had ended",
}


def check_times(evidence: Evidence) -> CheckResult:
    """Find rows with impossible times."""
    if not evidence.observed_rows:
        reason = "No row landed, so there is no time to check."
        return CheckResult("times", Layer.INSTRUMENT, CheckStatus.INCONCLUSIVE, reason, matters=False)
    first = first_ms(evidence.manifest, evidence.ledger)
    [row] = evidence.engine.ask("impossible_times", {"from_ms": first - SETTLE_MS, "ahead_ms": _AHEAD_MS})
    until = last_ms(evidence.manifest, evidence.ledger) + _AHEAD_MS
    [received] = evidence.engine.ask("impossible_receive_times", {"ahead_ms": _AHEAD_MS, "until_ms": until})
    counts = {name: int(str(value)) for name, value in (row | received).items()}
    # A row that was received before it was due is a fault of the intake's clock, not of the client's.
    counts["from_the_future"] = max(0, counts["from_the_future"] - counts["before_due"])
    if evidence.own_epoch:
        # The run was started with another epoch, so the events' dt differs from the intake's time.
        counts["from_the_future"] = 0
    wrong = {rule: counts[rule] for rule in _RULES if counts[rule]}
    if not wrong:
        summary = "All times of clients and intake are plausible."
        return CheckResult("times", Layer.INSTRUMENT, CheckStatus.PASS, summary, 0, threshold=0, evidence=counts)
    problems = "; ".join(f"{count:,} of {counts['events']:,} rows {_RULES[rule]}" for rule, count in wrong.items())
    layer = Layer.INSTRUMENT if {"no_time", "from_the_future"} & wrong.keys() else Layer.INTAKE
    summary = f"{problems}: look at the clocks."
    return CheckResult("times", layer, CheckStatus.FAIL, summary, sum(wrong.values()), threshold=0, evidence=counts)


def check_active(evidence: Evidence) -> CheckResult:
    """Find events that were sent outside the experiment's dates or while it was switched off."""
    experiment, ledger = evidence.plan.experiment, evidence.ledger
    sent = ledger.sent_ms
    start = -np.inf if experiment.start is None else experiment.start.timestamp() * 1000
    end = np.inf if experiment.end is None else experiment.end.timestamp() * 1000
    outside = int(np.count_nonzero((sent < start) | (sent > end)))
    detail = {"requests": len(sent), "outside": outside, "status": experiment.status}
    if not experiment.status and len(sent):
        were = f"{count_of(len(sent), 'request')} {agree(len(sent), 'was', 'were')}"
        summary = f"{were} sent although the experiment is switched off: look at what still enrols subjects."
        return CheckResult("active", Layer.CONFIG, CheckStatus.FAIL, summary, len(sent), threshold=0, evidence=detail)
    if outside:
        dates = f"{_day(experiment.start)} to {_day(experiment.end)}"
        summary = (
            f"{outside:,} of {count_of(len(sent), 'request')} {agree(outside, 'was', 'were')} sent outside the "
            f"experiment's dates ({dates}): look at its config."
        )
        return CheckResult("active", Layer.CONFIG, CheckStatus.FAIL, summary, outside, threshold=0, evidence=detail)
    summary = "The experiment was active whenever an event was sent."
    return CheckResult("active", Layer.CONFIG, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)


def check_partitions(evidence: Evidence) -> CheckResult:
    """Find rows in the partition of another hour than that of their receive time."""
    misplaced = evidence.misplaced
    wrong = sum(misplaced.values())
    if wrong:
        partition, hour = next(iter(misplaced))
        summary = (
            f"{count_of(wrong, 'row')} {agree(wrong, 'is', 'are')} in the partition of another hour (of {hour} in "
            f"{partition}): look at ingestion."
        )
        detail = {
            "misplaced": {f"{hour} in {partition}": count for (partition, hour), count in list(misplaced.items())[:10]}
        }
        return CheckResult("partitions", Layer.TABLE, CheckStatus.FAIL, summary, wrong, threshold=0, evidence=detail)
    summary = "Every row is in the partition of its hour."
    return CheckResult("partitions", Layer.TABLE, CheckStatus.PASS, summary, 0, threshold=0)


def _day(moment: datetime | None) -> str:
    return "any time" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
