"""Are the times right: clocks, the experiment's dates, the hour that a row is filed under?"""

from datetime import UTC, datetime

import numpy as np

from analysis.run_model.load import SETTLE_MS, Evidence
from analysis.run_model.sent_events import first_ms, last_ms
from analysis.verdict import CheckResult, CheckStatus, Layer

#: A client's clock may be this much ahead of the intake's.
_AHEAD_MS = 60_000

_RULES = {
    "no_time": "have no time of the client's that can be read",
    "no_intake_time": "have no time of the intake's that can be read",
    "from_the_future": "are from a client whose clock is more than a minute ahead",
    "before_the_run": "reached the intake before the run began",
    "before_due": "were received more than a minute before they were due",
    "after_the_run": "were received more than a minute after the run had ended",
}


def check_times(evidence: Evidence) -> CheckResult:
    """Look for rows whose times cannot be."""
    if not evidence.observed_rows:
        why = "No row landed, so no time is known."
        return CheckResult("times", Layer.INSTRUMENT, CheckStatus.INCONCLUSIVE, why, matters=False)
    first = first_ms(evidence.manifest, evidence.ledger)
    [row] = evidence.engine.ask("impossible_times", {"from_ms": first - SETTLE_MS, "ahead_ms": _AHEAD_MS})
    until = last_ms(evidence.manifest, evidence.ledger) + _AHEAD_MS
    [received] = evidence.engine.ask("impossible_receive_times", {"ahead_ms": _AHEAD_MS, "until_ms": until})
    counts = {name: int(str(value)) for name, value in (row | received).items()}
    # Rows that were received before they were due tell of the intake's clock, and nothing of the client's.
    counts["from_the_future"] = max(0, counts["from_the_future"] - counts["before_due"])
    if evidence.own_epoch:
        # The events' dt is in another time than the intake's, as was asked for.
        counts["from_the_future"] = 0
    wrong = {rule: counts[rule] for rule in _RULES if counts[rule]}
    if not wrong:
        summary = "The clients' times and the intake's are all where they can be."
        return CheckResult("times", Layer.INSTRUMENT, CheckStatus.PASS, summary, 0, threshold=0, evidence=counts)
    told = "; ".join(f"{count:,} of {counts['events']:,} rows {_RULES[rule]}" for rule, count in wrong.items())
    layer = Layer.INSTRUMENT if {"no_time", "from_the_future"} & wrong.keys() else Layer.INTAKE
    summary = f"{told}: look at the clocks."
    return CheckResult("times", layer, CheckStatus.FAIL, summary, sum(wrong.values()), threshold=0, evidence=counts)


def check_active(evidence: Evidence) -> CheckResult:
    """Look for events that were sent while the experiment was not on, by its own dates and switch."""
    experiment, ledger = evidence.plan.experiment, evidence.ledger
    sent = ledger.sent_ms
    start = -np.inf if experiment.start is None else experiment.start.timestamp() * 1000
    end = np.inf if experiment.end is None else experiment.end.timestamp() * 1000
    outside = int(np.count_nonzero((sent < start) | (sent > end)))
    detail = {"requests": len(sent), "outside": outside, "status": experiment.status}
    if not experiment.status and len(sent):
        summary = f"{len(sent):,} requests were sent although the experiment is switched off: look at who still enrols."
        return CheckResult("active", Layer.CONFIG, CheckStatus.FAIL, summary, len(sent), threshold=0, evidence=detail)
    if outside:
        dates = f"{_day(experiment.start)} to {_day(experiment.end)}"
        summary = (
            f"{outside:,} of {len(sent):,} requests were sent outside the experiment's dates ({dates}): look at "
            "its config."
        )
        return CheckResult("active", Layer.CONFIG, CheckStatus.FAIL, summary, outside, threshold=0, evidence=detail)
    summary = "The experiment was on whenever an event was sent."
    return CheckResult("active", Layer.CONFIG, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)


def check_partitions(evidence: Evidence) -> CheckResult:
    """Look for rows in another hour's partition than their receive time names."""
    found = evidence.misplaced
    wrong = sum(found.values())
    if wrong:
        partition, hour = next(iter(found))
        summary = (
            f"{wrong:,} rows are in another hour's partition than they belong to (of {hour} in {partition}): look "
            "at ingestion."
        )
        detail = {
            "misplaced": {f"{hour} in {partition}": count for (partition, hour), count in list(found.items())[:10]}
        }
        return CheckResult("partitions", Layer.TABLE, CheckStatus.FAIL, summary, wrong, threshold=0, evidence=detail)
    summary = "Every row is in the partition of its hour."
    return CheckResult("partitions", Layer.TABLE, CheckStatus.PASS, summary, 0, threshold=0)


def _day(moment: datetime | None) -> str:
    return "any time" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
