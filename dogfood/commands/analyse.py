"""`dogfood analyse`: the verdict on a run."""

import sys
from pathlib import Path
from typing import Any

import click

from analysis.inputs.description import InputSummary, ObservedKind
from analysis.reports.junit import junit
from common.atomic_write import atomic_write
from common.bounded_numbers import Number
from dogfood.commands.options import EXIT_CODES, RUNS, TESTBED, RenamedOption, complete_run
from dogfood.console import new_console
from dogfood.run.judge import judge
from dogfood.terminal import show, show_inputs
from dogfood.testbed_control.services import Testbed
from dogfood.testbed_control.warehouse import TABLE, EngineKind, WarehouseOptions, open_warehouse
from run_record.run_folder import find_run

_HOUR = click.DateTime(["%Y-%m-%dT%H", "%Y-%m-%dT%H:%M", "%Y-%m-%d"])


@click.command(epilog=EXIT_CODES)
@click.argument("name", metavar="RUN", shell_complete=complete_run)
@RUNS
@click.option("--observed", type=click.Path(path_type=Path), metavar="PATH", multiple=True,
              help="File, folder or pipe of events to judge instead, in any common format. Repeatable.")  # fmt: skip
@click.option("--observed-is", type=click.Choice([str(kind) for kind in ObservedKind]), show_default="from the content",
              help="Kind of --observed; canaries are normal in a stream.")  # fmt: skip
@click.option("--explain-input", is_flag=True, help="Print how the observed files were read, before the verdict.")
@click.option("--ingest", is_flag=True,
              help="First fill the testbed's table from its stream, and copy the run's rows from it.")  # fmt: skip
@click.option("--min-imbalance", cls=RenamedOption, old="--floor", type=Number(0, 1), metavar="SHARE", default=0.0,
              show_default=True, help="Smallest imbalance of a group that fails a check.")  # fmt: skip
@click.option("--junit", "report", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write the checks as JUnit XML.")  # fmt: skip
@click.option("--engine", type=click.Choice([str(kind) for kind in EngineKind]), default=EngineKind.DUCKDB.value,
              show_default=True, help="Query engine: DuckDB for files, Spark or Trino for a warehouse.")  # fmt: skip
@click.option("--table", default=TABLE, show_default=True, help="Table in the warehouse.")
@click.option("--since", type=_HOUR, metavar="HOUR", show_default="the run's first",
              help="First hour of the table to read, in UTC.")  # fmt: skip
@click.option("--until", type=_HOUR, metavar="HOUR", show_default="the last in which the run's rows may arrive",
              help="Last hour of the table to read, in UTC.")  # fmt: skip
@click.option("--metastore", default="", metavar="URI", show_default="the testbed's", help="Hive metastore, for Spark.")
@TESTBED
@click.option("--json", "as_json", is_flag=True, help="Print verdict.json.")
def analyse(
    name: str,
    runs: Path,
    observed: tuple[Path, ...],
    observed_is: str | None,
    explain_input: bool,
    ingest: bool,
    min_imbalance: float,
    report: Path | None,
    engine: str,
    folder: Path,
    as_json: bool,
    **table: Any,  # noqa: ANN401 (click's)
) -> None:
    """Judge a run: a name under the runs' folder, `latest`, or a path."""
    run = find_run(runs, name)
    options = WarehouseOptions(EngineKind(engine), Testbed(folder), **table)
    if observed and options.engine is not EngineKind.DUCKDB:
        raise click.UsageError(f"--observed needs DuckDB, which reads files; leave it out, or --engine {engine}")
    if ingest and (observed or options.engine is not EngineKind.DUCKDB):
        raise click.UsageError("--ingest reads the testbed's table; leave out --observed and --engine")
    if ingest:
        # Imported here: it imports browsers, which other analyses do not need.
        from dogfood.run.table_rows import ingest_run

        ingest_run(options.testbed, run)
    kind = ObservedKind(observed_is) if observed_is else None

    def explain(inputs: InputSummary) -> None:
        # With JSON on stdout, it goes to stderr.
        show_inputs(new_console(stderr=as_json), inputs, whole=explain_input)

    explains = explain if explain_input or observed else lambda _: None
    with open_warehouse(options) as warehouse:
        analysis = judge(run, observed, min_imbalance=min_imbalance, warehouse=warehouse, kind=kind, explain=explains)
    if report is not None:
        atomic_write(report, junit(analysis))
    if as_json:
        click.echo(analysis.to_json(), nl=False)
    else:
        console = new_console()
        show(console, analysis)
        console.print(f"report: {run / 'report.html'}", soft_wrap=True)
    sys.exit(analysis.verdict.exit_code)
