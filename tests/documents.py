"""The code blocks of the documentation, their marks, and the commands in them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

#: Pages for people; docs/reference/cli.md is generated from the commands and compared with them.
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(path for path in sorted(DOCS.rglob("*.md")) if path.name != "cli.md"),
]

_BLOCK = re.compile(r"(?:^<!-- (?P<mark>(?:not )?executed[^\n]*?) -->\n)?^```sh\n(?P<text>.*?)^```", re.M | re.S)


class Block(NamedTuple):
    """A block of shell commands.

    Attributes:
        where: page and line.
        mark: `executed`, `executed: slow`, `executed: exits N`, `not executed: why`, or empty.
        text: the commands.
    """

    where: str
    mark: str
    text: str

    @property
    def executed(self) -> bool:
        return self.mark.startswith("executed")

    @property
    def slow(self) -> bool:
        return "slow" in self.mark

    @property
    def exit_code(self) -> int:
        match = re.search(r"exits (\d)", self.mark)
        return int(match[1]) if match else 0


def blocks(page: Path) -> Iterator[Block]:
    """Yield the shell blocks of *page*."""
    content = page.read_text(encoding="utf-8")
    for item in _BLOCK.finditer(content):
        line = content.count("\n", 0, item.start("text")) + 1
        yield Block(f"{page.relative_to(ROOT)}:{line}", item["mark"] or "", item["text"])


def calls(text: str, program: str) -> Iterator[list[str]]:
    """Yield the arguments of each call of *program* in shell commands, without pipes, redirections and comments."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"\|+|;|&&", line.split(" #")[0]):
            words = _words(part)
            if words and words[0].removeprefix(".venv/bin/") == program:
                yield words[1:]


def _words(part: str) -> list[str]:
    try:
        words = shlex.split(part, comments=True)
    except ValueError:
        # Part of a quoted string that has a separator in it.
        return []
    ends = [number for number, word in enumerate(words) if word.startswith((">", "<"))]
    return words[: ends[0]] if ends else words


def find_command(group: click.Command, words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command named by *words* and its arguments. Raises KeyError for an unknown command."""
    while isinstance(group, click.Group) and words and not words[0].startswith("-"):
        command = group.get_command(click.Context(group), words[0])
        if command is None and group.invoke_without_command:
            break
        if command is None:
            raise KeyError(words[0])
        group, words = command, words[1:]
    return group, words


def unknown_options(command: click.Command, words: list[str]) -> set[str]:
    """Return the options among *words* that *command* does not have."""
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    used = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    return used - known - {"--help", "-h"}
