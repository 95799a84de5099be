"""Checks of sessions on the wiki: the group that pages show to accounts, and the events of each page view."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from analysis.checks.wiki_diagnosis import (
    Diagnosis,
    ExpectedEvents,
    ReportedEnrolment,
    diagnose_assignment,
    diagnose_missing,
)
from analysis.run_model.load import Evidence
from analysis.verdict import CheckResult, CheckStatus, Layer
from common.sentences import agree, clause, count_of
from contracts.assignment import subject_id
from contracts.generation import Generation
from run_record.page_views import PageView, is_overridden, page_group
from run_record.roster import Fidelity

_EXAMPLES = 5


def check_wiki_assignment(evidence: Evidence) -> CheckResult:
    """Compare the group that every page showed with the contract, account by account."""
    name = "wiki-assignment"
    broken = [view for view in evidence.page_views if view.failure]
    pages = list(_pages(evidence))
    wrong = [page for page in pages if page.is_wrong]
    accounts = len({view.visit for view in evidence.page_views})
    if not accounts:
        return _nothing_read(evidence)
    ids = {page.user_id for page in wrong}
    detail = {
        "accounts": accounts,
        "page_views": len(evidence.page_views),
        "mismatches": len(ids),
        "failed_page_views": len(broken),
        "examples": [page._asdict() for page in wrong[:_EXAMPLES]],
    }
    if broken and not wrong:
        fact = f"{len(broken):,} of {count_of(len(evidence.page_views), 'page')} were not shown ({broken[0].failure})"
        layer, where = Layer.EXPOSURE, "look at the wiki's log"
        if not pages:
            layer = Layer.CONFIG
            where = "logging in works, so look at what only pages of accounts need, MPIC's response"
        return CheckResult(
            name, layer, CheckStatus.FAIL, f"{fact}: {where}.", len(broken), threshold=0, evidence=detail
        )
    if not wrong:
        summary = f"All {count_of(accounts, 'account')} were given the contract's group on every page."
        return CheckResult(name, Layer.ASSIGNMENT, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)
    layer, where = diagnose_assignment(pages)
    fact = (
        "were given another group, or another subject id, than the contract's"
        if any(page.group for page in wrong)
        else "were not given the contract's group"
    )
    summary = f"{len(ids):,} of {count_of(accounts, 'account')} {fact}: {where}."
    return CheckResult(name, layer, CheckStatus.FAIL, summary, len(ids), threshold=0, evidence=detail)


def _nothing_read(evidence: Evidence) -> CheckResult:
    """Return the result when no page of the wiki was read to its end."""
    if not evidence.given_up:
        summary = "No page of the wiki was read, so the wiki's assignment is unknown."
        return CheckResult("wiki-assignment", Layer.ASSIGNMENT, CheckStatus.INCONCLUSIVE, summary)
    cause = clause(evidence.given_up[0].given_up)
    summary = f"No page of the wiki was read to its end ({cause}): use a quieter machine."
    return CheckResult("wiki-assignment", Layer.GENERATOR, CheckStatus.INVALID, summary)


def check_instrument(evidence: Evidence) -> CheckResult:
    """Compare the events that each page view should send with those that left for the intake."""
    if (unplayed := _unplayed(evidence)) is not None:
        return unplayed
    sent = _sent(evidence)
    missing: Counter[str] = Counter()
    extra: Counter[str] = Counter()
    examples: list[Mapping[str, object]] = []
    due: list[ExpectedEvents] = []
    known = {view.pageview_id for view in (*evidence.page_views, *evidence.given_up)}
    for view in evidence.page_views:
        counts = sent.get(view.pageview_id, {})
        gaps = {
            action: view.expected.get(action, 0) - counts.get(action, (0, 0))[0]
            for action in sorted({*view.expected, *counts})
        }
        missing.update({action: gap for action, gap in gaps.items() if gap > 0})
        extra.update({action: -gap for action, gap in gaps.items() if gap < 0})
        examples += [
            {"title": view.title, "scenario": view.scenario, "way": view.way, "action": action, "missing": gap}
            for action, gap in gaps.items()
            if gap
        ]
        if any(view.expected.values()):
            due.append(_expected_events(evidence, view, gaps))
    strays = sum(count for key, actions in sent.items() if key not in known for count, _ in actions.values())
    expected = sum(sum(view.expected.values()) for view in evidence.page_views)
    detail = {
        "expected": expected,
        "missing": dict(missing),
        "extra": dict(extra),
        "of_unknown_page_views": strays,
        "examples": examples[:_EXAMPLES],
    }
    wrong = missing.total() + extra.total() + strays
    if not expected and not wrong:
        summary = "No page view had an event to send."
        return CheckResult("instrument", Layer.INSTRUMENT, CheckStatus.INCONCLUSIVE, summary, evidence=detail)
    if not wrong:
        summary = f"All {count_of(expected, 'expected event')} of page views were sent, and no others."
        return CheckResult("instrument", Layer.INSTRUMENT, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)
    problems = [f"{count_of(count, action)} {agree(count, 'is', 'are')} missing" for action, count in missing.items()]
    problems += [
        f"{count_of(count, f'surplus {action}')} {agree(count, 'was', 'were')} sent" for action, count in extra.items()
    ]
    problems += [f"{count_of(strays, 'event')} {agree(strays, 'belongs', 'belong')} to no page view"] if strays else []
    only_missing = not (extra or strays)
    layer, where = diagnose_missing(due) if only_missing else Diagnosis(Layer.INSTRUMENT, "look at the instrument")
    summary = f"{', '.join(problems)} ({count_of(expected, 'event')} expected of page views): {where}."
    return CheckResult("instrument", layer, CheckStatus.FAIL, summary, wrong, threshold=0, evidence=detail)


def _unplayed(evidence: Evidence) -> CheckResult | None:
    """Return the result of a run whose browsers read no page to its end; None when one did, or none took part."""
    if Fidelity.BROWSER not in evidence.manifest.fidelities:
        return None
    if any(view.fidelity is Fidelity.BROWSER for view in evidence.page_views):
        return None
    wrong = [item for item in evidence.findings if not item.ok]
    cause = clause(wrong[0].observation) if wrong else "the run ended before that"
    summary = f"No browser session was played to its end ({cause}), so the instrument is untested."
    bad_load = evidence.load is not None and bool(evidence.load.invalid)
    if bad_load or any(item.layer != Layer.GENERATOR for item in wrong):
        # The checks `lag` and `scenarios` name the reason.
        return CheckResult("instrument", Layer.INSTRUMENT, CheckStatus.INCONCLUSIVE, summary, 0)
    return CheckResult("instrument", Layer.GENERATOR, CheckStatus.INVALID, summary, 0)


def _expected_events(evidence: Evidence, view: PageView, gaps: Mapping[str, int]) -> ExpectedEvents:
    """Return the events that *view* should send; *gaps* has the number of missing ones by action."""
    missing = {action: gap for action, gap in gaps.items() if gap > 0}
    # The page saw those that arrived leave, and those that went elsewhere.
    arrived = {action: view.expected.get(action, 0) - gap for action, gap in missing.items()}
    seen = sum(max(0, view.seen_by_page.get(action, 0) - count) for action, count in arrived.items())
    number = int(evidence.participants.group[view.visit])
    group = evidence.group_names()[number] if number >= 0 else "(not in the sample)"
    return ExpectedEvents(group, sum(view.expected.values()), sum(missing.values()), seen, view.stayed_ms, view.visit)


class EnrolmentPath(NamedTuple):
    """Funnels of one scenario, split by the way of leaving a page when the scenario compares several.

    A funnel is the events that one page view should send, from the impression on.

    Attributes:
        scenario: its name; `http` for sessions without a browser.
        way: way of leaving the page, or empty.
        funnels: number expected.
        sent: number that left for the intake complete.
        landed: number complete in the table.
        events: number of events that the funnels should have.
        seen_by_page, seen_by_network: number of those events that the page, and the browser's network log, recorded.
    """

    scenario: str
    way: str
    funnels: int
    sent: int
    landed: int
    events: int
    seen_by_page: int
    seen_by_network: int


def count_enrolment_paths(evidence: Evidence) -> tuple[EnrolmentPath, ...]:
    """Return the counts of funnels, per scenario and way of leaving a page."""
    sent = _sent(evidence)
    rows: dict[tuple[str, str], Counter[str]] = {}
    for view in evidence.page_views:
        if not any(view.expected.values()):
            continue
        counts = sent.get(view.pageview_id, {})
        row = rows.setdefault((view.scenario, view.way), Counter())
        row["funnels"] += 1
        row["sent"] += all(counts.get(action, (0, 0))[0] >= count for action, count in view.expected.items())
        row["landed"] += all(counts.get(action, (0, 0))[1] >= count for action, count in view.expected.items())
        row["events"] += sum(view.expected.values())
        row["seen_by_page"] += sum(view.seen_by_page.values())
        row["seen_by_network"] += sum(view.seen_by_network.values())
    return tuple(
        EnrolmentPath(*key, *(row[name] for name in EnrolmentPath._fields[2:])) for key, row in sorted(rows.items())
    )


def _sent(evidence: Evidence) -> dict[str, dict[str, tuple[int, int]]]:
    """Return, by page view and action, the number of events sent and the number landed."""
    events: dict[str, dict[str, tuple[int, int]]] = {}
    for row in evidence.engine.ask("session_events", {"first_visit": evidence.manifest.visitors}):
        counts = int(str(row["sent_events"])), int(str(row["landed_events"]))
        events.setdefault(str(row["pageview_id"]), {})[str(row["action"])] = counts
    return events


def _pages(evidence: Evidence) -> Iterator[ReportedEnrolment]:
    """Yield the group that each page showed, with the contract's group."""
    names, participants = evidence.group_names(), evidence.participants
    roster = {account.visit: account for account in evidence.roster}
    for view in evidence.page_views:
        if view.failure:
            continue
        number = int(participants.group[view.visit])
        account = roster[view.visit]
        yield ReportedEnrolment(
            account.user_id,
            _shown_group(evidence, view),
            names[number] if number >= 0 else None,
            _subject_fits(evidence, view, account.central_id),
            is_overridden(view.experiments, evidence.plan.experiment.name),
        )


def _subject_fits(evidence: Evidence, view: PageView, central_id: int) -> bool:
    """Return whether the subject id on an xlab page is the contract's."""
    if evidence.manifest.generation is Generation.ALPHA or _shown_group(evidence, view) is None:
        return True
    name = evidence.plan.experiment.name
    ids = view.experiments.get("subject_ids")
    return isinstance(ids, Mapping) and ids.get(name) == subject_id(central_id, name)


def _shown_group(evidence: Evidence, view: PageView) -> str | None:
    experiment = evidence.plan.experiment
    return page_group(view.experiments, evidence.manifest.generation, experiment.name, experiment.features[0].name)
