"""`dogfood tickets`: check, list and export the plan's tickets, and create them in Phabricator."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from common.bounded_numbers import Number
from dogfood.console import new_console, say
from dogfood.tickets.conduit import TOKEN_VARIABLE, Conduit
from dogfood.tickets.create import CreationPlan, Task, create, plan_creation
from dogfood.tickets.export import Format, export
from dogfood.tickets.graph import in_order, tree
from dogfood.tickets.ticket import FOLDER, Ticket, read_tickets


@click.command(
    epilog=f"The API token is read from the environment variable {TOKEN_VARIABLE}, never from the command line. Exit "
    "code 2: a ticket is invalid or Phabricator refuses; fix it and run the same command again, which continues."
)
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER", default=FOLDER,
              show_default="docs/plan/tickets", help="Folder of the tickets, one Markdown file each.")  # fmt: skip
@click.option("--export", "kind", type=click.Choice([str(item) for item in Format]),
              help="Print the tickets in this format.")  # fmt: skip
@click.option("--create", "creating", is_flag=True,
              help="Show the tasks to create in Phabricator; with --yes, create them. Existing tasks do not change.",
              )  # fmt: skip
@click.option("--phabricator", "url", metavar="URL", help="Phabricator's address, for --create.")
@click.option("--yes", is_flag=True, help="With --create: create the tasks.")
@click.option("--pause", "pause_s", type=Number(0, 3600), metavar="SECONDS", default=1.0, show_default=True,
              help="Time between requests to Phabricator.")  # fmt: skip
def tickets(folder: Path, kind: str | None, creating: bool, url: str | None, yes: bool, pause_s: float) -> None:
    """Check the plan's tickets and list them with their dependencies."""
    _check_use(kind, creating, url, yes)
    ordered = in_order(read_tickets(folder))
    if kind:
        click.echo(export(ordered, Format(kind)), nl=False)
    elif creating and url:
        with Conduit(url, os.environ.get(TOKEN_VARIABLE, ""), pause_s=pause_s) as conduit:
            _create(conduit, ordered, yes=yes)
    else:
        _show(new_console(), ordered)


def _check_use(kind: str | None, creating: bool, url: str | None, yes: bool) -> None:
    if kind and creating:
        raise click.UsageError("--export and --create exclude each other")
    if creating and not url:
        raise click.UsageError("--create needs --phabricator URL")
    if (url or yes) and not creating:
        raise click.UsageError("--phabricator and --yes need --create")


def _show(console: Console, ordered: Sequence[Ticket]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("ticket", "priority", "title and command"):
        table.add_column(name, overflow="fold")
    for depth, ticket in tree(ordered):
        details = Text(f"{ticket.title}\n").append(ticket.command, "cyan")
        if ticket.planned:
            details.append("  planned", "yellow")
        table.add_row(Text("  " * depth + ticket.slug), ticket.priority, details)
    console.print(table)
    console.print("\nDependencies, in order:", markup=False)
    for number, ticket in enumerate(ordered, 1):
        waits = f"  ← {', '.join(ticket.depends_on)}" if ticket.depends_on else ""
        console.print(f"{number:3}. {ticket.slug}{waits}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"\n{len(ordered)} tickets, all valid", markup=False)


def _create(conduit: Conduit, ordered: Sequence[Ticket], *, yes: bool) -> None:
    plan = plan_creation(conduit, ordered, now_s=time.time())
    for ticket in plan.tickets:
        if ticket.slug in plan.existing:
            say(f"exists    T{plan.existing[ticket.slug].number}  {ticket.slug}{_copies(plan, ticket)}")
        elif not yes:
            say(f"to create {ticket.slug}: {ticket.title}")
    if not plan.missing:
        say(f"nothing to create: all {len(plan.tickets)} tickets are in {conduit.url}")
    elif yes:
        create(conduit, plan, _show_created)
        say(f"created {len(plan.missing)} of {len(plan.tickets)} tickets in {conduit.url}")
    else:
        say(f"dry run: {len(plan.missing)} of {len(plan.tickets)} tickets would be created; add --yes to create them")


def _show_created(ticket: Ticket, task: Task) -> None:
    say(f"created   T{task.number}  {ticket.slug}")


def _copies(plan: CreationPlan, ticket: Ticket) -> str:
    duplicates = plan.duplicates.get(ticket.slug, ())
    return f"  (also {', '.join(f'T{task.number}' for task in duplicates)}: close the copies)" if duplicates else ""
