"""Write test suites as JUnit XML, which build servers show."""

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple
from xml.etree import ElementTree

#: Code points that are not characters of XML 1.0: control characters, halves of surrogate pairs, U+FFFE and U+FFFF.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class CaseStatus(StrEnum):
    """The status of a test case; its value is the element that JUnit has for it."""

    PASSED = "system-out"
    FAILURE = "failure"
    ERROR = "error"
    SKIPPED = "skipped"


class Case(NamedTuple):
    """One test case.

    Attributes:
        classname, name: how build servers group and name it.
        status: PASSED by default.
        message: one sentence; the output of a case that passed, which may be empty.
        detail: more lines, for a case that did not pass.
        seconds: duration; None when it was not measured.
    """

    classname: str
    name: str
    status: CaseStatus = CaseStatus.PASSED
    message: str = ""
    detail: str = ""
    seconds: float | None = None


def suite_xml(
    name: str, cases: Sequence[Case], *, timestamp: str = "", properties: Iterable[tuple[str, object]] = ()
) -> bytes:
    """Return the suite *name* with *cases* as the content of a file.

    Args:
        name: of the suite.
        cases: in order.
        timestamp: ISO 8601; left out when empty.
        properties: names and values; None becomes an empty value.
    """
    counts = {status: sum(case.status is status for case in cases) for status in CaseStatus}
    suite = ElementTree.Element(
        "testsuite",
        name=name,
        tests=str(len(cases)),
        failures=str(counts[CaseStatus.FAILURE]),
        errors=str(counts[CaseStatus.ERROR]),
        skipped=str(counts[CaseStatus.SKIPPED]),
    )
    if timestamp:
        suite.set("timestamp", timestamp)
    listed = list(properties)
    holder = ElementTree.SubElement(suite, "properties") if listed else suite
    for key, value in listed:
        ElementTree.SubElement(holder, "property", name=key, value="" if value is None else str(value))
    for case in cases:
        _add(suite, case)
    return to_bytes(suite)


def _add(suite: ElementTree.Element, case: Case) -> None:
    element = ElementTree.SubElement(suite, "testcase", classname=case.classname, name=case.name)
    if case.seconds is not None:
        element.set("time", str(case.seconds))
    if case.status is not CaseStatus.PASSED:
        ElementTree.SubElement(element, case.status, message=case.message).text = case.detail or None
    elif case.message:
        ElementTree.SubElement(element, case.status).text = case.message


def to_bytes(suite: ElementTree.Element) -> bytes:
    """Return *suite* as the content of a file that can be parsed: an illegal character becomes U+FFFD."""
    for element in suite.iter():
        element.text = _legal(element.text)
        element.tail = _legal(element.tail)
        for name, value in element.items():
            element.set(name, _legal(value) or "")
    ElementTree.indent(suite)
    return bytes(ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)) + b"\n"


def _legal(text: str | None) -> str | None:
    return text and _ILLEGAL.sub("\ufffd", text)
