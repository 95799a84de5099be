"""`dogfood events`: the events that a run sends, as NDJSON."""

import sys
from pathlib import Path

import click

from dogfood.commands.options import RUNS, complete_run
from dogfood.commands.traffic_options import traffic_options
from dogfood.console import reader_left
from personas.plan.plan import Plan
from personas.plan.settings import PlanSettings
from run_record.manifest import Manifest
from run_record.run_folder import find_run
from run_record.target import Target
from traffic.locust_run.options import TrafficOptions, new_settings


@click.command()
@click.argument("name", metavar="[RUN]", required=False, shell_complete=complete_run)
@RUNS
@traffic_options
def events(name: str | None, runs: Path, **traffic: object) -> None:
    """Print the events of a RUN, or of the options, as NDJSON, byte for byte as they are sent."""
    if name:
        settings = PlanSettings.from_json(Manifest.read(find_run(runs, name)).plan)
    else:
        options = TrafficOptions(**traffic)  # type: ignore[arg-type]
        settings = new_settings(options, Target.read("local"))
    for event in Plan(settings).events(0, settings.visitors):
        if reader_left():
            return
        sys.stdout.buffer.write(event.body + b"\n")
