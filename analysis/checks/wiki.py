"""Did the wiki put every account into the contract's group, and did its instrument do what it should?"""

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
from contracts.assignment import Generation, subject_id
from run_record.page_views import PageView, is_overridden, page_group
from run_record.roster import Fidelity

_EXAMPLES = 5


def check_wiki_assignment(evidence: Evidence) -> CheckResult:
    """Compare what every page told its user with the contract, account by account."""
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
        summary = f"{len(broken):,} of {len(evidence.page_views):,} pages were not shown ({broken[0].failure})"
        layer, where = Layer.EXPOSURE, "look at the wiki's log"
        if not pages:
            layer = Layer.CONFIG
            where = "logging in works, so look at what only pages of users with accounts need: MPIC's answer"
        return CheckResult(
            name, layer, CheckStatus.FAIL, f"{summary}: {where}.", len(broken), threshold=0, evidence=detail
        )
    if not wrong:
        summary = f"The wiki told all {accounts:,} accounts the group that the contract gives them, on every page."
        return CheckResult(name, Layer.ASSIGNMENT, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)
    layer, where = diagnose_assignment(pages)
    what = (
        "told {} of {} accounts another group, or another subject id, than the contract has"
        if any(page.group for page in wrong)
        else "did not tell {} of {} accounts the group that they are in by the contract"
    )
    summary = f"The wiki {what.format(f'{len(ids):,}', f'{accounts:,}')}: {where}."
    return CheckResult(name, layer, CheckStatus.FAIL, summary, len(ids), threshold=0, evidence=detail)


def _nothing_read(evidence: Evidence) -> CheckResult:
    """Return what is known of the wiki's assignment when no page was read to its end."""
    if not evidence.given_up:
        why = "No page of the wiki was read, so its own assignment is not known."
        return CheckResult("wiki-assignment", Layer.ASSIGNMENT, CheckStatus.INCONCLUSIVE, why)
    why = f"No page of the wiki was read to its end ({evidence.given_up[0].given_up}). Use a quieter machine."
    return CheckResult("wiki-assignment", Layer.GENERATOR, CheckStatus.INVALID, why)


def check_instrument(evidence: Evidence) -> CheckResult:
    """Compare the events that each page view should have made with those that left for the intake."""
    if (unplayed := _unplayed(evidence)) is not None:
        return unplayed
    sent = _sent(evidence)
    missing: Counter[str] = Counter()
    extra: Counter[str] = Counter()
    examples: list[Mapping[str, object]] = []
    owed: list[ExpectedEvents] = []
    known = {view.pageview_id for view in (*evidence.page_views, *evidence.given_up)}
    for view in evidence.page_views:
        found = sent.get(view.pageview_id, {})
        gaps = {
            action: view.expected.get(action, 0) - found.get(action, (0, 0))[0]
            for action in sorted({*view.expected, *found})
        }
        missing.update({action: gap for action, gap in gaps.items() if gap > 0})
        extra.update({action: -gap for action, gap in gaps.items() if gap < 0})
        examples += [
            {"title": view.title, "scenario": view.scenario, "way": view.way, "action": action, "missing": gap}
            for action, gap in gaps.items()
            if gap
        ]
        if any(view.expected.values()):
            owed.append(_owed(evidence, view, gaps))
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
        why = "No page view had reason to make an event."
        return CheckResult("instrument", Layer.INSTRUMENT, CheckStatus.INCONCLUSIVE, why, evidence=detail)
    if not wrong:
        summary = f"Every page view made the events that it should have, {expected:,} in all."
        return CheckResult("instrument", Layer.INSTRUMENT, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)
    told = [f"{count:,} {action}s are missing" for action, count in missing.items()]
    told += [f"{count:,} {action}s are too many" for action, count in extra.items()]
    told += [f"{strays:,} events belong to no page view"] if strays else []
    only_missing = not (extra or strays)
    layer, where = diagnose_missing(owed) if only_missing else Diagnosis(Layer.INSTRUMENT, "look at the instrument")
    summary = f"Of {expected:,} events that page views should have made, {', '.join(told)}: {where}."
    return CheckResult("instrument", layer, CheckStatus.FAIL, summary, wrong, threshold=0, evidence=detail)


