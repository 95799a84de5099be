"""`dogfood open`: the report of a run, in the user's browser."""

import sys
import webbrowser
from pathlib import Path

import click
import orjson

from common.errors import DogfoodError
from dogfood.commands.options import AS_JSON, RUNS, complete_run
from dogfood.console import say
from run_record.run_folder import LATEST, find_run

_REPORT = "report.html"


class NoReportError(DogfoodError):
    """A run without a report: it has not been judged yet."""

    page = "docs/guide/troubleshooting.md"


@click.command("open", epilog="Exit codes: 0 opened, 2 no such report, 4 no browser could be started.")
@click.argument("name", metavar="[RUN]", default=LATEST, shell_complete=complete_run)
@RUNS
@click.option("--print", "only_print", is_flag=True, help="Print the report's path and start no browser.")
@AS_JSON
def open_report(name: str, runs: Path, only_print: bool, as_json: bool) -> None:
    """Open the report of a RUN (default: the latest) in the browser."""
    report = find_run(runs, name) / _REPORT
    if not report.is_file():
        raise NoReportError(f"run {report.parent.name!r} has no report yet; write it with `dogfood analyse {name}`")
    if as_json:
        click.echo(orjson.dumps({"run": report.parent.name, "report": str(report), "address": report.as_uri()}))
    elif only_print:
        click.echo(report)
    else:
        say(f"report: {report}")
        if not webbrowser.open(report.as_uri()):
            click.echo(
                "error: no browser could be started; open the file above, or name a browser in $BROWSER", err=True
            )
            sys.exit(4)
