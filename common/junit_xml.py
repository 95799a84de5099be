"""JUnit's XML as bytes: text that XML cannot hold is replaced, so that the file can always be read."""

import re
from xml.etree import ElementTree

#: What is not a character of XML 1.0: control characters, halves of surrogate pairs, and two that are not characters.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_bytes(suite: ElementTree.Element) -> bytes:
    """Return *suite* as a file's content; an illegal character becomes U+FFFD."""
    for element in suite.iter():
        element.text = _legal(element.text)
        element.tail = _legal(element.tail)
        for name, value in element.items():
            element.set(name, _legal(value) or "")
    ElementTree.indent(suite)
    return bytes(ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)) + b"\n"


def _legal(text: str | None) -> str | None:
    return text and _ILLEGAL.sub("\ufffd", text)
