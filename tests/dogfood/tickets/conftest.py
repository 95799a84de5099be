"""A Phabricator on this machine, and tickets to put into it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dogfood.tickets.conduit import Conduit
from dogfood.tickets.ticket import Ticket
from tests.dogfood.tickets.phabricator import TOKEN, Phabricator, serving

Connect = Callable[[], Conduit]


def ticket(slug: str, *, parent: str | None = None, after: tuple[str, ...] = (), priority: str = "normal") -> Ticket:
    """Return a ticket that is as it should be."""
    body = f"About {slug}.\n\n## Acceptance criteria\n\n- [ ] It is done"
    return Ticket(slug, f"Do {slug}", ("contracts",), priority, "make dogfood", body, parent, after)


def write(folder: Path, *tickets: Ticket) -> Path:
    """Write *tickets* as files into *folder*."""
    folder.mkdir(exist_ok=True)
    for item in tickets:
        lines = [
            "---",
            f"title: {item.title}",
            f"tags: [{', '.join(item.tags)}]",
            f"priority: {item.priority}",
            f"command: {item.command}",
            *([f"parent: {item.parent}"] if item.parent else []),
            f"depends_on: [{', '.join(item.depends_on)}]",
            "---",
            item.body,
        ]
        (folder / f"{item.slug}.md").write_text("\n".join(lines), encoding="utf-8")
    return folder


#: An epic with three parts; in the order in which they have to be made.
EPIC = (
    ticket("the-epic", priority="high"),
    ticket("one", parent="the-epic"),
    ticket("three", parent="the-epic"),
    ticket("two", parent="the-epic", after=("one", "three"), priority="lowest"),
)


@pytest.fixture
def phabricator() -> Phabricator:
    return Phabricator()


@pytest.fixture
def url(phabricator: Phabricator) -> Iterator[str]:
    with serving(phabricator) as address:
        yield address


@pytest.fixture
def conduit(url: str) -> Iterator[Conduit]:
    with Conduit(url, TOKEN, pause_s=0) as client:
        yield client
