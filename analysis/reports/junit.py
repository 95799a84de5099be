"""JUnit XML of the checks of a run, for build servers."""

from collections.abc import Iterator
from dataclasses import asdict

from analysis.analyse import Analysis
from analysis.verdict import CheckStatus
from common.junit_xml import Case, CaseStatus, suite_xml

_STATUSES = {
    CheckStatus.FAIL: CaseStatus.FAILURE,
    CheckStatus.INVALID: CaseStatus.ERROR,
    CheckStatus.INCONCLUSIVE: CaseStatus.SKIPPED,
}


def junit(analysis: Analysis) -> bytes:
    """Return *analysis* as a test suite with a case for each check; INVALID is an error, INCONCLUSIVE is skipped."""
    cases = [
        Case(str(check.layer), check.name, _STATUSES.get(check.status, CaseStatus.PASSED), check.summary)
        for check in analysis.checks
    ]
    return suite_xml(
        f"dogfood {analysis.run['id']}",
        cases,
        timestamp=str(analysis.run["created"]),
        properties=_properties(analysis),
    )


def _properties(analysis: Analysis) -> Iterator[tuple[str, object]]:
    """Yield the numbers by their path in `verdict.json`, with a group's name in place of its index."""
    yield "verdict", analysis.verdict
    yield "layer", analysis.layer
    yield from analysis.reconciliation.items()
    for group in analysis.groups:
        yield from _parts(f"groups.{group.name}", asdict(group), "name")
    for loss in analysis.losses:
        yield from _parts(f"losses.{loss.group}", asdict(loss), "group")
    for rate in analysis.rates:
        yield from _parts(f"rates.{rate.group}", asdict(rate), "group")
    for difference in analysis.differences:
        yield from _parts(f"differences.{difference.group}", asdict(difference), "group")
    yield from _parts("power", asdict(analysis.power))


def _parts(path: str, values: dict[str, object], name: str = "") -> Iterator[tuple[str, object]]:
    return ((f"{path}.{part}", value) for part, value in values.items() if part != name)