def _unplayed(evidence: Evidence) -> CheckResult | None:
    """Return that browsers were to be part of the run and read no page to its end; None when they did."""
    if Fidelity.BROWSER not in evidence.manifest.fidelities:
        return None
    if any(view.fidelity is Fidelity.BROWSER for view in evidence.page_views):
        return None
    wrong = [item for item in evidence.findings if not item.ok]
    why = wrong[0].observation if wrong else "the run ended before that"
    summary = f"No browser session was played to its end ({why}): nothing is known of the instrument."
    spoilt = evidence.load is not None and bool(evidence.load.invalid)
    if spoilt or any(item.layer != Layer.GENERATOR for item in wrong):
        # The checks `lag` and `scenarios` name the reason.
        return CheckResult("instrument", Layer.INSTRUMENT, CheckStatus.INCONCLUSIVE, summary, 0)
    return CheckResult("instrument", Layer.GENERATOR, CheckStatus.INVALID, summary, 0)


def _owed(evidence: Evidence, view: PageView, gaps: Mapping[str, int]) -> ExpectedEvents:
    """Return what *view* owed, of which *gaps* says how many events of each action are missing."""
    missing = {action: gap for action, gap in gaps.items() if gap > 0}
    # The page saw as many leave as came, and those that went elsewhere.
    came = {action: view.expected.get(action, 0) - gap for action, gap in missing.items()}
    seen = sum(max(0, view.seen_by_page.get(action, 0) - count) for action, count in came.items())
    number = int(evidence.participants.group[view.visit])
    group = evidence.group_names()[number] if number >= 0 else "(not in the sample)"
    return ExpectedEvents(group, sum(view.expected.values()), sum(missing.values()), seen, view.stayed_ms, view.visit)


class EnrolmentPath(NamedTuple):
    """What became of the funnels of one scenario, and of one way of leaving a page where it compares several.

    A funnel is what one page view should have made, from the impression on.

    Attributes:
        scenario: its name; `http` for sessions without a browser.
        way: of leaving the page, or empty.
        funnels: how many there should be.
        sent: how many left for the intake whole.
        landed: how many are in the table whole.
        events: how many events they should have.
        seen_by_page, seen_by_network: how many of those events the page itself, and the browser's network log, knew of.
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
    """Return what became of the funnels, per scenario and way of leaving."""
    sent = _sent(evidence)
    rows: dict[tuple[str, str], Counter[str]] = {}
    for view in evidence.page_views:
        if not any(view.expected.values()):
            continue
        found = sent.get(view.pageview_id, {})
        row = rows.setdefault((view.scenario, view.way), Counter())
        row["funnels"] += 1
        row["sent"] += all(found.get(action, (0, 0))[0] >= count for action, count in view.expected.items())
        row["landed"] += all(found.get(action, (0, 0))[1] >= count for action, count in view.expected.items())
        row["events"] += sum(view.expected.values())
        row["seen_by_page"] += sum(view.seen_by_page.values())
        row["seen_by_network"] += sum(view.seen_by_network.values())
    return tuple(
        EnrolmentPath(*key, *(row[name] for name in EnrolmentPath._fields[2:])) for key, row in sorted(rows.items())
    )


def _sent(evidence: Evidence) -> dict[str, dict[str, tuple[int, int]]]:
    """Return, by page view and action, how many events were sent and how many of them landed."""
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for row in evidence.engine.ask("session_events", {"first_visit": evidence.manifest.visitors}):
        counts = int(str(row["sent_events"])), int(str(row["landed_events"]))
        found.setdefault(str(row["pageview_id"]), {})[str(row["action"])] = counts
    return found


def _pages(evidence: Evidence) -> Iterator[ReportedEnrolment]:
    """Yield what each page that was shown told its user, beside what the contract has."""
    names, people = evidence.group_names(), evidence.participants
    roster = {account.visit: account for account in evidence.roster}
    for view in evidence.page_views:
        if view.failure:
            continue
        number = int(people.group[view.visit])
        account = roster[view.visit]
        yield ReportedEnrolment(
            account.user_id,
            _told(evidence, view),
            names[number] if number >= 0 else None,
            _subject_fits(evidence, view, account.central_id),
            is_overridden(view.experiments, evidence.plan.experiment.name),
        )


def _subject_fits(evidence: Evidence, view: PageView, central_id: int) -> bool:
    """Return whether the subject id that an xlab page was told is the contract's."""
    if evidence.manifest.generation is Generation.ALPHA or _told(evidence, view) is None:
        return True
    name = evidence.plan.experiment.name
    ids = view.experiments.get("subject_ids")
    return isinstance(ids, Mapping) and ids.get(name) == subject_id(central_id, name)


def _told(evidence: Evidence, view: PageView) -> str | None:
    experiment = evidence.plan.experiment
    return page_group(view.experiments, evidence.manifest.generation, experiment.name, experiment.features[0].name)
