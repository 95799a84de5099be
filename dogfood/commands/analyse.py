"""Commands that judge: `analyse` and `compare`."""

import sys
from pathlib import Path
from typing import Any

import click
import orjson
from rich.table import Table

from analysis.analyse import Analysis
from analysis.analyse import analyse as analyse_run
from analysis.comparison import compare as compare_runs
from analysis.inputs.description import InputSummary, ObservedKind
from analysis.reports.junit import junit
from common.atomic_write import atomic_write
from common.bounded_numbers import Number
from dogfood.commands.options import AS_JSON, EXIT_CODES, RUNS, TESTBED, complete_run
from dogfood.console import new_console
from dogfood.judge import judge
from dogfood.terminal import show, show_inputs
from dogfood.testbed_control.services import Testbed
from dogfood.warehouse_options import TABLE, EngineKind, WarehouseOptions, reached
from run_record.run_folder import find_run

_HOUR = click.DateTime(["%Y-%m-%dT%H", "%Y-%m-%dT%H:%M", "%Y-%m-%d"])


@click.command(epilog=EXIT_CODES)
@click.argument("name", metavar="RUN", shell_complete=complete_run)
@RUNS
@click.option("--observed", type=click.Path(path_type=Path), multiple=True,
              help="File, folder or pipe of events to judge instead, in any common format. Repeatable.")  # fmt: skip
@click.option("--observed-is", type=click.Choice([str(kind) for kind in ObservedKind]),
              help="What --observed is; canaries are normal in a stream. Default: by its content.")  # fmt: skip
@click.option("--explain-input", is_flag=True, help="Print what the observed files were read as, before the verdict.")
@click.option(
    "--ingest", is_flag=True, help="First fill the testbed's table from its stream, and copy the run's rows from it."
)
@click.option("--floor", type=Number(0, 1), default=0.0,
              help="Let imbalances below this share of a group pass, however sure; default: none.")  # fmt: skip
@click.option(
    "--junit", "report", type=click.Path(path_type=Path, dir_okay=False), help="Write the checks as JUnit XML."
)
@click.option("--engine", type=click.Choice([str(kind) for kind in EngineKind]), default=EngineKind.DUCKDB.value,
              show_default=True, help="DuckDB for files; Spark or Trino for a warehouse's table.")  # fmt: skip
@click.option("--table", default=TABLE, show_default=True, help="The warehouse's table.")
@click.option("--since", type=_HOUR, help="First hour of the table to look at, UTC; default: the run's first.")
@click.option("--until", type=_HOUR, help="Last hour, UTC; default: the last in which the run's rows may come.")
@click.option("--metastore", default="", metavar="URI", help="Hive's, for Spark; default: the testbed's.")
@TESTBED
@click.option("--json", "as_json", is_flag=True, help="Print verdict.json.")
def analyse(
    name: str,
    runs: Path,
    observed: tuple[Path, ...],
    observed_is: str | None,
    explain_input: bool,
    ingest: bool,
    floor: float,
    report: Path | None,
    engine: str,
    folder: Path,
    as_json: bool,
    **table: Any,  # noqa: ANN401 (click's)
) -> None:
    """Judge a run: a name under the runs' folder, `latest`, or a path."""
    where = find_run(runs, name)
    options = WarehouseOptions(EngineKind(engine), Testbed(folder), **table)
    if observed and options.engine is not EngineKind.DUCKDB:
        raise click.UsageError(f"--observed names files, which are DuckDB's: leave it out, or --engine {engine}")
    if ingest and (observed or options.engine is not EngineKind.DUCKDB):
        raise click.UsageError("--ingest takes the testbed's rows: leave out --observed and --engine")
    if ingest:
        # Imported here: it knows of browsers, which other judgements do not need.
        from dogfood.run import ingest_run

        ingest_run(options.testbed, where)
    kind = ObservedKind(observed_is) if observed_is else None

    def explain(inputs: InputSummary) -> None:
        # Beside JSON on stdout, it belongs to the messages.
        show_inputs(new_console(stderr=as_json), inputs, whole=explain_input)

    explains = explain if explain_input or observed else lambda _: None
    with reached(options) as warehouse:
        analysis = judge(where, observed, floor=floor, warehouse=warehouse, kind=kind, explain=explains)
    if report is not None:
        atomic_write(report, junit(analysis))
    if as_json:
        click.echo(analysis.to_json(), nl=False)
    else:
        console = new_console()
        show(console, analysis)
        console.print(f"report: {where / 'report.html'}", soft_wrap=True)
    sys.exit(analysis.verdict.exit_code)


@click.command(epilog="Exit codes: 0 the comparison was made, 2 wrong use.")
@click.argument("before", metavar="RUN", shell_complete=complete_run)
@click.argument("after", metavar="RUN", shell_complete=complete_run)
@RUNS
@AS_JSON
def compare(before: str, after: str, runs: Path, as_json: bool) -> None:
    """Show what changed between two runs: verdict, settings, checks, events, groups, click-through rates."""
    one, other = (_judged(runs, name) for name in (before, after))
    changes = compare_runs(one, other)
    if as_json:
        click.echo(orjson.dumps([change._asdict() for change in changes], option=orjson.OPT_INDENT_2))
        return
    if not changes:
        click.echo("nothing changed")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("what", "name", str(one.run["id"]), str(other.run["id"])):
        table.add_column(column, overflow="fold")
    for change in changes:
        table.add_row(change.what, change.name, _told(change.before), _told(change.after))
    new_console().print(table)


def _judged(runs: Path, name: str) -> Analysis:
    return analyse_run(find_run(runs, name))


def _told(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
