"""Checks of the generator: completeness, lag, readable records. When one fails, the run proves nothing."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from analysis.run_model.load import Evidence
from analysis.verdict import CheckResult, CheckStatus, Layer
from common.sentences import agree, clause, count_of
from run_record.end_reason import End
from run_record.load_report.aggregator import max_lag_ms
from run_record.load_report.report import LoadReport
from run_record.page_views import PageView
from run_record.roster import Fidelity

#: Lag from which a request is late, in a run whose generator did not report its own, milliseconds.
LATE_MS = 5_000

#: Largest share of late requests at which the generator kept its schedule.
MAX_LATE = 0.01


def _was_cut_short(evidence: Evidence, unanswered: Mapping[str, int]) -> bool:
    """Return whether the generator failed, as opposed to a person who stopped it."""
    manifest = evidence.manifest
    if not manifest.stopped_early or manifest.ended in (End.FAILED, End.WORKER_LOST):
        return True
    if evidence.load is None:
        return False
    # A worker with requests without outcome and without a report was killed, not stopped.
    reported = {worker.name for worker in evidence.load.workers}
    return any(count and name not in reported for name, count in unanswered.items())


def _cause(evidence: Evidence) -> str:
    """Return why a generator that nobody stopped ended early."""
    return "the generator failed" if evidence.manifest.ended == End.FAILED else "a worker was lost"


class _Offered(NamedTuple):
    """Planned events and what the generator did with them.

    Attributes:
        planned: events of the plan.
        sent: those that were sent.
        repeated: those that were sent twice.
        dropped: those for which no connection became free.
        unanswered: requests without a response, by worker.
        missing: names of the accounts that never reached a page.
        stalled: page views of accounts that did not load in time.
        visited: accounts that reached a page.
    """

    planned: int
    sent: int
    repeated: int
    dropped: int
    unanswered: Mapping[str, int]
    missing: Sequence[str]
    stalled: Sequence[PageView]
    visited: int

    @property
    def open_requests(self) -> str:
        """Workers with requests that got no response, as part of a sentence."""
        workers = [f"{name} left {count:,} unanswered" for name, count in self.unanswered.items() if count]
        return ", ".join(workers) or "every request was answered"


def _count_offered(evidence: Evidence) -> _Offered:
    ledger, manifest = evidence.ledger, evidence.manifest
    own = int(np.searchsorted(ledger.visit, manifest.visitors))
    # The ledger is sorted, so events that were sent twice are adjacent.
    again = (np.diff(ledger.visit[:own]) == 0) & (np.diff(ledger.position[:own]) == 0)
    repeated = int(np.count_nonzero(again))
    visited = {view.visit for view in (*evidence.page_views, *evidence.given_up)}
    wiki_accounts = [account for account in evidence.roster if account.fidelity is Fidelity.WIKI]
    return _Offered(
        planned=evidence.made.planned,
        sent=own - repeated,
        repeated=repeated,
        # The server kept all connections busy, which is not the generator's fault.
        dropped=evidence.load.dropped if evidence.load is not None else 0,
        unanswered={
            name: int(np.count_nonzero((ledger.worker == index) & (ledger.answered_ms < 0)))
            for index, name in enumerate(ledger.workers)
        },
        missing=[] if manifest.stopped_early else [item.name for item in wiki_accounts if item.visit not in visited],
        stalled=[view for view in evidence.given_up if view.fidelity is Fidelity.WIKI],
        visited=len(visited),
    )


def check_completeness(evidence: Evidence) -> CheckResult:
    """Compare the offered events with the plan; events of wiki sessions are not in the plan."""
    offered = _count_offered(evidence)
    detail = {
        "planned": offered.planned,
        "offered": offered.sent,
        "sent_twice": offered.repeated,
        "dropped": offered.dropped,
        "accounts_that_never_came": len(offered.missing),
        "page_views_given_up": len(evidence.given_up),
        "workers": list(evidence.ledger.workers),
        "without_outcome": {name: count for name, count in offered.unanswered.items() if count},
        "stopped_early": evidence.manifest.stopped_early,
        "ended": evidence.manifest.ended,
    }
    fault = _generator_fault(evidence, offered)
    status, summary = (CheckStatus.INVALID, fault) if fault else (CheckStatus.PASS, _complete(offered))
    return CheckResult(
        "completeness",
        Layer.GENERATOR,
        status,
        summary,
        offered.sent,
        threshold=offered.planned,
        evidence=detail,
    )


def _generator_fault(evidence: Evidence, offered: _Offered) -> str:
    """Return the sentence on why the generator did not do its part; empty when it did."""
    manifest, stalled, missing = evidence.manifest, offered.stalled, offered.missing
    count = f"{offered.sent:,} of {count_of(offered.planned, 'planned event')} were offered"
    if offered.repeated:
        repeated = f"{count_of(offered.repeated, 'event')} {agree(offered.repeated, 'was', 'were')}"
        return f"{repeated} sent twice by the generator: look at its workers' leases."
    if manifest.started_ms is not None and manifest.finished_ms is None:
        return (
            f"{count} ({offered.open_requests}): the generator ended without closing the run, as a killed process "
            "does, or is still running. Run again."
        )
    if stalled:
        ended = any("refused" in view.given_up for view in stalled)
        advice = "the wiki had ended, `dogfood up` starts it again" if ended else "use a quieter machine"
        pages = f"{count_of(len(stalled), 'page')} of the wiki {agree(len(stalled), 'was', 'were')}"
        return f"{pages} requested twice and did not load in time ({clause(stalled[0].given_up)}): {advice}."
    if missing:
        accounts = count_of(len(missing), "account")
        return f"{accounts} never reached a page of the wiki ({', '.join(missing[:3])}, …): look at locust-wiki.log."
    if offered.planned and not offered.sent + offered.dropped:
        planned = count_of(offered.planned, "planned event")
        return f"0 of {planned} were sent: the generator did not start, or lost its workers."
    if offered.sent + offered.dropped < offered.planned and _was_cut_short(evidence, offered.unanswered):
        return f"{count}, and nobody stopped the run: {_cause(evidence)} ({offered.open_requests}). Run again."
    return ""


def _complete(offered: _Offered) -> str:
    """Return the sentence on a generator that did its part."""
    planned, sent = offered.planned, offered.sent
    accounts = f"{count_of(offered.visited, 'account')} read pages of the wiki." if offered.visited else ""
    if not planned:
        return accounts or "No event was due."
    count = f"{sent:,} of {count_of(planned, 'planned event')} were offered"
    if offered.dropped:
        summary = f"{count}; for {offered.dropped:,} the intake left no connection free."
    elif sent == planned:
        summary = f"All {count_of(planned, 'planned event')} were offered."
    else:
        summary = f"{count}; the run was stopped early."
    return f"{summary} {accounts}".strip()


def check_lag(evidence: Evidence) -> CheckResult:
    """Check that requests left at their intended times, apart from waits for the server."""
    if evidence.load is not None:
        return _reported_lag(evidence.load)
    lag = evidence.ledger.sent_ms - evidence.ledger.intended_ms
    if not len(lag):
        return CheckResult("lag", Layer.GENERATOR, CheckStatus.INCONCLUSIVE, "No request was sent.")
    late = float(np.mean(lag > LATE_MS))
    p50, p99 = (float(value) for value in np.percentile(lag, [50, 99]))
    detail = {"p50_ms": p50, "p99_ms": p99, "max_ms": int(lag.max()), "late_share": late}
    early = float(np.mean(lag < -LATE_MS))
    if early > MAX_LATE:
        summary = (
            f"{early:.1%} of requests are recorded as sent more than {LATE_MS // 1000} s before they were due: the "
            "generator's clock was set while it sent. Run again."
        )
        return CheckResult(
            "lag", Layer.GENERATOR, CheckStatus.INVALID, summary, early, threshold=MAX_LATE, evidence=detail
        )
    kept = late <= MAX_LATE
    percentiles = f"p99 lag {p99:,.0f} ms, p50 {p50:,.0f} ms"
    summary = (
        f"{percentiles}: the generator kept its schedule."
        if kept
        else f"{late:.1%} of requests left more than {LATE_MS // 1000} s late ({percentiles}): the generator fell "
        "behind. Add workers or lower the arrival rate."
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


def _reported_lag(load: LoadReport) -> CheckResult:
    """Return the lag that the generator reported, which leaves out waits for the server."""
    lag, limit = load.lag_ms, max_lag_ms(load.event_rate)
    detail = {
        "p50_ms": lag.p50, "p99_ms": lag.p99, "max_ms": lag.max, "late": load.late, "dropped": load.dropped,
        "workers": [worker.name for worker in load.workers], "workers_needed": load.workers_needed,
        "invalid": list(load.invalid),
    }  # fmt: skip
    if load.invalid:
        summary = f"{'; '.join(map(clause, load.invalid))}."
        return CheckResult(
            "lag", Layer.GENERATOR, CheckStatus.INVALID, summary, lag.p99, threshold=limit, evidence=detail
        )
    waited = f" {count_of(load.late, 'event')} waited for the server before being sent." if load.late else ""
    unsent = f"{count_of(load.dropped, 'event')} {agree(load.dropped, 'was', 'were')}"
    dropped = f" {unsent} never sent, for no connection became free." if load.dropped else ""
    percentiles = f"p99 lag {lag.p99:,.1f} ms (limit {limit:,.0f} ms), p50 {lag.p50:,.1f} ms"
    summary = f"{percentiles}: the generator kept its schedule.{waited}{dropped}"
    return CheckResult("lag", Layer.GENERATOR, CheckStatus.PASS, summary, lag.p99, threshold=limit, evidence=detail)


def check_records(evidence: Evidence) -> CheckResult:
    """Report lines that could not be read; their events count as not landed.

    INVALID when a file ends in the middle of a line and events are missing: the copy is incomplete.
    """
    ledger, observed = evidence.ledger.broken, evidence.broken
    detail = {
        "ledger": [f"{name}:{line}" for name, line in ledger[:10]],
        "observed": [f"{item.file}:{item.line}: {item.why}" for item in observed[:10]],
        "broken_ledger_lines": len(ledger),
        "broken_observed_lines": len(observed),
    }
    broken = len(ledger) + len(observed)
    summary = "Every line of the ledger and of the observed files was read."
    if broken:
        first = (detail["observed"] or detail["ledger"])[0]  # type: ignore[index]
        summary = (
            f"{count_of(broken, 'line')} could not be read and {agree(broken, 'was', 'were')} skipped (first: {first})."
        )
    cut = [source.first for source in evidence.inputs.sources if source.cut_short]
    if cut and any(row["fate"] == "lost" for row in evidence.fates):
        summary = (
            f"{cut[0]} ends in the middle of a line, so later rows may be missing from the copy only. Copy it again."
        )
        return CheckResult("records", Layer.GENERATOR, CheckStatus.INVALID, summary, broken, evidence=detail)
    return CheckResult("records", Layer.GENERATOR, CheckStatus.PASS, summary, broken, evidence=detail)
