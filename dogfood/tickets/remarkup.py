"""Markdown for Phabricator: Remarkup has headings, lists, checkboxes and code, but keeps every line break."""

import re

#: Beginning of a new block: its line is never joined to the previous one.
_BLOCK = re.compile(r"\s*(#{1,6} |[-*+] |\d+[.)] |\||>|```|$)")
#: A block that ends with its line: the next line is never joined to it.
_CLOSED = re.compile(r"\s*(#{1,6} |\||```|$)")


def unwrapped(markdown: str) -> str:
    """Return *markdown* with paragraphs and list items on one line each; code between ``` stays as it is."""
    lines: list[str] = []
    in_code = False
    for line in markdown.split("\n"):
        if in_code or not lines or _BLOCK.match(line) or _CLOSED.match(lines[-1]):
            lines.append(line)
        else:
            lines[-1] = f"{lines[-1].rstrip()} {line.strip()}"
        in_code ^= line.lstrip().startswith("```")
    return "\n".join(lines)
