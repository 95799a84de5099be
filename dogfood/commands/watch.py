"""`dogfood watch`: a stream, or a run, while it goes."""

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import click
import orjson
from rich.live import Live
from rich.table import Table
from rich.text import Text

from analysis.live_monitor import LiveMonitor, MonitorReading
from analysis.run_model.own_events import OwnEvents
from analysis.run_model.participants import chosen_subjects
from common.bounded_numbers import LONGEST_S, Count, Number
from common.durations import parse_seconds
from dogfood.commands.options import AS_JSON, RUNS, TESTBED, complete_run
from dogfood.commands.watch_stream import Until, tail_stream
from dogfood.console import new_console, reader_left
from dogfood.event_filter import EventFilter, matching, parse_filter
from dogfood.event_tail import Event, Source, observed_or_stream
from dogfood.testbed_control.services import Testbed
from personas.plan.plan import Plan
from personas.plan.settings import PlanSettings
from run_record.manifest import Manifest
from run_record.roster import read_roster
from run_record.run_folder import LATEST, find_run

#: The stream of the kit's own experiment.
STREAM = "product_metrics.web_base"

#: So many events are kept that no ledger names yet.
_MOST_UNKNOWN = 50_000

#: Events of a run may still be on their way so long after its traffic.
_SETTLE_S = 3.0


