"""Read and check a ticket: one Markdown file with front matter."""

import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import yaml

from common.errors import DogfoodError
from dogfood.tickets.remarkup import unwrapped

#: Folder of the plan's tickets.
FOLDER = Path(__file__).resolve().parents[2] / "docs" / "plan" / "tickets"

#: Explains the folder; not a ticket.
_README = "README.md"

#: Priorities in a front matter, most urgent first, with the keywords of Phabricators. Keywords are configurable:
#: Phabricator's default has `wish`, Wikimedia's has `medium` and `lowest`.
PRIORITIES: dict[str, tuple[str, ...]] = {
    "unbreak": ("unbreak",),
    "triage": ("triage",),
    "high": ("high",),
    "normal": ("normal", "medium"),
    "low": ("low",),
    "lowest": ("lowest", "wish", "wishlist"),
}

#: Start of the line in a task's description that names its ticket. Changing it orphans every existing task.
MARKER = "dogfood-ticket"

_REQUIRED = frozenset({"title", "tags", "priority", "command"})
_OPTIONAL = frozenset({"parent", "depends_on", "planned"})
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TAG = re.compile(r"[a-z0-9]+([_.-][a-z0-9]+)*")
_CRITERIA = re.compile(r"^## Acceptance criteria\n(?P<list>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_ITEM = re.compile(r"^- \[[ x]\] \S", re.MULTILINE)
_MARKED = re.compile(rf"^{MARKER}: ({_SLUG.pattern})[ \t]*\r?$", re.MULTILINE)
#: Phabricator's limit for a title, in characters.
_MAX_TITLE = 255


class TicketError(DogfoodError):
    """A ticket is unreadable, invalid, or contradicts the others."""

    page = "docs/plan/tickets/README.md"


@dataclass(frozen=True, slots=True)
class Ticket:
    """One piece of work of the plan.

    Attributes:
        slug: file name without `.md`; the ticket's permanent id.
        title: title of the task.
        tags: project tags, without `#`.
        priority: one of PRIORITIES.
        command: command of this kit whose result closes the ticket, by its acceptance criteria.
        body: Markdown, with acceptance criteria.
        parent: slug of the parent ticket.
        depends_on: slugs of the tickets that have to be done first.
        planned: whether the command does not exist yet.
    """

    slug: str
    title: str
    tags: tuple[str, ...]
    priority: str
    command: str
    body: str
    parent: str | None = None
    depends_on: tuple[str, ...] = ()
    planned: bool = False

    @property
    def description(self) -> str:
        """The description of the task: body, command and marker line."""
        planned = "  (planned, not there yet)" if self.planned else ""
        return f"{unwrapped(self.body)}\n\nCommand: `{self.command}`{planned}\n\n{MARKER}: {self.slug}\n"


def marked_slugs(description: str) -> tuple[str, ...]:
    """Return the slugs in the marker lines of a task's *description*; usually none or one."""
    return tuple(match[1] for match in _MARKED.finditer(description))


def read_tickets(folder: Path = FOLDER) -> tuple[Ticket, ...]:
    """Read every ticket in *folder*, in the order of their slugs.

    Raises:
        TicketError: the folder does not exist or has no tickets, or a ticket is invalid.
    """
    paths = sorted(path for path in folder.glob("*.md") if path.name != _README)
    if not paths:
        raise TicketError(f"no tickets (*.md) in {folder}; give the folder with --folder")
    return tuple(read_ticket(path) for path in paths)


def read_ticket(path: Path) -> Ticket:
    """Read the ticket in *path*.

    Raises:
        TicketError: the file is unreadable or invalid; the message names file and field.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TicketError(f"{path} cannot be read: {error}") from error
    return parse_ticket(path.stem, text, source=str(path))


def parse_ticket(slug: str, text: str, *, source: str) -> Ticket:
    """Parse *text* as a ticket.

    Args:
        slug: slug of the ticket.
        text: front matter between lines of `---`, and the body.
        source: file name, for messages.

    Raises:
        TicketError: invalid front matter, a missing, unknown or wrong field, or no acceptance criteria.
    """
    return _Reader(source).ticket(slug, text)


class _Loader(yaml.SafeLoader):
    """Safe YAML that rejects duplicate keys instead of using the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        keys = [key.value for key, _ in node.value]
        if twice := sorted({str(key) for key in keys if keys.count(key) > 1}):
            raise yaml.constructor.ConstructorError(None, None, f"duplicate key {twice[0]!r}", node.start_mark)
        return super().construct_mapping(node, deep)


class _Reader:
    """Reads one file; every error names it."""

    def __init__(self, source: str) -> None:
        self._source = source

    def ticket(self, slug: str, text: str) -> Ticket:
        if not _SLUG.fullmatch(slug):
            self._refuse(f"the file name has to be lower-case letters, digits and single hyphens, not {slug!r}")
        front, body = self._split(text)
        fields = self._fields(front)
        self._check_body(body)
        planned = fields.get("planned", False)
        if not isinstance(planned, bool):
            self._refuse("planned has to be true or false")
        parent = fields.get("parent")
        return Ticket(
            slug=slug,
            title=self._title(fields["title"]),
            tags=self._names("tags", fields["tags"], _TAG, at_least=1),
            priority=self._priority(fields["priority"]),
            command=self._line("command", fields["command"]),
            body=body,
            parent=None if parent is None else self._name("parent", parent, _SLUG),
            depends_on=self._names("depends_on", fields.get("depends_on", []), _SLUG),
            planned=planned,
        )

    def _refuse(self, problem: str) -> NoReturn:
        raise TicketError(f"{self._source}: {problem}")

    def _split(self, text: str) -> tuple[str, str]:
        first, *lines = (line.rstrip() for line in text.removeprefix("\ufeff").split("\n"))
        if first != "---" or "---" not in lines:
            self._refuse("the file has to begin with front matter between two lines of ---")
        end = lines.index("---")
        return "\n".join(lines[:end]), "\n".join(lines[end + 1 :]).strip()

    def _fields(self, front: str) -> dict[str, object]:
        try:
            # S506: the loader is a SafeLoader.
            content = yaml.load(front, Loader=_Loader)  # noqa: S506
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            self._refuse(f"the front matter is not YAML: {' '.join(str(error).split())}")
        if not isinstance(content, dict):
            self._refuse("the front matter has to be fields, such as `title: …`")
        names = {str(name) for name in content}
        if missing := _REQUIRED - names:
            self._refuse(f"{', '.join(sorted(missing))} is missing in the front matter")
        if unknown := names - _REQUIRED - _OPTIONAL:
            self._refuse(f"{', '.join(sorted(unknown))} is not a field of a ticket")
        return {str(name): value for name, value in content.items()}

    def _check_body(self, body: str) -> None:
        criteria = _CRITERIA.search(f"{body}\n")
        if criteria is None or not _ITEM.search(criteria["list"]):
            self._refuse("the body needs `## Acceptance criteria` with at least one `- [ ] …`")
        if marked_slugs(body):
            self._refuse(f"the body must not have a line `{MARKER}: …`; it is added to the task")

    def _line(self, field: str, value: object) -> str:
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            self._refuse(f"{field} has to be one line of text, not {value!r}; put it in quotes")
        return value.strip()

    def _title(self, value: object) -> str:
        title = self._line("title", value)
        if len(title) > _MAX_TITLE:
            self._refuse(f"title has {len(title)} characters; Phabricator takes {_MAX_TITLE}")
        return title

    def _priority(self, value: object) -> str:
        if not isinstance(value, str) or value not in PRIORITIES:
            self._refuse(f"priority has to be one of {', '.join(PRIORITIES)}, not {value!r}")
        return value

    def _name(self, field: str, value: object, pattern: re.Pattern[str]) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self._refuse(f"{field}: {value!r} is not a name of lower-case letters, digits and hyphens")
        return value

    def _names(self, field: str, value: object, pattern: re.Pattern[str], at_least: int = 0) -> tuple[str, ...]:
        if not isinstance(value, list) or len(value) < at_least:
            self._refuse(f"{field} has to be a list{' that is not empty' if at_least else ''}, such as [one, two]")
        names = tuple(self._name(field, item, pattern) for item in value)
        if duplicate := _duplicate(names):
            self._refuse(f"{field}: {duplicate!r} occurs twice")
        return names


def _duplicate(names: Iterable[str]) -> str | None:
    names_so_far: set[str] = set()
    for name in names:
        if name in names_so_far:
            return name
        names_so_far.add(name)
    return None
