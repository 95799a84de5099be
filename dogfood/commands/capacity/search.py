"""`dogfood capacity search`: the highest rate that the platform sustains."""

import math
import sys
from pathlib import Path

import click
from rich.text import Text

from analysis.capacity.conclusion import CapacityReport
from analysis.capacity.conclusion_report import junit, render, to_json
from analysis.capacity.objectives import with_defaults
from analysis.capacity.search import SearchSettings
from common.atomic_write import atomic_write
from dogfood.capacity.display import Display, show
from dogfood.capacity.generator import LocustGenerator
from dogfood.capacity.measurement import Measurement
from dogfood.capacity.search import Systems, new_folder
from dogfood.capacity.search import search as run_search
from dogfood.commands.capacity.options import ended_by_signals, prepare, same_command_line
from dogfood.commands.capacity.search_options import EXIT_CODES, search_options
from dogfood.console import new_console

#: First rate without --require, in events per second.
_START_RATE = 25.0

#: The first rate is --require divided by this.
_START_DIVISOR = 8


@click.command(epilog=EXIT_CODES)
@search_options
def search(
    require: float | None,
    duration: int,
    step: int | None,
    windows: int,
    start: float | None,
    max_rate: float,
    tolerance: float,
    junit_to: Path | None,
    as_json: bool,
    slos: tuple[str, ...],
    runs: Path,
    warm_up: int,
    **options: object,
) -> None:
    """Raise the rate until an objective breaks, bisect, and confirm the highest rate in several windows."""
    objectives = with_defaults(slos)
    systems, generator = prepare(options)
    ceiling = min(max_rate, systems.target.ceilings.rate)
    settings = SearchSettings(
        start=min(start or (require / _START_DIVISOR if require else _START_RATE), ceiling),
        ceiling=ceiling, require=require, precision=tolerance, windows=windows, hold_s=duration,
        probe_s=step or max(2, math.ceil(duration / 3)),
    )  # fmt: skip
    folder = new_folder(runs, "capacity")
    console = new_console(stderr=as_json)
    console.print(Text.assemble("capacity check ", (folder.name, "bold"), f" of {systems.target.intake}"))
    with ended_by_signals(), Display(console) as display:
        measure = Measurement(
            generator, folder / "steps", systems.target, warm_up, systems.pids, systems.reconcile, display.progress
        )
        report = run_search(settings, objectives, measure, display.step, lost_matters=_lost_matters(systems, slos))
    setting = _setting(systems, generator, settings, warm_up)
    _write(folder, report, setting, junit_to)
    if as_json:
        click.echo(to_json(report, setting), nl=False)
    else:
        show(console, report)
        console.print(f"report: {folder / 'report.html'}", soft_wrap=True)
    sys.exit(report.result.exit_code)


def _lost_matters(systems: Systems, slos: tuple[str, ...]) -> bool:
    """Return whether a PASS requires a count of lost events: where rows can be read, or an objective names it."""
    return systems.reconcile is not None or any(text.strip().startswith("lost") for text in slos)


def _setting(systems: Systems, generator: LocustGenerator, settings: SearchSettings, warm_up: int) -> dict[str, object]:
    return {
        "target": systems.target.name, "intake": systems.target.intake, "pace": generator.pace,
        "batch": generator.batch,
        "hasty": generator.hasty, "workers": generator.workers, "generation": generator.generation,
        "seed": generator.seed, "start": settings.start, "ceiling": settings.ceiling, "precision": settings.precision,
        "windows": settings.windows, "hold_s": settings.hold_s, "probe_s": settings.probe_s, "settle_s": warm_up,
        "server_watched": bool(systems.pids),
    }  # fmt: skip


def _write(folder: Path, report: CapacityReport, setting: dict[str, object], junit_to: Path | None) -> None:
    suite = junit(report, folder.name)
    atomic_write(folder / "capacity.json", to_json(report, setting))
    atomic_write(folder / "report.html", render(report, folder.name, setting, same_command_line()).encode())
    for path in filter(None, (folder / "junit.xml", junit_to)):
        atomic_write(path, suite)
