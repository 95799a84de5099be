"""`dogfood watch`: the events of a stream, or of a run, as they arrive."""

import math
import re
import sys
from pathlib import Path

import click

from analysis.live_monitor import LiveMonitor
from analysis.run_model.own_events import OwnEvents
from analysis.run_model.participants import chosen_subjects
from common.bounded_numbers import LONGEST_S, Count, Number
from common.durations import UNIT_SECONDS
from dogfood.commands.options import AS_JSON, RUNS, TESTBED, complete_run
from dogfood.testbed_control.services import Testbed
from dogfood.watch.event_filter import EventFilter, parse_filter
from dogfood.watch.event_source import open_source
from dogfood.watch.run_monitor import RunEvents, first_event_time, monitor_run
from dogfood.watch.stream_tail import StopCondition, tail_stream
from personas.plan.plan import Plan
from personas.plan.settings import PlanSettings
from run_record.manifest import Manifest
from run_record.roster import read_roster
from run_record.run_folder import LATEST, find_run

#: The stream of the kit's own experiment.
STREAM = "product_metrics.web_base"


def _duration(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    """Return a duration such as `10s` in seconds."""
    if value is None:
        return None
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h)", value)
    seconds = float(match[1]) * UNIT_SECONDS[match[2]] if match else math.inf
    if seconds > LONGEST_S:
        raise click.BadParameter("has to be a number and ms, s, m or h, such as 10s, and at most a year")
    return seconds


@click.command(epilog="Exit codes: 0 ended, 1 sample ratio mismatch (with --srm), 2 wrong use.")
@click.argument("name", metavar="[RUN]", required=False, shell_complete=complete_run)
@RUNS
@TESTBED
@click.option("--stream", default="", metavar="NAME", show_default=f"the run's, or {STREAM}", help="Stream to read.")
@click.option("--kafka", default="", envvar="DOGFOOD_KAFKA", metavar="HOST:PORT",
              help="Bootstrap servers of a Kafka to read from instead.")  # fmt: skip
@click.option("--observed", type=click.Path(path_type=Path, exists=True), metavar="PATH", multiple=True,
              help="Growing NDJSON file, or folder of them, to read instead. Repeatable.")  # fmt: skip
@click.option("--filter", "filters", multiple=True, metavar="FIELD=VALUE",
              help="Show only matching events; dots lead to members, != excludes. Repeatable: all have to match.",
              )  # fmt: skip
@click.option("--from-beginning", is_flag=True,
              help="Begin with existing events, as RUN, --observed and --once do; otherwise with new ones.",
              )  # fmt: skip
@click.option("--for", "seconds", callback=_duration, metavar="DURATION",
              help="Time after which to end, such as 500ms, 10s, 5m or 1h.")  # fmt: skip
@click.option("--count", type=Count(1), metavar="EVENTS", help="Number of events after which to end.")
@click.option("--srm", is_flag=True, help="Test the sample ratio at every refresh; valid however often it is tested.")
@click.option("--alpha", type=Number(0, 0.5, min_open=True), metavar="LEVEL", default=0.05, show_default=True,
              help="Level of the sample ratio test, over all refreshes together.")  # fmt: skip
@click.option("--every", type=Number(0.1, 86_400), metavar="SECONDS", default=1.0, show_default=True,
              help="Time between refreshes.")  # fmt: skip
@click.option("--once", is_flag=True, help="Read existing events once, and end.")
@AS_JSON
def watch(
    name: str | None,
    runs: Path,
    folder: Path,
    stream: str,
    kafka: str,
    observed: tuple[Path, ...],
    filters: tuple[str, ...],
    from_beginning: bool,
    seconds: float | None,
    count: int | None,
    srm: bool,
    alpha: float,
    every: float,
    once: bool,
    as_json: bool,
) -> None:
    """Tail a stream, or watch a RUN: its events, subjects of each group, and the sample ratio.

    With --srm, RUN defaults to the latest run.
    """
    event_filters = tuple(parse_filter(text) for text in filters)
    stop = StopCondition(seconds, count, once=once)
    testbed = Testbed(folder)
    if name is None and not srm:
        source = open_source(testbed, observed, kafka, stream or STREAM, must_exist=once)
        if not (from_beginning or once or observed):
            source.skip()
        tail_stream(source, event_filters, stop, every, as_json=as_json)
        return
    run = find_run(runs, name or LATEST)
    monitor, events = _open_run(run, testbed, observed, kafka, stream, event_filters)
    last = monitor_run(run, monitor, events, stop, every, alpha if srm else None, as_json=as_json)
    sys.exit(int(srm and last.p_value <= alpha))


def _open_run(
    run: Path, testbed: Testbed, observed: tuple[Path, ...], kafka: str, stream: str, filters: tuple[EventFilter, ...]
) -> tuple[LiveMonitor, RunEvents]:
    """Return the monitor of a run, and the source of its events."""
    manifest = Manifest.read(run)
    plan = Plan(PlanSettings.from_json(manifest.plan))
    monitor = LiveMonitor(plan, chosen_subjects(plan, manifest.generation, read_roster(run)))
    source = open_source(testbed, observed, kafka, stream or manifest.stream, must_exist=True)
    return monitor, RunEvents(source, OwnEvents(run, plan), first_event_time(manifest), filters)
