"""`dogfood capacity spike`: a sudden multiple of a rate, judged by the time to recover."""

from dataclasses import replace
from pathlib import Path

import click

from analysis.capacity.endurance import Endurance
from analysis.capacity.endurance import spike as judge_spike
from analysis.capacity.objectives import with_defaults
from analysis.capacity.step_reader import step_of, window_of
from analysis.capacity.steps import NextStep, Purpose, judge
from common.bounded_numbers import Duration, Number
from dogfood.capacity.measurement import Measurement
from dogfood.capacity.search import new_folder
from dogfood.commands.capacity.endurance import ENDURANCE_JSON, EXIT_CODES, RATE, run_endurance
from dogfood.commands.capacity.options import load_options, prepare
from run_record.load_report.report import LoadReport
from run_record.manifest import Manifest


@click.command(epilog=EXIT_CODES)
@RATE
@click.option("--height", type=Number(1, 100), metavar="FACTOR", default=5.0, show_default=True,
              help="Rate of the spike divided by --rate.")  # fmt: skip
@click.option("--before", type=Duration(2), default="20s", show_default=True, help="Time at --rate before the spike.")
@click.option("--width", type=Duration(1), default="10s", show_default=True, help="Length of the spike.")
@click.option("--duration", type=Duration(5), default="60s", show_default=True, help="Time at --rate after the spike.")
@click.option("--within", type=Duration(0), default="30s", show_default=True, help="Maximum time to recover.")
@load_options
@ENDURANCE_JSON
def spike(
    rate: float,
    height: float,
    before: int,
    width: int,
    duration: int,
    within: int,
    slos: tuple[str, ...],
    runs: Path,
    warm_up: int,
    as_json: bool,
    **options: object,
) -> None:
    """Send a sudden multiple of a rate; report how long until the objectives hold again."""
    objectives = with_defaults(slos)
    systems, generator = prepare(options)
    systems.target.ceilings.check(systems.target.name, rate=rate * height)
    start = warm_up + before
    generator = replace(generator, shape=f"spike:{height:g},{start}s,{width}s")
    folder = new_folder(runs, "spike")

    def run_and_judge(measure: Measurement) -> Endurance:
        whole = before + width + duration
        step_plan = NextStep(Purpose.SPIKE, rate, whole)
        with measure.watch() as watch:
            run = measure.play(step_plan)
        load, start_s = LoadReport.read(run), (Manifest.read(run).started_ms or 0) / 1000 + warm_up
        step = step_of(load, step_plan, warm_up, server_cpu=watch.cores(start_s, start_s + whole), run=str(run))
        windows = window_of(load, warm_up, whole)
        return judge_spike(judge(step, objectives), windows, objectives, (start, start + width), within)

    settings = {"rate": rate, "height": height, "before_s": before, "width_s": width, "after_s": duration}
    run_endurance(folder, systems, generator, warm_up, run_and_judge, objectives, settings, as_json=as_json)
