"""A ticket's file is parsed, or refused in one line that names file and field."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dogfood.tickets.ticket import PRIORITIES, TicketError, marked_slugs, parse_ticket, read_ticket, read_tickets
from tests.dogfood.tickets.conftest import EPIC, write

CRITERIA = "## Acceptance criteria\n\n- [ ] It is done\n"
FRONT = {"title": "Do it", "tags": "[a]", "priority": "high", "command": "make dogfood"}


def text(body: str = CRITERIA, **fields: str | None) -> str:
    front = {name: value for name, value in {**FRONT, **fields}.items() if value is not None}
    return "---\n" + "".join(f"{name}: {value}\n" for name, value in front.items()) + f"---\n{body}"


def test_a_whole_ticket_is_read() -> None:
    result = parse_ticket(
        "a-1",
        text(
            f"Why.\n\n{CRITERIA}",
            title='"[Epic] Do: it"',
            tags="[a, b_c]",
            parent="p",
            depends_on="[x]",
            planned="true",
        ),
        source="a-1.md",
    )
    assert result == result.__class__(
        "a-1", "[Epic] Do: it", ("a", "b_c"), "high", "make dogfood", f"Why.\n\n{CRITERIA}".strip(), "p", ("x",), True
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "front matter between two lines of ---"),
        ("title: x\n", "front matter between two lines of ---"),
        ("---\ntitle: x\n", "front matter between two lines of ---"),
        ("---\n---\n", "the front matter has to be fields"),
        ("---\n- a\n---\n", "the front matter has to be fields"),
        ("---\ntitle: [\n---\n", "the front matter is not YAML"),
        ("---\ntitle: a\ntitle: b\n---\n", "duplicate key 'title'"),
        ("---\ntitle: !!python/name:os.system x\n---\n", "the front matter is not YAML"),
        (f"---\n{'[' * 5000}\n---\n", "the front matter is not YAML"),
        (text(title=None, tags=None), "tags, title is missing"),
        (text(prioritty="high"), "prioritty is not a field"),
        (text(title='""'), "title has to be one line of text, not ''"),
        (text(title="yes"), "title has to be one line of text, not True; put it in quotes"),
        (text(title='"a\\nb"'), "title has to be one line"),
        (text(title='"a\\e[31m"'), "title has to be one line"),
        (text(title="x" * 256), "title has 256 characters; Phabricator takes 255"),
        (text(tags="[]"), "tags has to be a list that is not empty"),
        (text(tags="a"), "tags has to be a list"),
        (text(tags="['#a']"), "tags: '#a' is not a name"),
        (text(tags="[a, a]"), "tags: 'a' occurs twice"),
        (text(priority="urgent"), "priority has to be one of unbreak, triage, high, normal, low, lowest, not 'urgent'"),
        (text(priority="[high]"), "priority has to be one of"),
        (text(command="5"), "command has to be one line of text, not 5"),
        (text(parent="Epic!"), "parent: 'Epic!' is not a name"),
        (text(depends_on="a"), "depends_on has to be a list"),
        (text(depends_on="[1]"), "depends_on: 1 is not a name"),
        (text(planned="maybe"), "planned has to be true or false"),
        (text("Nothing."), "needs `## Acceptance criteria`"),
        (text("## Acceptance criteria\n\n## Later\n\n- [ ] x"), "needs `## Acceptance criteria`"),
        (text(f"dogfood-ticket: a\n\n{CRITERIA}"), "must not have a line `dogfood-ticket: …`"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(content: str, says: str) -> None:
    with pytest.raises(TicketError) as caught:
        parse_ticket("a", content, source="tickets/a.md")
    assert str(caught.value).startswith("tickets/a.md: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("slug", ["", "A", "a--b", "-a", "a_b", "a b", "a\n"])
def test_a_name_that_is_no_slug_is_refused(slug: str) -> None:
    with pytest.raises(TicketError, match="the file name"):
        parse_ticket(slug, text(), source="x")


def test_windows_newlines_and_bom_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_bytes(b"\xef\xbb\xbf" + text().replace("\n", "\r\n").encode())
    assert read_ticket(path) == parse_ticket("a", text(), source="")


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"---\n\xff")
    with pytest.raises(TicketError, match=r"a\.md cannot be read"):
        read_tickets(tmp_path)


@pytest.mark.parametrize("folder", ["", "nowhere"])
def test_a_folder_without_tickets_is_told(tmp_path: Path, folder: str) -> None:
    (tmp_path / "README.md").write_text("no ticket")
    with pytest.raises(TicketError, match="no tickets"):
        read_tickets(tmp_path / folder)


def test_tickets_are_sorted_by_name(tmp_path: Path) -> None:
    assert read_tickets(write(tmp_path, *EPIC)) == tuple(sorted(EPIC, key=lambda item: item.slug))


def test_the_description_says_which_ticket_it_is() -> None:
    result = parse_ticket("a-b", text(planned="true"), source="")
    assert marked_slugs(result.description) == ("a-b",)
    assert "Command: `make dogfood`  (planned, not there yet)" in result.description


def test_a_marker_is_a_line_of_its_own() -> None:
    quoted = (
        "> dogfood-ticket: a\nsee dogfood-ticket: b\ndogfood-ticket: C\ndogfood-ticket: d e\ndogfood-ticket: f \r\n"
    )
    assert marked_slugs(quoted) == ("f",)


_LINES = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=80)
_SLUGS = st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,8}){0,2}", fullmatch=True)


@given(
    title=_LINES,
    command=_LINES,
    tags=st.lists(_SLUGS, min_size=1, unique=True),
    priority=st.sampled_from(list(PRIORITIES)),
    depends_on=st.lists(_SLUGS, unique=True),
    parent=_SLUGS,
)
def test_whatever_yaml_writes_is_read_back(
    title: str, command: str, tags: list[str], priority: str, depends_on: list[str], parent: str
) -> None:
    fields = {"title": title, "command": command, "tags": tags, "priority": priority, "depends_on": depends_on}
    front = yaml.safe_dump({**fields, "parent": parent}, allow_unicode=True, width=10_000)
    result = parse_ticket("a", f"---\n{front}---\n{CRITERIA}", source="a")
    assert (result.title, result.command, result.priority, result.parent) == (title, command, priority, parent)
    assert (result.tags, result.depends_on) == (tuple(tags), tuple(depends_on))


@given(st.text())
def test_any_front_matter_parses_or_raises_ticket_error(front: str) -> None:
    with pytest.raises(TicketError):
        parse_ticket("a", f"---\n{front}\n---\n", source="a")
