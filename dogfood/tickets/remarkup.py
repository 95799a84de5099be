"""Markdown for Phabricator: Remarkup knows headings, lists, checkboxes and code, but keeps every line break."""

import re

#: What begins a block of its own, so that its line is never joined to the one before.
_BLOCK = re.compile(r"\s*(#{1,6} |[-*+] |\d+[.)] |\||>|```|$)")
#: What ends with its line, so that the next is never joined to it.
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
