"""`dogfood status`: the testbed's services, their ports and their health."""

from pathlib import Path

import click
import orjson
from rich.table import Table
from rich.text import Text

from dogfood.commands.options import AS_JSON, TESTBED
from dogfood.console import new_console
from dogfood.testbed_control.services import Testbed


@click.command()
@TESTBED
@AS_JSON
def status(folder: Path, as_json: bool) -> None:
    """Show the testbed's services: health, address, process and log."""
    show_status(Testbed(folder), as_json=as_json)


def show_status(testbed: Testbed, *, as_json: bool) -> None:
    """Print the services of *testbed* and the faults that are switched on."""
    states = testbed.status()
    if as_json:
        click.echo(orjson.dumps([state._asdict() for state in states]))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("service", "health", "address", "pid", "log"):
        table.add_column(name, overflow="fold")
    for state in states:
        colour = {"healthy": "green", "stopped": "dim"}.get(state.health, "red")
        table.add_row(
            state.name, Text(state.health, colour), state.address or "–", str(state.pid or "–"), state.log or "–"
        )
    console = new_console()
    console.print(table)
    if testbed.faults:
        console.print(Text.assemble(("faults switched on:", "red"), f" {', '.join(testbed.faults)}"))
