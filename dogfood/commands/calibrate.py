"""`dogfood calibrate`: do browsers' events and synthetic ones differ in shape?"""

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
@click.option("--against", type=click.Path(path_type=Path), help="NDJSON of captured events to compare as well.")
@AS_JSON
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
            say(
                f"{source}: {len(found.differences)} differences between {found.real:,} events of browsers and "
                f"{found.synthetic:,} synthetic ones"
            )
            for difference in found.differences:
                say(f"  {difference}")
            for gap in found.gaps:
                say(f"  (a gap of the client's own: {gap})")
    sys.exit(any(found.differences for found in results.values()))
