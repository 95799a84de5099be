"""`dogfood checks`: the questions that the checks answer. Imports neither a database nor statistics."""

import click
import orjson
from rich.table import Table

from analysis.checks import CHECKS
from dogfood.commands.options import AS_JSON
from dogfood.console import new_console


@click.command()
@AS_JSON
def checks(as_json: bool) -> None:
    """List the checks: name, layer and question."""
    if as_json:
        rows = [{"name": check.name, "layer": str(check.layer), "question": check.question} for check in CHECKS]
        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("check", "layer", "question"):
        table.add_column(column, overflow="fold")
    for check in CHECKS:
        table.add_row(check.name, str(check.layer), check.question)
    new_console().print(table)
