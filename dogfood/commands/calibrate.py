"""`dogfood calibrate`: differences in shape between browsers' events and synthetic events."""

import sys
from pathlib import Path

import click
import orjson

from analysis.calibration import calibrate as calibrate_run
from analysis.calibration import calibrate_against
from dogfood.commands.options import AS_JSON, RUNS, complete_run
from dogfood.console import say
from personas.plan.settings import PlanSettings
from run_record.manifest import Manifest
from run_record.run_folder import LATEST, find_run


@click.command(epilog="Exit codes: 0 alike, 1 different, 2 wrong use.")
@click.argument("name", metavar="[RUN]", default=LATEST, shell_complete=complete_run)
@RUNS
@click.option("--against", type=click.Path(path_type=Path), metavar="FILE",
              help="NDJSON of captured events to compare as well.")  # fmt: skip
@AS_JSON
def calibrate(name: str, runs: Path, against: Path | None, as_json: bool) -> None:
    """Compare the shape of browsers' events in a RUN (default: the latest) with synthetic events."""
    run = find_run(runs, name)
    results = {run.name: calibrate_run(run)}
    if against is not None:
        settings = PlanSettings.from_json(Manifest.read(run).plan)
        results[against.name] = calibrate_against(against, settings)
    if as_json:
        click.echo(orjson.dumps(results, option=orjson.OPT_INDENT_2))
    else:
        for source, calibration in results.items():
            say(
                f"{source}: {len(calibration.differences)} differences between {calibration.real:,} browser events and "
                f"{calibration.synthetic:,} synthetic events"
            )
            for difference in calibration.differences:
                say(f"  {difference}")
            for gap in calibration.gaps:
                say(f"  (a gap in the client itself: {gap})")
    sys.exit(any(calibration.differences for calibration in results.values()))
