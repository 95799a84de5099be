"""What `capacity soak` and `capacity spike` share: options, the measurement, its files and its output."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click
from rich.text import Text

from analysis.capacity.endurance import Endurance
from analysis.capacity.endurance_report import render, to_json
from analysis.capacity.objectives import Objective
from common.atomic_write import atomic_write
from common.bounded_numbers import MOST_RATE, Number
from dogfood.capacity.display import Display, show_verdict
from dogfood.capacity.generator import LocustGenerator
from dogfood.capacity.measurement import Measurement
from dogfood.capacity.search import Systems
from dogfood.commands.capacity.options import ended_by_signals, same_command_line
from dogfood.console import new_console, say

RATE = click.option(
    "--rate", type=Number(0.5, MOST_RATE), metavar="PER_SECOND", required=True, help="Rate, in events per second."
)
EXIT_CODES = (
    "Exit codes: 0 PASS, 1 FAIL, 2 wrong use, 3 INCONCLUSIVE (also when interrupted), 4 INVALID (the generator)."
)
ENDURANCE_JSON = click.option("--json", "as_json", is_flag=True, help="Print endurance.json.")


def run_endurance(
    folder: Path,
    systems: Systems,
    generator: LocustGenerator,
    warm_up_s: int,
    run_and_judge: Callable[[Measurement], Endurance],
    objectives: Sequence[Objective],
    settings: Mapping[str, object],
    *,
    as_json: bool,
) -> None:
    """Measure, write the result and its report, show it, and end with its exit code."""
    console = new_console(stderr=as_json)
    console.print(Text.assemble((folder.name, "bold"), f" of {systems.target.intake}"))
    with ended_by_signals(), Display(console) as display:
        measure = Measurement(
            generator, folder / "steps", systems.target, warm_up_s, systems.pids, None, display.progress
        )
        try:
            endurance = run_and_judge(measure)
        except KeyboardInterrupt:
            say(f"INCONCLUSIVE: interrupted; events sent until then are in {folder / 'steps'}", err=True)
            sys.exit(3)
    setting: dict[str, object] = {
        "target": systems.target.name, "intake": systems.target.intake, "pace": generator.pace,
        "batch": generator.batch, "hasty": generator.hasty, "workers": generator.workers, "seed": generator.seed,
        "settle_s": warm_up_s, "objectives": ", ".join(item.text for item in objectives), **settings,
    }  # fmt: skip
    atomic_write(folder / "endurance.json", to_json(endurance, setting))
    atomic_write(folder / "report.html", render(endurance, folder.name, setting, same_command_line()).encode())
    if as_json:
        click.echo(to_json(endurance, setting), nl=False)
    else:
        for trend in endurance.trends:
            slope, low, high = trend.an_hour
            console.print(f"{trend.what}: {slope:+,.1f} {trend.unit}/h ({low:+,.1f} to {high:+,.1f})")
        show_verdict(console, endurance.result, endurance.sentence)
        console.print(f"report: {folder / 'report.html'}", soft_wrap=True)
    sys.exit(endurance.result.exit_code)
