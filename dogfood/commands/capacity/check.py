"""`dogfood capacity`: the rate that the platform sustains, and whether that is enough."""

import math
import sys
from pathlib import Path

import click
from click.core import ParameterSource
from rich.text import Text

from analysis.capacity.conclusion import CapacityReport
from analysis.capacity.conclusion_report import junit, render, to_json
from analysis.capacity.objectives import with_defaults
from analysis.capacity.search import SearchSettings
from common.atomic_write import atomic_write
from common.bounded_numbers import MOST_RATE, Count, Duration, Number
from dogfood.capacity.display import Display, show
from dogfood.capacity.generator import LocustGenerator
from dogfood.capacity.measurement import Measurement
from dogfood.capacity.search import Systems, new_folder
from dogfood.capacity.search import search as run_search
from dogfood.commands.capacity.endurance import soak, spike
from dogfood.commands.capacity.options import ended_by_signals, load_options, prepare, same_command_line
from dogfood.commands.capacity.plan import plan
from dogfood.commands.options import together
from dogfood.console import new_console

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


#: The options of a search.
_search_options = together(
    load_options,
    click.option("--require", type=Number(0, MOST_RATE, min_open=True), help="Events a second that are needed."),
    click.option("--duration", type=Duration(2), default="30s", show_default=True,
                 help="Length of the windows that confirm."),
    click.option("--probe", type=Duration(2), help="Length of the others; default: a third of --duration."),
    click.option("--windows", type=Count(1, 20), default=3, show_default=True,
                 help="How many have to hold, one after the other."),
    click.option("--start", type=Number(0.5, MOST_RATE), help="First rate; default: an eighth of --require."),
    click.option("--max-rate", type=Number(0.5, MOST_RATE), default=_MOST, show_default=True,
                 help="No rate above this is tried."),
    click.option("--precision", type=Number(0.001, 0.5), default=0.05, show_default=True,
                 help="How close the rates that held and broke have to come."),
    click.option("--junit", "junit_to", type=click.Path(path_type=Path, dir_okay=False),
                 help="Write the result as JUnit XML here as well."),
    click.option("--json", "as_json", is_flag=True, help="Print capacity.json."),
)  # fmt: skip


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
    console = new_console(stderr=as_json)
    console.print(Text.assemble("capacity check ", (folder.name, "bold"), f" of {systems.target.intake}"))
    with ended_by_signals(), Display(console) as display:
        measure = Measurement(
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


def _lost_matters(systems: Systems, slos: tuple[str, ...]) -> bool:
    """Tell whether a PASS needs the events to have been looked for: where that can be done, or was asked for."""
    return systems.reconcile is not None or any(text.strip().startswith("lost") for text in slos)


def _setting(systems: Systems, generator: LocustGenerator, settings: SearchSettings, settle: int) -> dict[str, object]:
    return {
        "target": systems.target.name, "intake": systems.target.intake, "pace": generator.pace,
        "batch": generator.batch,
        "hasty": generator.hasty, "workers": generator.workers, "generation": generator.generation,
        "seed": generator.seed, "start": settings.start, "ceiling": settings.ceiling, "precision": settings.precision,
        "windows": settings.windows, "hold_s": settings.hold_s, "probe_s": settings.probe_s, "settle_s": settle,
        "server_watched": bool(systems.pids),
    }  # fmt: skip


def _write(folder: Path, finding: CapacityReport, setting: dict[str, object], junit_to: Path | None) -> None:
    suite = junit(finding, folder.name)
    atomic_write(folder / "capacity.json", to_json(finding, setting))
    atomic_write(folder / "report.html", render(finding, folder.name, setting, same_command_line()).encode())
    for path in filter(None, (folder / "junit.xml", junit_to)):
        atomic_write(path, suite)


for _command in (plan, soak, spike):
    capacity.add_command(_command)
