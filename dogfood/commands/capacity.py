"""`dogfood capacity`: the rate that the platform sustains, and whether that is enough."""

import math
import shlex
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import click
from click.core import ParameterSource
from rich.console import Console

from analysis.capacity.finding import Finding
from analysis.capacity.finding_report import junit, render, to_json
from analysis.capacity.objectives import with_defaults
from analysis.capacity.search import SearchSettings
from dogfood.capacity.checking import Systems, make_ready, new_folder
from dogfood.capacity.checking import search as run_search
from dogfood.capacity.generator import Generator
from dogfood.capacity.measuring import Measure
from dogfood.capacity.showing import Display, show
from dogfood.commands.capacity_plan import plan
from dogfood.commands.durations import Duration
from dogfood.commands.options import RUNS
from dogfood.services import Testbed
from metrics_platform.assignment import Generation
from run_record.files import write_whole

F = TypeVar("F", bound=Callable[..., object])

_EXIT_CODES = (
    "Exit codes: 0 PASS, 1 FAIL (not what is required), 2 wrong use, 3 INCONCLUSIVE (also when ended by hand), "
    "4 INVALID (the generator or the kit was at fault)."
)

#: The first rate when nothing is required, events a second.
_START = 25.0

#: The first rate, as a part of what is required.
_START_SHARE = 8

#: No rate above this is tried where the target sets no ceiling, events a second.
_MOST = 100_000.0


