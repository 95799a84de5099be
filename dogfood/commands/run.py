"""Commands that make runs: `run` and `browse`."""

import os
import sys
from pathlib import Path

import click

from analysis.verdict import Verdict
from browser_scenarios.scenarios import SCENARIOS
from common.bounded_numbers import Count
from dogfood.commands.ingest import chosen_table, table_options
from dogfood.commands.options import EXIT_CODES, RUNS, TESTBED, read_fidelities, together
from dogfood.commands.traffic_options import traffic_options
from dogfood.console import new_console
from dogfood.metrics.run_metrics import RunMetrics
from dogfood.run import run as run_once
from dogfood.run_request import BrowserOptions, RunRequest
from dogfood.terminal import show
from dogfood.testbed_control.seed import WIKI_ACCOUNTS
from dogfood.testbed_control.services import Testbed
from run_record.roster import Fidelity
from traffic.locust_run.options import TrafficOptions

#: The options that say where the systems under test are.
_systems_options = together(
    click.option("--target", default="local", show_default=True, help="A file in targets/, or a path to one."),
    click.option("--confirm", default="", metavar="TARGET", help="The name again, of a production target."),
    click.option("--experiment", default="", help="Slug in MPIC; default: the kit's own, created there."),
    click.option("--instrument", default="", help="Slug in MPIC; default: the experiment's."),
    click.option("--intake", default="", help="Address of another intake, on a host that the target allows."),
    click.option("--mpic", default="", help="Address of another MPIC, on a host that the target allows."),
    click.option("--wiki-url", default="", help="Address of another wiki, on a host that the target allows."),
    click.option("--accounts", type=click.Path(path_type=Path),
                 help="File of the wiki's test accounts; default: the testbed's own."),
)  # fmt: skip


#: Key of what a command's context remembers: that metrics are to be sent.
_TELEMETRY = "dogfood.telemetry"


def _send_telemetry(context: click.Context, _: click.Parameter, asked: bool) -> None:
    """Let Locust, which inherits the environment, and the end of the run send metrics."""
    if asked:
        # Says so at once when the optional packages are not there.
        import dogfood.metrics.otel  # noqa: F401

        os.environ["LOCUST_ENABLE_OPENTELEMETRY"] = "true"
        context.meta[_TELEMETRY] = True


@click.command(epilog=EXIT_CODES)
@TESTBED
@RUNS
@traffic_options
@_systems_options
@click.option("--fidelity", "fidelities", default=Fidelity.SYNTHETIC.value, show_default=True, callback=read_fidelities,
              help="Who makes the events: synthetic (the kit), wiki (sessions), browser; with commas.")  # fmt: skip
@click.option("--hasty", is_flag=True, help="Send as browsers do: answered 202 before validation.")
@click.option("--batch", type=Count(1, 1000), default=1, show_default=True, help="Most events in one request.")
@click.option(
    "--users",
    type=Count(1, 60_000),
    default=1000,
    show_default=True,
    help="Requests under way at once, at most, of a worker.",
)
@click.option("--workers", type=Count(1, 64), default=1, show_default=True, help="Locust processes.")
@click.option(
    "--sessions",
    type=Count(1, 1_000_000),
    default=WIKI_ACCOUNTS,
    show_default=True,
    help="Accounts that visit the wiki without a browser.",
)
@click.option("--browsers", type=Count(1, 10_000), default=9, show_default=True, help="Accounts that visit in one.")
@table_options
@click.option("--otel", is_flag=True, callback=_send_telemetry, expose_value=False,
              help="Send metrics by OpenTelemetry, to $OTEL_EXPORTER_OTLP_ENDPOINT.")  # fmt: skip
def run(
    folder: Path,
    runs: Path,
    fidelities: tuple[Fidelity, ...],
    users: int,
    workers: int,
    sessions: int,
    browsers: int,
    accounts: Path | None,
    table: str,
    metastore: str,
    warehouse: str,
    **traffic: object,
) -> None:
    """Make one run from beginning to end: testbed, experiment, traffic, ingestion, verdict."""
    options = TrafficOptions(**traffic)  # type: ignore[arg-type]
    browser, choice = BrowserOptions(users=browsers), chosen_table(table, metastore, warehouse)
    _run(RunRequest(runs, Testbed(folder), options, fidelities, users, workers, sessions, browser, accounts, choice))


@click.command(epilog=EXIT_CODES)
@TESTBED
@RUNS
@traffic_options
@_systems_options
@click.option(
    "--scenario",
    "scenarios",
    type=click.Choice(list(SCENARIOS)),
    multiple=True,
    help="Play only this one. Repeatable; default: all.",
)
@click.option(
    "--users",
    type=Count(1, 10_000),
    default=8,
    show_default=True,
    help="Users, or funnels, where a scenario leaves that open.",
)
@click.option("--concurrency", type=Count(1, 32), default=3, show_default=True, help="Sessions at once.")
@click.option("--journeys", type=Count(1, 1000), default=1, show_default=True,
              help="How often a user of the scenario ctr reads its pages (3 at most), in one session.")  # fmt: skip
@click.option("--headed", is_flag=True, help="Show the browser's windows.")
def browse(
    folder: Path,
    runs: Path,
    scenarios: tuple[str, ...],
    users: int,
    concurrency: int,
    journeys: int,
    headed: bool,
    accounts: Path | None,
    **traffic: object,
) -> None:
    """Play scenarios in real browsers, as a run of their own."""
    options = TrafficOptions(**traffic)  # type: ignore[arg-type]
    browser = BrowserOptions(scenarios, users, concurrency, headed, journeys)
    _run(
        RunRequest(runs, Testbed(folder), options, (Fidelity.BROWSER,), browser=browser, accounts=accounts),
    )


def _run(request: RunRequest) -> None:
    console = new_console()
    where, analysis = run_once(request, console)
    if click.get_current_context().meta.get(_TELEMETRY):
        from dogfood.metrics.otel import send

        send(RunMetrics(where.parent, where.name).readings)
    if analysis is None:
        console.print(
            f"sent; to judge it, fetch the rows: dogfood analyse {where.name} --observed FILE", soft_wrap=True
        )
        sys.exit(Verdict.INCONCLUSIVE.exit_code)
    show(console, analysis)
    console.print(f"report: {where / 'report.html'}", soft_wrap=True)
    sys.exit(analysis.verdict.exit_code)
