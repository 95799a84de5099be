"""`dogfood capacity soak`: hours at one rate, judged by latency drift, memory growth and losses."""

from pathlib import Path

import click

from analysis.capacity.endurance import Endurance, cut_short
from analysis.capacity.endurance import soak as judge_soak
from analysis.capacity.objectives import with_defaults
from analysis.capacity.step_reader import step_of, window_of
from analysis.capacity.steps import NextStep, Purpose, judge
from common.bounded_numbers import Duration
from dogfood.capacity.generator import Interrupted
from dogfood.capacity.measurement import Measurement
from dogfood.capacity.search import new_folder
from dogfood.commands.capacity.endurance import ENDURANCE_JSON, EXIT_CODES, RATE, run_endurance
from dogfood.commands.capacity.options import load_options, prepare
from run_record.load_report.report import LoadReport
from run_record.manifest import Manifest


@click.command(epilog=EXIT_CODES)
@RATE
@click.option("--duration", type=Duration(2), default="1h", show_default=True, help="Time at the rate.")
@load_options
@ENDURANCE_JSON
def soak(
    rate: float, duration: int, slos: tuple[str, ...], runs: Path, warm_up: int, as_json: bool, **options: object
) -> None:
    """Hold a rate for hours; report latency drift, memory growth and losses."""
    objectives = with_defaults(slos)
    systems, generator = prepare(options)
    folder = new_folder(runs, "soak")

    def run_and_judge(measure: Measurement) -> Endurance:
        early = False
        with measure.watch() as watch:
            try:
                run = measure.play(NextStep(Purpose.SOAK, rate, duration))
            except Interrupted as stopped:
                run, early = stopped.run, True
        load = LoadReport.read(run)
        # The last second of an interrupted run is incomplete.
        whole = max((window.second + (not early) for window in load.windows), default=0)
        held = min(duration, whole - warm_up)
        if held < 1:
            raise KeyboardInterrupt
        start_s = (Manifest.read(run).started_ms or 0) / 1000 + warm_up
        lost = systems.reconcile(run).reconciliation["lost"] if systems.reconcile else None
        cores = watch.cores(start_s, start_s + held)
        step = step_of(load, NextStep(Purpose.SOAK, rate, held), warm_up, server_cpu=cores, lost=lost, run=str(run))
        memory = [(usage.at_s - start_s, float(usage.memory)) for usage in watch.usages(start_s, start_s + held)]
        judged = judge_soak(judge(step, objectives), window_of(load, warm_up, held), memory)
        return cut_short(judged) if early else judged

    settings = {"rate": rate, "duration_s": duration}
    run_endurance(folder, systems, generator, warm_up, run_and_judge, objectives, settings, as_json=as_json)
