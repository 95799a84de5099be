"""`dogfood run`: one run, from starting the testbed to the verdict."""

import os
import sys
from pathlib import Path

import click

from analysis.verdict import Verdict
from common.bounded_numbers import Count
from dogfood.commands.ingest import chosen_table, table_options
from dogfood.commands.options import EXIT_CODES, RUNS, TESTBED, RenamedOption, read_fidelities, together
from dogfood.commands.traffic_options import traffic_options
from dogfood.console import new_console
from dogfood.metrics.run_metrics import RunMetrics
from dogfood.run.lifecycle import run as run_once
from dogfood.run.request import BrowserOptions, RunRequest
from dogfood.terminal import show
from dogfood.testbed_control.seed import WIKI_ACCOUNTS
from dogfood.testbed_control.services import Testbed
from run_record.roster import Fidelity
from traffic.locust_run.options import TrafficOptions

#: The options that name the systems under test.
systems_options = together(
    click.option("--target", metavar="TARGET", default="local", show_default=True,
                 help="Target: a file in targets/, or a path to one."),
    click.option("--confirm", default="", metavar="TARGET",
                 help="Repeat the target's name; required for production."),
    click.option("--experiment", default="", metavar="SLUG", show_default="the kit's, created there",
                 help="Experiment in MPIC."),
    click.option("--instrument", default="", metavar="SLUG", show_default="the experiment's",
                 help="Instrument in MPIC."),
    click.option("--intake", default="", metavar="URL", help="Address of another intake, on a host of the target."),
    click.option("--mpic", default="", metavar="URL", help="Address of another MPIC, on a host of the target."),
    click.option("--wiki-url", default="", metavar="URL", help="Address of another wiki, on a host of the target."),
    click.option("--accounts", type=click.Path(path_type=Path), metavar="FILE", show_default="the testbed's",
                 help="Test accounts of the wiki."),
)  # fmt: skip


#: Key in a command's context: whether metrics are sent.
_TELEMETRY = "dogfood.telemetry"


def _send_telemetry(context: click.Context, _: click.Parameter, enabled: bool) -> None:
    """Switch on metrics in Locust, which inherits the environment, and at the end of the run."""
    if enabled:
        # Fails now, and not after the run, when the optional packages are missing.
        import dogfood.metrics.otel  # noqa: F401

        os.environ["LOCUST_ENABLE_OPENTELEMETRY"] = "true"
        context.meta[_TELEMETRY] = True


@click.command(epilog=EXIT_CODES)
@TESTBED
@RUNS
@traffic_options
@systems_options
@click.option("--fidelity", "fidelities", metavar="LIST", default=Fidelity.SYNTHETIC.value, show_default=True,
              callback=read_fidelities,
              help="Sources of events, with commas: synthetic (rendered by the kit), wiki (HTTP sessions), browser.",
              )  # fmt: skip
@click.option("--hasty", is_flag=True, help="Send as browsers do: the intake answers 202 before it validates.")
@click.option("--batch", type=Count(1, 1000), metavar="EVENTS", default=1, show_default=True,
              help="Maximum events per request.")  # fmt: skip
@click.option("--max-connections", cls=RenamedOption, old="--users", type=Count(1, 60_000), metavar="NUMBER",
              default=1000, show_default=True, help="Maximum concurrent requests per worker.")  # fmt: skip
@click.option("--workers", type=Count(1, 64), metavar="PROCESSES", default=1, show_default=True,
              help="Locust worker processes.")  # fmt: skip
@click.option("--sessions", type=Count(1, 1_000_000), metavar="ACCOUNTS", default=WIKI_ACCOUNTS, show_default=True,
              help="Accounts that visit the wiki without a browser.")  # fmt: skip
@click.option("--browsers", type=Count(1, 10_000), metavar="ACCOUNTS", default=9, show_default=True,
              help="Accounts that visit the wiki in a browser.")  # fmt: skip
@table_options
@click.option("--otel", is_flag=True, callback=_send_telemetry, expose_value=False,
              help="Send metrics by OpenTelemetry, to $OTEL_EXPORTER_OTLP_ENDPOINT.")  # fmt: skip
def run(
    folder: Path,
    runs: Path,
    fidelities: tuple[Fidelity, ...],
    max_connections: int,
    workers: int,
    sessions: int,
    browsers: int,
    accounts: Path | None,
    table: str,
    metastore: str,
    warehouse: str,
    **traffic: object,
) -> None:
    """Make one run: start the testbed, create the experiment, send traffic, fill the table, judge."""
    options = TrafficOptions(**traffic)  # type: ignore[arg-type]
    browser, choice = BrowserOptions(users=browsers), chosen_table(table, metastore, warehouse)
    run_and_report(
        RunRequest(
            runs, Testbed(folder), options, fidelities, max_connections, workers, sessions, browser, accounts, choice
        )
    )


def run_and_report(request: RunRequest) -> None:
    """Make the run, print its verdict, and end with its exit code."""
    console = new_console()
    folder, analysis = run_once(request, console)
    if click.get_current_context().meta.get(_TELEMETRY):
        from dogfood.metrics.otel import send

        send(RunMetrics(folder.parent, folder.name).samples)
    if analysis is None:
        console.print(
            f"sent; to judge it, fetch the rows: dogfood analyse {folder.name} --observed FILE", soft_wrap=True
        )
        sys.exit(Verdict.INCONCLUSIVE.exit_code)
    show(console, analysis)
    console.print(f"report: {folder / 'report.html'}", soft_wrap=True)
    sys.exit(analysis.verdict.exit_code)
