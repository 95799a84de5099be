"""What the plan and its tickets name is there, or is marked as not there yet."""

import re
import shlex
from pathlib import Path

import click
import pytest

from dogfood.cli import cli
from dogfood.tickets.graph import in_order
from dogfood.tickets.ticket import PRIORITIES, Ticket, read_tickets

ROOT = Path(__file__).resolve().parents[3]
PLAN = (ROOT / "docs" / "plan" / "dogfooding-plan.md").read_text(encoding="utf-8")
TICKETS = read_tickets()


def problem(command: str) -> str | None:
    """Return why *command* cannot be run, or None. Files it names need not be there yet."""
    program, *words = shlex.split(command)
    if program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
        return None if set(words) <= set(targets) else "no such target"
    if program == "locust":
        return None if (ROOT / words[words.index("-f") + 1]).is_file() else "no such locustfile"
    requested = cli.get_command(click.Context(cli), words[0]) if program == "dogfood" else None
    return _wrong_options(requested, words[1:]) if requested else "no such command"


def _wrong_options(command: click.Command, words: list[str]) -> str | None:
    context = click.Context(command)
    try:
        given, _, _ = command.make_parser(context).parse_args(list(words))
        for parameter in command.params:
            value = given.get(parameter.name or "")
            if isinstance(parameter.type, click.Choice) and isinstance(value, str):
                parameter.type.convert(value, parameter, context)
    except click.UsageError as error:
        return error.format_message()
    return None


@pytest.mark.parametrize("ticket", TICKETS, ids=lambda item: item.slug)
def test_tickets_name_existing_or_planned_commands(ticket: Ticket) -> None:
    why = problem(ticket.command)
    if ticket.planned:
        assert why is not None, f"`{ticket.command}` is there now: take `planned: true` out of {ticket.slug}.md"
    else:
        assert why is None, f"`{ticket.command}` of {ticket.slug}.md: {why}; mend it, or add `planned: true`"


@pytest.mark.parametrize(
    ("command", "works"),
    [
        ("make dogfood", True),
        ("make coffee", False),
        ("locust -f locustfiles/ctr.py", True),
        ("locust -f locustfiles/none.py", False),
        ("dogfood run --generation xlab --seed 3", True),
        ("dogfood run --generation beta", False),
        ("dogfood run --no-such-option", False),
        ("dogfood fly", False),
        ("rm -rf x", False),
    ],
)
def test_a_command_that_does_not_exist_is_seen(command: str, works: bool) -> None:
    assert (problem(command) is None) is works


def test_one_epic_contains_everything() -> None:
    ordered = in_order(TICKETS)
    assert [item.slug for item in ordered if item.parent is None] == [ordered[0].slug]
    assert len(ordered) >= 10


def test_every_step_of_the_plan_has_its_ticket() -> None:
    steps = {int(number) for number in re.findall(r"^\| (\d+) ", PLAN, flags=re.MULTILINE)}
    named: set[int] = set()
    for item in TICKETS:
        for result in re.findall(r"^Steps? ([\d, and]+) of the plan", item.body, flags=re.MULTILINE):
            named |= {int(number) for number in re.findall(r"\d+", result)}
    assert steps == named == set(range(1, 14))


def test_every_command_of_the_plan_is_there() -> None:
    used = set(re.findall(r"`(?:[^`\n]*\| *)?dogfood ([a-z]+)\b", PLAN))
    assert {"run", "analyse", "browse", "capacity"} <= used <= set(cli.list_commands(click.Context(cli)))


def test_the_readme_names_every_field_and_priority() -> None:
    text = (ROOT / "docs" / "plan" / "tickets" / "README.md").read_text(encoding="utf-8")
    for name, words in PRIORITIES.items():
        keywords = ", else ".join(f"`{word}`" for word in words)
        assert f"| `{name}` | {keywords} |" in text
    for name in ("title", "tags", "priority", "parent", "depends_on", "command", "planned"):
        assert f"| `{name}` |" in text


def test_tickets_need_no_other_file() -> None:
    for item in TICKETS:
        assert not re.search(r"\]\((?!https?://)", item.body), f"{item.slug}: relative links break in a task"
