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
    counts = {tag: sum(_TAGS.get(check.status) == tag for check in analysis.checks) for tag in _TAGS.values()}
    suite = ElementTree.Element(
        "testsuite",
        name=f"dogfood {analysis.run['id']}",
        tests=str(len(analysis.checks)),
        failures=str(counts["failure"]),
        errors=str(counts["error"]),
        skipped=str(counts["skipped"]),
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


def _add(suite: ElementTree.Element, check: CheckResult) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=str(check.layer), name=check.name)
    if check.status in _TAGS:
        ElementTree.SubElement(case, _TAGS[check.status], message=check.summary)
    else:
        ElementTree.SubElement(case, "system-out").text = check.summary
