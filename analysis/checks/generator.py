"""Did the generator do what the plan says? If not, the run proves nothing about the platform."""

from collections.abc import Mapping

import numpy as np

from analysis.run_model.load import Evidence
from analysis.verdict import CheckResult, CheckStatus, Layer
from run_record.end_reason import End
from run_record.load_report.aggregator import max_lag_ms
from run_record.load_report.report import LoadReport
from run_record.roster import Fidelity

#: Of a run whose generator did not measure itself: a request sent this much after its intended time is late.
LATE_MS = 5_000

#: With more than this share of late requests the schedule was not kept.
MAX_LATE = 0.01


def _was_cut_short(evidence: Evidence, unanswered: Mapping[str, int]) -> bool:
    """Return whether the traffic ended because the generator failed, and not because somebody ended it."""
    manifest = evidence.manifest
    if not manifest.stopped_early or manifest.ended in (End.FAILED, End.WORKER_LOST):
        return True
    if evidence.load is None:
        return False
    # A worker that left requests without outcome and never reported was killed, not stopped.
    reported = {worker.name for worker in evidence.load.workers}
    return any(count and name not in reported for name, count in unanswered.items())


def _why(evidence: Evidence) -> str:
    """Return why a generator that nobody stopped ended before it was through."""
    return "the generator failed" if evidence.manifest.ended == End.FAILED else "a worker was lost"


def check_completeness(evidence: Evidence) -> CheckResult:
    """Compare the events of the plan that were offered with all that it has; what sessions made is not in the plan."""
    ledger, manifest = evidence.ledger, evidence.manifest
    own = int(np.searchsorted(ledger.visit, manifest.visitors))
    # The ledger is in order, so what was sent twice is side by side.
    again = (np.diff(ledger.visit[:own]) == 0) & (np.diff(ledger.position[:own]) == 0)
    repeated = int(np.count_nonzero(again))
    sent = own - repeated
    planned = evidence.planned_totals.planned
    # The server kept all connections busy: that is not the generator's doing.
    dropped = evidence.load.dropped if evidence.load is not None else 0
    visited = {view.visit for view in (*evidence.page_views, *evidence.given_up)}
    walking = [account for account in evidence.roster if account.fidelity is Fidelity.WIKI]
    missing = [] if manifest.stopped_early else [item.name for item in walking if item.visit not in visited]
    unanswered = {
        name: int(np.count_nonzero((ledger.worker == index) & (ledger.answered_ms < 0)))
        for index, name in enumerate(ledger.workers)
    }
    detail = {
        "planned": planned,
        "offered": sent,
        "sent_twice": repeated,
        "dropped": dropped,
        "accounts_that_never_came": len(missing),
        "page_views_given_up": len(evidence.given_up),
        "workers": list(ledger.workers),
        "without_outcome": {name: count for name, count in unanswered.items() if count},
        "stopped_early": manifest.stopped_early,
        "ended": manifest.ended,
    }
    stalled = [view for view in evidence.given_up if view.fidelity is Fidelity.WIKI]
    cut = ", ".join(f"{name} left {count:,} unanswered" for name, count in unanswered.items() if count)
    outcome = CheckStatus.INVALID
    if repeated:
        summary = f"{repeated:,} events were sent twice by the generator itself."
    elif manifest.started_ms is not None and manifest.finished_ms is None:
        summary = (
            f"The generator ended without closing the run, as a process that is killed does, or it is not over yet: "
            f"{sent:,} of {planned:,} planned events were offered ({cut or 'every request was answered'}). Run again."
        )
    elif stalled:
        ended = any("refused" in view.given_up for view in stalled)
        advice = "the wiki had ended, `dogfood up` starts it again" if ended else "use a quieter machine"
        summary = (
            f"{len(stalled):,} pages of the wiki were asked for twice and did not come in time "
            f"({stalled[0].given_up}): {advice}."
        )
    elif missing:
        names = ", ".join(missing[:3])
        summary = f"{len(missing):,} accounts never got to a page of the wiki ({names}, …): look at locust-wiki.log."
    elif planned and not sent + dropped:
        summary = f"None of {planned:,} planned events was sent: the generator did not start, or lost its workers."
    elif sent + dropped < planned and _was_cut_short(evidence, unanswered):
        told = f"The generator offered {sent:,} of {planned:,} planned events, and nobody stopped it"
        summary = f"{told}: {_why(evidence)} ({cut or 'every request was answered'}); run again."
    else:
        outcome = CheckStatus.PASS
        summary = _complete(planned, sent, dropped, len(visited))
    return CheckResult("completeness", Layer.GENERATOR, outcome, summary, sent, threshold=planned, evidence=detail)


