"""`dogfood capacity soak` and `dogfood capacity spike`: hours at one rate, and a sudden multiple of it."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click
from rich.text import Text

from analysis.capacity.endurance import Endurance, cut_short
from analysis.capacity.endurance import soak as judge_soak
from analysis.capacity.endurance import spike as judge_spike
from analysis.capacity.endurance_report import render, to_json
from analysis.capacity.objectives import Objective, with_defaults
from analysis.capacity.step_reader import step_of, window_of
from analysis.capacity.steps import NextStep, Purpose, judge
from common.atomic_write import atomic_write
from common.bounded_numbers import MOST_RATE, Duration, Number
from dogfood.capacity.display import Display, verdict
from dogfood.capacity.generator import Interrupted, LocustGenerator
from dogfood.capacity.measurement import Measurement
from dogfood.capacity.search import Systems, new_folder
from dogfood.commands.capacity.options import ended_by_signals, load_options, prepare, same_command_line
from dogfood.console import new_console, say
from run_record.load_report.report import LoadReport
from run_record.manifest import Manifest

_RATE = click.option("--rate", type=Number(0.5, MOST_RATE), required=True, help="Events a second.")
_CODES = "Exit codes: 0 PASS, 1 FAIL, 2 wrong use, 3 INCONCLUSIVE (also when ended by hand), 4 INVALID (the generator)."
_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")


@click.command(epilog=_CODES)
@_RATE
@click.option("--duration", type=Duration(2), default="1h", show_default=True, help="How long the rate is held.")
@load_options
@_AS_JSON
def soak(
    rate: float, duration: int, slos: tuple[str, ...], runs: Path, settle: int, as_json: bool, **options: object
) -> None:
    """Hold a rate for hours: does latency drift, does memory leak, is anything lost?"""
    objectives = with_defaults(slos)
    systems, generator = prepare(options)
    folder = new_folder(runs, "soak")

    def found(measure: Measurement) -> Endurance:
        early = False
        with measure.watch() as watch:
            try:
                run = measure.play(NextStep(Purpose.SOAK, rate, duration))
            except Interrupted as stopped:
                run, early = stopped.run, True
        load = LoadReport.read(run)
        # The last second of a run that was ended early is only a part of one.
        whole = max((window.second + (not early) for window in load.windows), default=0)
        held = min(duration, whole - settle)
        if held < 1:
            raise KeyboardInterrupt
        begun_s = (Manifest.read(run).started_ms or 0) / 1000 + settle
        lost = systems.reconcile(run).reconciliation["lost"] if systems.reconcile else None
        cores = watch.cores(begun_s, begun_s + held)
        step = step_of(load, NextStep(Purpose.SOAK, rate, held), settle, server_cpu=cores, lost=lost, run=str(run))
        memory = [(seen.at_s - begun_s, float(seen.memory)) for seen in watch.seen(begun_s, begun_s + held)]
        judged = judge_soak(judge(step, objectives), window_of(load, settle, held), memory)
        return cut_short(judged) if early else judged

    _run(folder, systems, generator, settle, found, objectives, {"rate": rate, "duration_s": duration}, as_json=as_json)


@click.command(epilog=_CODES)
@_RATE
@click.option("--height", type=Number(1, 100), default=5.0, show_default=True, help="Times the rate.")
@click.option("--before", type=Duration(2), default="20s", show_default=True, help="At the rate, before the spike.")
@click.option("--width", type=Duration(1), default="10s", show_default=True, help="Length of the spike.")
@click.option("--duration", type=Duration(5), default="60s", show_default=True, help="At the rate, after the spike.")
@click.option("--within", type=Duration(0), default="30s", show_default=True, help="It has to recover so soon.")
@load_options
@_AS_JSON
def spike(
    rate: float,
    height: float,
    before: int,
    width: int,
    duration: int,
    within: int,
    slos: tuple[str, ...],
    runs: Path,
    settle: int,
    as_json: bool,
    **options: object,
) -> None:
    """Send a sudden multiple of a rate: how long until the objectives hold again?"""
    objectives = with_defaults(slos)
    systems, generator = prepare(options)
    systems.target.ceilings.check(systems.target.name, rate=rate * height)
    start = settle + before
    generator = replace(generator, shape=f"spike:{height:g},{start}s,{width}s")
    folder = new_folder(runs, "spike")

    def found(measure: Measurement) -> Endurance:
        whole = before + width + duration
        move = NextStep(Purpose.SPIKE, rate, whole)
        with measure.watch() as watch:
            run = measure.play(move)
        load, begun_s = LoadReport.read(run), (Manifest.read(run).started_ms or 0) / 1000 + settle
        step = step_of(load, move, settle, server_cpu=watch.cores(begun_s, begun_s + whole), run=str(run))
        windows = window_of(load, settle, whole)
        return judge_spike(judge(step, objectives), windows, objectives, (start, start + width), within)

    more = {"rate": rate, "height": height, "before_s": before, "width_s": width, "after_s": duration}
    _run(folder, systems, generator, settle, found, objectives, more, as_json=as_json)


def _run(
    folder: Path,
    systems: Systems,
    generator: LocustGenerator,
    settle: int,
    find: Callable[[Measurement], Endurance],
    objectives: Sequence[Objective],
    more: Mapping[str, object],
    *,
    as_json: bool,
) -> None:
    """Measurement, write down what was found, show it, and end with its exit code."""
    console = new_console(stderr=as_json)
    console.print(Text.assemble((folder.name, "bold"), f" of {systems.target.intake}"))
    with ended_by_signals(), Display(console) as display:
        measure = Measurement(generator, folder / "steps", systems.target, settle, systems.pids, None, display.progress)
        try:
            found = find(measure)
        except KeyboardInterrupt:
            say(f"INCONCLUSIVE: ended by hand; what was sent until then is in {folder / 'steps'}", err=True)
            sys.exit(3)
    setting: dict[str, object] = {
        "target": systems.target.name, "intake": systems.target.intake, "pace": generator.pace,
        "batch": generator.batch, "hasty": generator.hasty, "workers": generator.workers, "seed": generator.seed,
        "settle_s": settle, "objectives": ", ".join(item.text for item in objectives), **more,
    }  # fmt: skip
    atomic_write(folder / "endurance.json", to_json(found, setting))
    atomic_write(folder / "report.html", render(found, folder.name, setting, same_command_line()).encode())
    if as_json:
        click.echo(to_json(found, setting), nl=False)
    else:
        for trend in found.trends:
            slope, low, high = trend.an_hour
            console.print(f"{trend.what}: {slope:+,.1f} {trend.unit}/h ({low:+,.1f} to {high:+,.1f})")
        verdict(console, found.result, found.sentence)
        console.print(f"report: {folder / 'report.html'}", soft_wrap=True)
    sys.exit(found.result.exit_code)