def _duration(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    """Return a duration such as `10s` in seconds."""
    if value is None:
        return None
    try:
        seconds = parse_seconds(value, needs_unit=True)
    except ValueError:
        seconds = math.inf
    if seconds > LONGEST_S:
        raise click.BadParameter("has to be a number and ms, s, m or h, such as 10s, and at most a year")
    return seconds


@click.command(epilog="Exit codes: 0 nothing was called, 1 the sample ratio was called (with --srm), 2 wrong use.")
@click.argument("name", metavar="[RUN]", required=False, shell_complete=complete_run)
@RUNS
@TESTBED
@click.option("--stream", default="", help=f"Which stream; default: the run's, or {STREAM}.")
@click.option("--kafka", default="", envvar="DOGFOOD_KAFKA", metavar="HOST:PORT",
              help="Bootstrap servers of a Kafka to read from instead.")  # fmt: skip
@click.option("--observed", type=click.Path(path_type=Path, exists=True), multiple=True,
              help="NDJSON file that grows, to read instead. Repeatable.")  # fmt: skip
@click.option("--filter", "filters", multiple=True, metavar="FIELD=VALUE",
              help="Only such events; dots lead to members, != excludes. Repeatable: all have to match.")  # fmt: skip
@click.option("--from-beginning", is_flag=True,
              help="Begin with what is there, as with a RUN, --observed and --once; else with what comes.")  # fmt: skip
@click.option("--for", "seconds", callback=_duration, metavar="10s", help="End after so long (ms, s, m, h).")
@click.option("--count", type=Count(1), help="End after so many events.")
@click.option("--srm", is_flag=True, help="Test the sample ratio at every look; valid however often one looks.")
@click.option("--alpha", type=Number(0, 0.5, min_open=True), default=0.05, show_default=True,
              help="Level at which the ratio is called, over all looks together.")  # fmt: skip
@click.option("--every", type=Number(0.1, 86_400), default=1.0, show_default=True, help="Seconds between looks.")
@click.option("--once", is_flag=True, help="MonitorReading once, at what is there.")
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
    """Tail a stream as its events come, or watch a RUN: events, subjects of each group, and the sample ratio.

    With --srm the latest run is watched where none is named.
    """
    chosen = tuple(parse_filter(text) for text in filters)
    until = Until(seconds, count, once=once)
    if name is None and not srm:
        source = observed_or_stream(Testbed(folder), observed, kafka, stream or STREAM, must_exist=once)
        if not (from_beginning or once or observed):
            source.skip()
        tail_stream(source, chosen, until, every, as_json=as_json)
        return
    run = find_run(runs, name or LATEST)
    manifest = Manifest.read(run)
    plan = Plan(PlanSettings.from_json(manifest.plan))
    watched = LiveMonitor(plan, chosen_subjects(plan, manifest.generation, read_roster(run)))
    source = observed_or_stream(Testbed(folder), observed, kafka, stream or manifest.stream, must_exist=True)
    ends = _ends(run, watched, until)
    own = _OwnOnly(source, OwnEvents(run, plan), _since(manifest), chosen)
    looks = _looks(watched, own.new_events, every, ends)
    try:
        last = _show_lines(looks, srm) if as_json else _show_live(looks, srm, alpha)
    except KeyboardInterrupt:
        last = watched.look()
    sys.exit(int(srm and last.p_value <= alpha))


def _since(manifest: Manifest) -> str:
    """Return the moment from which events may be the run's, as in `meta.dt`."""
    return datetime.fromisoformat(manifest.created).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _ends(run: Path, watched: LiveMonitor, until: Until) -> Callable[[], bool]:
    """Return what tells whether watching is over: the run is, or as long as was asked for has passed."""
    deadline = math.inf if until.seconds is None else time.monotonic() + until.seconds
    most = math.inf if until.events is None else until.events

    def ends() -> bool:
        finished = Manifest.read(run).finished_ms
        over = finished is not None and time.time() * 1000 > finished + _SETTLE_S * 1000
        return until.once or over or time.monotonic() >= deadline or watched.look().events >= most

    return ends


class _OwnOnly:
    """Reads the run's own events from a stream that others may share.

    Args:
        source: where events come from.
        own: the run's events, by its ledger.
        since: the moment from which events may be the run's, as in `meta.dt`.
        filters: all have to match.
    """

    def __init__(self, source: Source, own: OwnEvents, since: str, filters: tuple[EventFilter, ...]) -> None:
        self._source = source
        self._own = own
        self._since = since
        self._filters = filters
        # Ledgers of workers on other machines come a moment after their events.
        self._unknown: list[Event] = []

    def new_events(self) -> Iterator[Event]:
        """Yield the run's events that came since the last call."""
        fresh = [event for event in self._source.new_events() if self._may_be(event)]
        # Intents are written before the wire, so a ledger that is read after the stream names all that is in it.
        self._own.refresh()
        waiting, self._unknown = [*self._unknown, *fresh][-_MOST_UNKNOWN:], []
        for event in waiting:
            if event in self._own:
                yield event
            else:
                self._unknown.append(event)

    def _may_be(self, event: Event) -> bool:
        meta = event.get("meta")
        received = str(meta.get("dt", "")) if isinstance(meta, Mapping) else ""
        return received >= self._since and matching(self._filters, event)


def _looks(
    watched: LiveMonitor, new_events: Callable[[], Iterator[Event]], every: float, ends: Callable[[], bool]
) -> Iterator[MonitorReading]:
    """Yield a look at a time, until one that was begun after the end."""
    while True:
        over = ends() or reader_left()
        for event in new_events():
            watched.add(event)
        yield watched.look()
        if over:
            return
        time.sleep(every)


def _show_lines(looks: Iterator[MonitorReading], srm: bool) -> MonitorReading:
    for look in looks:
        row = look._asdict() if srm else {"events": look.events, "subjects": look.subjects}
        click.echo(orjson.dumps(row))
    return look


def _show_live(looks: Iterator[MonitorReading], srm: bool, alpha: float) -> MonitorReading:
    with Live(console=new_console(), auto_refresh=False) as live:
        for look in looks:
            live.update(_table(look, srm, alpha), refresh=True)
    return look


def _table(look: MonitorReading, srm: bool, alpha: float) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_row("events", f"{look.events:,} ({look.impressions:,} impressions, {look.clicks:,} clicks)")
    total = sum(look.subjects.values())
    for group, count in look.subjects.items():
        table.add_row(f"subjects in {group}", f"{count:,} ({count / total:.2%})" if total else "0")
    if srm:
        called = look.p_value <= alpha
        word = Text.assemble(("called", "red"), f" at {alpha:g}") if called else Text("as expected", "green")
        table.add_row("sample ratio", word.append(f" (p = {look.p_value:.3g}, e-value {look.e_value:.3g})", ""))
    return table
