"""`dogfood compare`: what changed between two runs."""

from pathlib import Path

import click
import orjson
from rich.table import Table

from analysis.analyse import Analysis, analyse
from analysis.comparison import compare as compare_runs
from dogfood.commands.options import AS_JSON, RUNS, complete_run
from dogfood.console import new_console
from run_record.run_folder import find_run


@click.command(epilog="Exit codes: 0 the runs were compared, 2 wrong use.")
@click.argument("before", metavar="RUN", shell_complete=complete_run)
@click.argument("after", metavar="RUN", shell_complete=complete_run)
@RUNS
@AS_JSON
def compare(before: str, after: str, runs: Path, as_json: bool) -> None:
    """Show what changed between two runs: verdict, settings, checks, events, groups, click-through rates."""
    first, second = (_analysis(runs, name) for name in (before, after))
    changes = compare_runs(first, second)
    if as_json:
        click.echo(orjson.dumps([change._asdict() for change in changes], option=orjson.OPT_INDENT_2))
        return
    if not changes:
        click.echo("nothing changed")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("what", "name", str(first.run["id"]), str(second.run["id"])):
        table.add_column(column, overflow="fold")
    for change in changes:
        table.add_row(change.what, change.name, _cell(change.before), _cell(change.after))
    new_console().print(table)


def _analysis(runs: Path, name: str) -> Analysis:
    return analyse(find_run(runs, name))


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
