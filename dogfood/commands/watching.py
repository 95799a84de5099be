"""`dogfood watch`: a run while it goes."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.live import Live
from rich.table import Table

from analysis.participants import chosen_subjects
from analysis.watching import Look, Watch
from dogfood.commands.options import AS_JSON, RUNS, TESTBED, complete_run
from dogfood.services import Testbed
from dogfood.tail import Tail
from metrics_platform.errors import DogfoodError
from personas.plan import Plan
from personas.settings import PlanSettings
from run_record.folder import LATEST, find_run
from run_record.manifest import Manifest
from run_record.roster import read_roster

#: Events of a run may still be on their way so long after its traffic.
_SETTLE_S = 3.0


@click.command(epilog="Exit codes: 0 nothing was called, 1 the sample ratio was called (with --srm), 2 wrong use.")
@click.argument("name", metavar="[RUN]", default=LATEST, shell_complete=complete_run)
@RUNS
@TESTBED
@click.option("--observed", type=click.Path(path_type=Path, exists=True), multiple=True,
              help="NDJSON file that grows, to read instead. Repeatable.")  # fmt: skip
@click.option("--srm", is_flag=True, help="Test the sample ratio at every look; valid however often one looks.")
@click.option("--alpha", type=click.FloatRange(0, 0.5, min_open=True), default=0.05, show_default=True,
              help="Level at which the ratio is called, over all looks together.")  # fmt: skip
@click.option("--every", type=click.FloatRange(0.1), default=1.0, show_default=True, help="Seconds between looks.")
@click.option("--once", is_flag=True, help="Look once, at what is there.")
@AS_JSON
def watch(
    name: str,
    runs: Path,
    folder: Path,
    observed: tuple[Path, ...],
    srm: bool,
    alpha: float,
    every: float,
    once: bool,
    as_json: bool,
) -> None:
    """Watch a RUN (default: the latest) while it goes: events, subjects of each group, and the sample ratio."""
    run = find_run(runs, name)
    manifest = Manifest.read(run)
    plan = Plan(PlanSettings.from_json(manifest.plan))
    watched = Watch(plan, chosen_subjects(plan, manifest.generation, read_roster(run)))
    tail = Tail(observed or _topics(folder, manifest.stream))
    looks = _looks(watched, tail, _since(manifest), every, lambda: once or _is_over(run))
    try:
        last = _show_lines(looks, srm) if as_json else _show_live(looks, srm, alpha)
    except KeyboardInterrupt:
        last = watched.look()
    sys.exit(int(srm and last.p_value <= alpha))


def _topics(folder: Path, stream: str) -> list[Path]:
    """Return the folders of the stream's topics, one a data centre. Raises DogfoodError when there are none."""
    found = sorted(Testbed(folder).stream_dir.glob(f"*.{stream}"))
    if not found:
        raise DogfoodError(f"{folder} has no stream {stream!r} yet: start a run, or name a file with --observed")
    return found


def _since(manifest: Manifest) -> str:
    """Return the moment from which events may be the run's, as in `meta.dt`."""
    return datetime.fromisoformat(manifest.created).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _is_over(run: Path) -> bool:
    finished = Manifest.read(run).finished_ms
    return finished is not None and time.time() * 1000 > finished + _SETTLE_S * 1000


def _looks(watched: Watch, tail: Tail, since: str, every: float, is_over: Callable[[], bool]) -> Iterator[Look]:
    """Yield a look at a time, until one that was begun after the run was over."""
    while True:
        over = is_over()
        for event in tail.new_events():
            meta = event.get("meta")
            if isinstance(meta, Mapping) and str(meta.get("dt", "")) >= since:
                watched.add(event)
        yield watched.look()
        if over:
            return
        time.sleep(every)


def _show_lines(looks: Iterator[Look], srm: bool) -> Look:
    for look in looks:
        row = look._asdict() if srm else {"events": look.events, "subjects": look.subjects}
        click.echo(orjson.dumps(row))
    return look


def _show_live(looks: Iterator[Look], srm: bool, alpha: float) -> Look:
    with Live(console=Console(), auto_refresh=False) as live:
        for look in looks:
            live.update(_table(look, srm, alpha), refresh=True)
    return look


def _table(look: Look, srm: bool, alpha: float) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_row("events", f"{look.events:,} ({look.impressions:,} impressions, {look.clicks:,} clicks)")
    total = sum(look.subjects.values())
    for group, count in look.subjects.items():
        table.add_row(f"subjects in {group}", f"{count:,} ({count / total:.2%})" if total else "0")
    if srm:
        called = look.p_value <= alpha
        word = f"[red]called[/] at {alpha:g}" if called else "[green]as expected[/]"
        table.add_row("sample ratio", f"{word} (p = {look.p_value:.3g}, e-value {look.e_value:.3g})")
    return table
