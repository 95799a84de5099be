"""The checks of a run, in the order in which they are told."""

from collections.abc import Callable

from analysis.checks.assignment import check_assignment
from analysis.checks.delivery import (
    check_corrupted,
    check_duplicated,
    check_indeterminate,
    check_invalid,
    check_late,
    check_lost,
    check_unexpected,
)
from analysis.checks.generator import check_completeness, check_lag, check_records
from analysis.checks.ratio import check_sample_rate, check_sample_ratio
from analysis.checks.wiki import check_instrument, check_scenarios, check_wiki_assignment
from analysis.evidence import Evidence
from analysis.results import CheckResult
from run_record.roster import Fidelity

Check = Callable[[Evidence], CheckResult]

CHECKS: tuple[Check, ...] = (
    check_assignment,
    check_lost,
    check_duplicated,
    check_corrupted,
    check_unexpected,
    check_invalid,
    check_indeterminate,
    check_late,
    check_completeness,
    check_lag,
    check_records,
)

#: Asked when nothing was to be sent, and nothing was.
QUIET_CHECKS: tuple[Check, ...] = (check_unexpected, check_records)

#: Only asked when subjects took part that were not chosen for their group.
RATIO_CHECKS: tuple[Check, ...] = (check_sample_ratio, check_sample_rate)

#: Only asked when sessions on the wiki were part of the run.
WIKI_CHECKS: tuple[Check, ...] = (check_wiki_assignment, check_instrument)

#: Every check there is.
ALL_CHECKS: tuple[Check, ...] = (*WIKI_CHECKS, check_scenarios, *RATIO_CHECKS, *CHECKS)


def checks_of(evidence: Evidence) -> tuple[Check, ...]:
    """Return the checks that the run of *evidence* can be asked."""
    if _is_quiet(evidence):
        return (*((check_wiki_assignment,) if evidence.page_views else ()), check_scenarios, *QUIET_CHECKS)
    on_wiki = any(fidelity is not Fidelity.SYNTHETIC for fidelity in evidence.manifest.fidelities)
    in_browsers = Fidelity.BROWSER in evidence.manifest.fidelities
    natural = not evidence.participants.chosen.all()
    return (
        *(WIKI_CHECKS if on_wiki else ()),
        *((check_scenarios,) if in_browsers else ()),
        *(RATIO_CHECKS if natural else ()),
        *CHECKS,
    )


def _is_quiet(evidence: Evidence) -> bool:
    """Return whether scenarios were played that look at other things than events, and rightly sent none."""
    only_browsers = evidence.manifest.fidelities == (Fidelity.BROWSER,)
    due = any(any(view.expected.values()) for view in evidence.page_views)
    return only_browsers and bool(evidence.findings) and not due and not len(evidence.ledger.visit)
