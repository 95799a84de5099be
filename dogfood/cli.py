"""`dogfood`: the command line."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
import orjson
from rich.console import Console
from rich.table import Table

from analysis.results import Verdict
from analysis.shapes import calibrate as calibrate_run
from analysis.shapes import calibrate_against
from browser_scenarios.scenarios import SCENARIOS
from dogfood.assigning import assign_lines
from dogfood.commands.capacity import capacity
from dogfood.commands.completing import completion
from dogfood.commands.doctor import doctor
from dogfood.commands.faults import faults
from dogfood.commands.ingesting import chosen_table, ingest, table_options
from dogfood.commands.judging import analyse, checks, compare, power
from dogfood.commands.metrics import metrics
from dogfood.commands.opening import open_report
from dogfood.commands.options import EXIT_CODES, RUNS, TESTBED, complete_run
from dogfood.commands.watching import watch
from dogfood.examples import add_examples
from dogfood.fault_switches import switch_faults
from dogfood.metrics.watching import Watched
from dogfood.run import BrowserOptions, RunRequest
from dogfood.run import run as run_once
from dogfood.seeding import WIKI_ACCOUNTS, furnish
from dogfood.services import ALL_NAMES, NAMES, Testbed, WikiOptions
from dogfood.streaming import StreamKind, chosen
from dogfood.terminal import show
from dogfood.tickets.command import tickets
from metrics_platform.assignment import Generation
from metrics_platform.errors import DogfoodError
from personas.plan import Plan
from personas.settings import PlanSettings
from run_record.folder import LATEST, find_run
from run_record.manifest import Manifest
from run_record.roster import Fidelity
from run_record.target import Target
from traffic.options import TrafficOptions, new_settings

F = TypeVar("F", bound=Callable[..., object])


def _traffic_options(command: F) -> F:
    """Add the options that decide which events are made."""
    for option in reversed(
        (
            click.option("--generation", type=click.Choice([str(item) for item in Generation]),
                         default=str(Generation.ALPHA), callback=lambda *found: Generation(found[-1]),
                         help="Release of the platform: assignment, schema, shapes."),
            click.option("--seed", type=click.IntRange(0), default=1, show_default=True,
                         help="The same seed and epoch make the same events."),
            click.option("--visitors", type=click.IntRange(1), default=20_000, show_default=True, help="Subjects."),
            click.option("--arrival-rate", type=click.FloatRange(0, min_open=True), default=300.0, show_default=True,
                         help="Visits that begin a second."),
            click.option("--time-scale", type=click.FloatRange(1), default=2000.0, show_default=True,
                         help="Dwell times and pauses are divided by this."),
            click.option("--epoch", type=click.IntRange(0), default=0, help="Milliseconds since 1970; default: now."),
            click.option("--wiki", default="testwiki", show_default=True,
                         help="Database name; selects the sample rate."),
            click.option("--aa", is_flag=True, help="An A/A run: every group clicks alike."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def _systems_options(command: F) -> F:
    """Add the options that say where the systems under test are."""
    for option in reversed(
        (
            click.option("--target", default="local", show_default=True, help="A file in targets/, or a path to one."),
            click.option("--confirm", default="", metavar="TARGET", help="The name again, of a production target."),
            click.option("--experiment", default="", help="Slug in MPIC; default: the kit's own, created there."),
            click.option("--instrument", default="", help="Slug in MPIC; default: the experiment's."),
            click.option("--intake", default="", help="Address of another intake, on a host that the target allows."),
            click.option("--mpic", default="", help="Address of another MPIC, on a host that the target allows."),
            click.option("--wiki-url", default="", help="Address of another wiki, on a host that the target allows."),
            click.option("--accounts", type=click.Path(path_type=Path),
                         help="File of the wiki's test accounts; default: the testbed's own."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="experiment-dogfood")
def cli() -> None:
    """Prove that an experiment's events end up, in the right group, as the right rows."""


@cli.command()
@TESTBED
@click.option("--mpic-port", type=click.IntRange(1, 65535), help="Default: 8086.")
@click.option("--intake-port", type=click.IntRange(1, 65535), help="Default: 8192.")
@click.option("--wiki-port", type=click.IntRange(1, 65535), help="Default: 8080.")
@click.option("--kafka-port", type=click.IntRange(1, 65535), help="Default: 9092.")
@click.option("--stream", type=click.Choice([str(kind) for kind in StreamKind]),
              help="What carries the stream: files, or a Kafka of the testbed's own. Kept; else segments.")  # fmt: skip