def load_options(command: F) -> F:
    """Add the options of all that make load: where it goes, and how it is made."""
    for option in reversed(
        (
            click.option("--target", default="local", show_default=True,
                         help="A file in targets/, or a path to one."),
            click.option("--confirm", default="", metavar="TARGET", help="The name again, of a production target."),
            click.option("--intake", default="", help="Address of another intake, on a host that the target allows."),
            click.option("--observed", type=click.Path(path_type=Path), multiple=True,
                         help="Rows that land elsewhere (NDJSON that grows, Parquet). Repeatable."),
            click.option("--server-pid", "pids", type=click.IntRange(1), multiple=True,
                         help="Process of the server to watch; the testbed's is known. Repeatable."),
            click.option("--testbed", "testbed", type=click.Path(path_type=Path, file_okay=False),
                         default=Path(".testbed"), show_default=True, envvar="DOGFOOD_TESTBED",
                         help="Folder of the testbed's files."),
            RUNS,
            click.option("--slo", "slos", multiple=True,
                         help="Objective: p50, p95, p99, max, errors or lost. Repeatable. "
                              "[default: p99=250ms errors=0.1% lost=0]"),
            click.option("--pace", type=click.Choice(["constant", "poisson"]), default="constant", show_default=True,
                         help="How events follow each other."),
            click.option("--batch", type=click.IntRange(1, 1000), default=1, show_default=True,
                         help="Events in one request."),
            click.option("--hasty", is_flag=True, help="Send as browsers do: answered 202 before validation."),
            click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True,
                         help="Locust processes."),
            click.option("--generation", type=click.Choice([str(item) for item in Generation]),
                         default=str(Generation.ALPHA), help="Release of the platform."),
            click.option("--seed", type=click.IntRange(0, 2**50), default=1, show_default=True,
                         help="Of the events; each step has one of its own."),
            click.option("--settle", type=Duration(0), default="3s", show_default=True,
                         help="Beginning of each step that does not count."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def _search_options(command: F) -> F:
    for option in reversed(
        (
            click.option("--require", type=click.FloatRange(0, min_open=True), help="Events a second that are needed."),
            click.option("--duration", type=Duration(2), default="30s", show_default=True,
                         help="Length of the windows that confirm."),
            click.option("--probe", type=Duration(2), help="Length of the others; default: a third of --duration."),
            click.option("--windows", type=click.IntRange(1, 20), default=3, show_default=True,
                         help="How many have to hold, one after the other."),
            click.option("--start", type=click.FloatRange(0.5), help="First rate; default: an eighth of --require."),
            click.option("--max-rate", type=click.FloatRange(0.5), default=_MOST, show_default=True,
                         help="No rate above this is tried."),
            click.option("--precision", type=click.FloatRange(0.001, 0.5), default=0.05, show_default=True,
                         help="How close the rates that held and broke have to come."),
            click.option("--junit", "junit_to", type=click.Path(path_type=Path, dir_okay=False),
                         help="Write the result as JUnit XML here as well."),
            click.option("--json", "as_json", is_flag=True, help="Print capacity.json."),
        )
    ):  # fmt: skip
        command = option(command)
    return load_options(command)


@click.group(invoke_without_command=True, epilog=_EXIT_CODES)
@_search_options
@click.pass_context
def capacity(context: click.Context, /, **options: object) -> None:
    """Find the rate that is sustained, and say whether it is enough: without a command, `search`."""
    if context.invoked_subcommand is None:
        context.invoke(search, **options)
    given = [name for name in options if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if context.invoked_subcommand is not None and given:
        raise click.UsageError(f"put options after the command: dogfood capacity {context.invoked_subcommand} …")


@capacity.command(epilog=_EXIT_CODES)
@_search_options
def search(
    require: float | None,
    duration: int,
    probe: int | None,
    windows: int,
    start: float | None,
    max_rate: float,
    precision: float,
    junit_to: Path | None,
    as_json: bool,
    slos: tuple[str, ...],
    runs: Path,
    settle: int,
    **options: object,
) -> None:
    """Grow until an objective breaks, bisect, and confirm on windows that are held."""
    objectives = with_defaults(slos)
    systems, generator = prepare(options)
    ceiling = min(max_rate, systems.target.ceilings.rate)
    settings = SearchSettings(
        start=min(start or (require / _START_SHARE if require else _START), ceiling),
        ceiling=ceiling, require=require, precision=precision, windows=windows, hold_s=duration,
        probe_s=probe or max(2, math.ceil(duration / 3)),
    )  # fmt: skip
    folder = new_folder(runs, "capacity")
    console = Console(stderr=as_json)
    console.print(f"capacity check [bold]{folder.name}[/] of {systems.target.intake}")
    with ended_by_signals(), Display(console) as display:
        measure = Measure(
            generator, folder / "steps", systems.target, settle, systems.pids, systems.reconcile, display.progress
        )
        finding = run_search(settings, objectives, measure, display.step, lost_matters=_lost_matters(systems, slos))
    setting = _setting(systems, generator, settings, settle)
    _write(folder, finding, setting, junit_to)
    if as_json:
        click.echo(to_json(finding, setting), nl=False)
    else:
        show(console, finding)
        console.print(f"report: {folder / 'report.html'}", soft_wrap=True)
    sys.exit(finding.result.exit_code)


def prepare(options: dict[str, object]) -> tuple[Systems, Generator]:
    """Return the systems, made ready, and the generator that *options* (of `load_options`) ask for."""
    systems = make_ready(
        Testbed(_path(options["testbed"])), str(options["target"]), str(options["intake"]), str(options["confirm"]),
        tuple(options["observed"]),  # type: ignore[arg-type]
    )  # fmt: skip
    systems = replace(systems, pids=(*systems.pids, *options["pids"]))  # type: ignore[misc]
    generator = Generator(
        intake=systems.target.intake, target=str(options["target"]), confirm=str(options["confirm"]),
        pace=str(options["pace"]), workers=int(str(options["workers"])), batch=int(str(options["batch"])),
        hasty=bool(options["hasty"]), generation=str(options["generation"]), seed=int(str(options["seed"])),
    )  # fmt: skip
    return systems, generator


class ended_by_signals:  # noqa: N801 (reads like a function where it is used)
    """While this lasts, SIGTERM ends a check as Ctrl-C does: what was measured is kept, and the generator stopped."""

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGTERM, signal.default_int_handler)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._before)


def again() -> str:
    """Return the command line, to repeat it."""
    return shlex.join(["dogfood", *sys.argv[1:]])


def _path(value: object) -> Path:
    return Path(str(value))


def _lost_matters(systems: Systems, slos: tuple[str, ...]) -> bool:
    """Tell whether a PASS needs the events to have been looked for: where that can be done, or was asked for."""
    return systems.reconcile is not None or any(text.strip().startswith("lost") for text in slos)


def _setting(systems: Systems, generator: Generator, settings: SearchSettings, settle: int) -> dict[str, object]:
    return {
        "target": systems.target.name, "intake": systems.target.intake, "pace": generator.pace,
        "batch": generator.batch,
        "hasty": generator.hasty, "workers": generator.workers, "generation": generator.generation,
        "seed": generator.seed, "start": settings.start, "ceiling": settings.ceiling, "precision": settings.precision,
        "windows": settings.windows, "hold_s": settings.hold_s, "probe_s": settings.probe_s, "settle_s": settle,
        "server_watched": bool(systems.pids),
    }  # fmt: skip


def _write(folder: Path, finding: Finding, setting: dict[str, object], junit_to: Path | None) -> None:
    suite = junit(finding, folder.name)
    write_whole(folder / "capacity.json", to_json(finding, setting))
    write_whole(folder / "report.html", render(finding, folder.name, setting, again()).encode())
    for path in filter(None, (folder / "junit.xml", junit_to)):
        write_whole(path, suite)


capacity.add_command(plan)