def _complete(planned: int, sent: int, dropped: int, accounts: int) -> str:
    """Return the sentence of a generator that did its part."""
    told = "all of the plan" if sent == planned else f"{planned:,} were planned, and the run was stopped early"
    if dropped:
        told = f"{planned:,} were planned, and for {dropped:,} the intake left no connection free"
    came = f" {accounts:,} accounts read pages of the wiki." if accounts else ""
    summary = f"The generator offered {sent:,} events: {told}.{came}" if planned else came.strip()
    return summary or "There was nothing to send."


def check_lag(evidence: Evidence) -> CheckResult:
    """Look whether requests went out at their intended times, as far as that was up to the generator."""
    if evidence.load is not None:
        return _own_word(evidence.load)
    lag = evidence.ledger.sent_ms - evidence.ledger.intended_ms
    if not len(lag):
        return CheckResult("lag", Layer.GENERATOR, CheckStatus.INCONCLUSIVE, "No request was sent.")
    late = float(np.mean(lag > LATE_MS))
    p50, p99 = (float(value) for value in np.percentile(lag, [50, 99]))
    detail = {"p50_ms": p50, "p99_ms": p99, "max_ms": int(lag.max()), "late_share": late}
    early = float(np.mean(lag < -LATE_MS))
    if early > MAX_LATE:
        summary = (
            f"{early:.1%} of requests are written down as sent more than {LATE_MS // 1000} s before they were due: the "
            "generator's clock was set while it sent. Run again."
        )
        return CheckResult(
            "lag", Layer.GENERATOR, CheckStatus.INVALID, summary, early, threshold=MAX_LATE, evidence=detail
        )
    kept = late <= MAX_LATE
    told = f"p50 {p50:,.0f} ms, p99 {p99:,.0f} ms after its intended time"
    summary = (
        f"The generator kept its schedule: a request left {told}."
        if kept
        else f"The generator fell behind: {late:.1%} of requests left more than {LATE_MS // 1000} s late ({told}). "
        "Add workers or lower the arrival rate."
    )
    return CheckResult(
        "lag",
        Layer.GENERATOR,
        CheckStatus.PASS if kept else CheckStatus.INVALID,
        summary,
        late,
        threshold=MAX_LATE,
        evidence=detail,
    )


def _own_word(load: LoadReport) -> CheckResult:
    """Return what the generator says of itself: it can tell its own delay from a wait for the server."""
    lag, limit = load.lag_ms, max_lag_ms(load.event_rate)
    detail = {
        "p50_ms": lag.p50, "p99_ms": lag.p99, "max_ms": lag.max, "late": load.late, "dropped": load.dropped,
        "workers": [worker.name for worker in load.workers], "workers_needed": load.workers_needed,
        "invalid": list(load.invalid),
    }  # fmt: skip
    told = f"p50 {lag.p50:,.1f} ms, p99 {lag.p99:,.1f} ms after its intended time"
    if load.invalid:
        summary = f"{'; '.join(load.invalid)}."
        return CheckResult(
            "lag", Layer.GENERATOR, CheckStatus.INVALID, summary, lag.p99, threshold=limit, evidence=detail
        )
    waited = f" {load.late:,} events had to wait for the server before they could be sent." if load.late else ""
    dropped = f" {load.dropped:,} were never sent, as no connection became free." if load.dropped else ""
    summary = f"The generator kept its schedule: it took up a request {told}.{waited}{dropped}"
    return CheckResult("lag", Layer.GENERATOR, CheckStatus.PASS, summary, lag.p99, threshold=limit, evidence=detail)


def check_records(evidence: Evidence) -> CheckResult:
    """Tell of lines that could not be read; the rest was used. What they held counts as not landed.

    INVALID when a file ends in the middle of a line and events are missing: it was not copied to its end.
    """
    ledger, observed = evidence.ledger.broken, evidence.broken
    detail = {
        "ledger": [f"{name}:{line}" for name, line in ledger[:10]],
        "observed": [f"{item.file}:{item.line}: {item.why}" for item in observed[:10]],
        "broken_ledger_lines": len(ledger),
        "broken_observed_lines": len(observed),
    }
    broken = len(ledger) + len(observed)
    told = "Every line of the ledger and of what was observed could be read."
    if broken:
        first = (detail["observed"] or detail["ledger"])[0]  # type: ignore[index]
        told = f"{broken:,} lines could not be read and were left out (first: {first}); the rest was used."
    cut = [source.first for source in evidence.inputs.sources if source.cut_short]
    if cut and any(row["fate"] == "lost" for row in evidence.fates):
        told = f"{cut[0]} ends in the middle of a line, so rows after it may be missing here only: copy it again."
        return CheckResult("records", Layer.GENERATOR, CheckStatus.INVALID, told, broken, evidence=detail)
    return CheckResult("records", Layer.GENERATOR, CheckStatus.PASS, told, broken, evidence=detail)