@click.option("--kafka", default="", envvar="DOGFOOD_KAFKA", show_envvar=True, metavar="HOST:PORT",
              help="Bootstrap servers of a Kafka that runs already, to use instead.")  # fmt: skip
@click.option("--only", type=click.Choice(ALL_NAMES), multiple=True, help="Start only this service. Repeatable.")
@click.option(
    "--mediawiki",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Unpacked MediaWiki 1.43 or newer; default: Debian's package, unpacked.",
)
@click.option(
    "--extensions",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Clones of the real extensions, to use instead of the testbed's own.",
)
@click.option("--intake", default="", help="Address of an intake that is running already, for the wiki's events.")
@click.option("--fault", "faults", multiple=True, metavar="ID[,ID]",
              help="Let something go wrong: an id of the catalogue (`dogfood faults --list`). Repeatable.")  # fmt: skip
def up(
    folder: Path,
    faults: tuple[str, ...],
    stream: str | None,
    kafka: str,
    only: tuple[str, ...],
    mediawiki: Path | None,
    extensions: Path | None,
    intake: str,
    **ports: int | None,
) -> None:
    """Start the testbed: MPIC, the intake and TestWiki, and Kafka if asked for, on this machine only."""
    asked = {name.removesuffix("_port"): port for name, port in ports.items() if port is not None}
    testbed = Testbed(folder, WikiOptions(mediawiki, extensions, intake))
    switch_faults(testbed, [name.strip() for word in faults for name in word.split(",") if name.strip()])
    choice = chosen(stream, kafka)
    if choice is not None:
        testbed.use_stream(choice)
    if "kafka" in only and not testbed.stream.own_broker:
        raise DogfoodError(f"the testbed in {folder} has no Kafka of its own: add --stream kafka")
    testbed.up(asked, only or NAMES)
    furnish(testbed)
    _show_status(testbed, as_json=False)


@cli.command()
@TESTBED
def down(folder: Path) -> None:
    """Stop the testbed, and switch its faults off. Its data stays."""
    testbed = Testbed(folder)
    stopped = testbed.down()
    switch_faults(testbed, ())
    click.echo(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")


@cli.command()
@TESTBED
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def status(folder: Path, as_json: bool) -> None:
    """Show which services run, on which port, healthy or not."""
    _show_status(Testbed(folder), as_json=as_json)


def _show_status(testbed: Testbed, *, as_json: bool) -> None:
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
            state.name, f"[{colour}]{state.health}[/]", state.address or "–", str(state.pid or "–"), state.log or "–"
        )
    console = Console()
    console.print(table)
    if testbed.faults:
        console.print(f"[red]switched on to go wrong:[/] {', '.join(testbed.faults)}")


#: Key of what a command's context remembers: that metrics are to be sent.
_TELEMETRY = "dogfood.telemetry"


def _fidelities(_: click.Context, __: click.Parameter, value: str) -> tuple[Fidelity, ...]:
    try:
        asked = {Fidelity(word.strip()) for word in value.split(",")}
    except ValueError:
        raise click.BadParameter(f"name one or more of {', '.join(Fidelity)}, joined by commas") from None
    return tuple(fidelity for fidelity in Fidelity if fidelity in asked)


def _send_telemetry(context: click.Context, _: click.Parameter, asked: bool) -> None:
    """Let Locust, which inherits the environment, and the end of the run send metrics."""
    if asked:
        # Says so at once when the optional packages are not there.
        import dogfood.metrics.otel  # noqa: F401

        os.environ["LOCUST_ENABLE_OPENTELEMETRY"] = "true"
        context.meta[_TELEMETRY] = True


@cli.command(epilog=EXIT_CODES)
@TESTBED
@RUNS
@_traffic_options
@_systems_options
@click.option("--fidelity", "fidelities", default=Fidelity.SYNTHETIC.value, show_default=True, callback=_fidelities,
              help="Who makes the events: synthetic (the kit), wiki (sessions), browser; with commas.")  # fmt: skip
@click.option("--hasty", is_flag=True, help="Send as browsers do: answered 202 before validation.")
@click.option("--batch", type=click.IntRange(1, 1000), default=1, show_default=True, help="Most events in one request.")
@click.option(
    "--users",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="Requests under way at once, at most, of a worker.",
)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Locust processes.")
@click.option(
    "--sessions",
    type=click.IntRange(1),
    default=WIKI_ACCOUNTS,
    show_default=True,
    help="Accounts that visit the wiki without a browser.",
)
@click.option("--browsers", type=click.IntRange(1), default=9, show_default=True, help="Accounts that visit in one.")
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


