"""The checks of a run as JUnit XML, which build servers show."""

from xml.etree import ElementTree

from analysis.analyse import Analysis
from analysis.results import CheckResult, Outcome

_TAGS = {Outcome.FAIL: "failure", Outcome.INVALID: "error", Outcome.INCONCLUSIVE: "skipped"}


def junit(analysis: Analysis) -> bytes:
    """Return *analysis* as a test suite: a case a check; INVALID is an error, INCONCLUSIVE is skipped."""
    counts = {tag: sum(_TAGS.get(check.verdict) == tag for check in analysis.checks) for tag in _TAGS.values()}
    suite = ElementTree.Element(
        "testsuite",
        name=f"dogfood {analysis.run['id']}",
        tests=str(len(analysis.checks)),
        failures=str(counts["failure"]),
        errors=str(counts["error"]),
        skipped=str(counts["skipped"]),
        timestamp=str(analysis.run["created"]),
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in {"verdict": analysis.verdict, "layer": analysis.layer or "", **analysis.reconciliation}.items():
        ElementTree.SubElement(properties, "property", name=name, value=str(value))
    for check in analysis.checks:
        _add(suite, check)
    ElementTree.indent(suite)
    return bytes(ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)) + b"\n"


def _add(suite: ElementTree.Element, check: CheckResult) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=str(check.layer), name=check.name)
    if check.verdict in _TAGS:
        ElementTree.SubElement(case, _TAGS[check.verdict], message=check.summary)
    else:
        ElementTree.SubElement(case, "system-out").text = check.summary