@cli.command(epilog=EXIT_CODES)
@TESTBED
@RUNS
@_traffic_options
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
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Users, or funnels, where a scenario leaves that open.",
)
@click.option("--concurrency", type=click.IntRange(1, 32), default=3, show_default=True, help="Sessions at once.")
@click.option("--headed", is_flag=True, help="Show the browser's windows.")
def browse(
    folder: Path,
    runs: Path,
    scenarios: tuple[str, ...],
    users: int,
    concurrency: int,
    headed: bool,
    accounts: Path | None,
    **traffic: object,
) -> None:
    """Play scenarios in real browsers, as a run of their own."""
    options = TrafficOptions(**traffic)  # type: ignore[arg-type]
    browser = BrowserOptions(scenarios, users, concurrency, headed)
    _run(
        RunRequest(runs, Testbed(folder), options, (Fidelity.BROWSER,), browser=browser, accounts=accounts),
    )


def _run(request: RunRequest) -> None:
    console = Console()
    where, analysis = run_once(request, console)
    if click.get_current_context().meta.get(_TELEMETRY):
        from dogfood.metrics.otel import send

        send(Watched(where.parent, where.name).readings)
    if analysis is None:
        console.print(
            f"sent; to judge it, fetch the rows: dogfood analyse {where.name} --observed FILE", soft_wrap=True
        )
        sys.exit(Verdict.INCONCLUSIVE.exit_code)
    show(console, analysis)
    console.print(f"report: {where / 'report.html'}", soft_wrap=True)
    sys.exit(analysis.verdict.exit_code)


@cli.command(epilog="Exit codes: 0 alike, 1 different, 2 wrong use.")
@click.argument("name", metavar="[RUN]", default=LATEST, shell_complete=complete_run)
@RUNS
@click.option("--against", type=click.Path(path_type=Path), help="NDJSON of captured events to compare as well.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def calibrate(name: str, runs: Path, against: Path | None, as_json: bool) -> None:
    """Compare the shape of the events that browsers sent in a RUN (default: the latest) with synthetic ones."""
    where = find_run(runs, name)
    results = {where.name: calibrate_run(where)}
    if against is not None:
        settings = PlanSettings.from_json(Manifest.read(where).plan)
        results[against.name] = calibrate_against(against, settings)
    if as_json:
        click.echo(orjson.dumps(results, option=orjson.OPT_INDENT_2))
    else:
        for source, found in results.items():
            click.echo(
                f"{source}: {len(found.differences)} differences between {found.real:,} events of browsers and "
                f"{found.synthetic:,} synthetic ones"
            )
            for difference in found.differences:
                click.echo(f"  {difference}")
            for gap in found.gaps:
                click.echo(f"  (a gap of the client's own: {gap})")
    sys.exit(any(found.differences for found in results.values()))


@cli.command()
def assign() -> None:
    """Add hash, in_sample, group and subject_id to NDJSON of {generation, user_id, experiment, groups, rate}."""
    for line in assign_lines(sys.stdin.buffer):
        sys.stdout.buffer.write(line)


@cli.command()
@click.argument("name", metavar="[RUN]", required=False, shell_complete=complete_run)
@RUNS
@_traffic_options
def events(name: str | None, runs: Path, **traffic: object) -> None:
    """Print the events of a RUN, or of the options, as NDJSON: what is sent, byte for byte."""
    if name:
        settings = PlanSettings.from_json(Manifest.read(find_run(runs, name)).plan)
    else:
        options = TrafficOptions(**traffic)  # type: ignore[arg-type]
        settings = new_settings(options, Target.read("local"))
    for event in Plan(settings).events(0, settings.visitors):
        sys.stdout.buffer.write(event.body + b"\n")


for _command in (
    ingest,
    analyse,
    capacity,
    compare,
    checks,
    faults,
    power,
    watch,
    open_report,
    metrics,
    doctor,
    completion,
    tickets,
):
    cli.add_command(_command)

add_examples(cli)


def main() -> None:
    """Run the command line; an error a user can put right becomes one line and its exit code."""
    try:
        cli()
    except DogfoodError as error:
        see = f" (see {error.page})" if error.page else ""
        click.echo(f"error: {error}{see}", err=True)
        sys.exit(error.exit_code)
