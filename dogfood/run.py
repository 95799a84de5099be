"""The life of one run: testbed up, experiment configured, traffic, ingestion, verdict."""

import contextlib
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from analysis.analyse import Analysis, analyse, write
from analysis.report import render
from dogfood.processes import run_module
from dogfood.services import Testbed
from metrics_platform.assignment import Generation
from metrics_platform.errors import KitFaultError
from metrics_platform.intake import check_reachable
from metrics_platform.mpic import MpicClient
from personas.experiments import EXPERIMENT, example_experiment, example_instrument
from personas.plan import Plan
from run_record.folder import LEDGER, OBSERVED, new_run
from run_record.manifest import Manifest
from run_record.target import Target
from traffic.options import TrafficOptions, new_manifest, new_settings

LOCUSTFILE = Path(__file__).resolve().parent.parent / "locustfiles" / "ctr.py"

#: The target whose systems are the testbed's.
LOCAL = "local"

#: Locust ends with 1 when requests failed; the ledger and the analysis tell what that means.
_LOCUST_ENDINGS = (0, 1)

#: Rows are read from the span of the traffic and this much around it.
_MARGIN_MS = 60_000

#: How long hasty events may take from their answer into the stream before the table is filled.
_SETTLE_S = 1.0


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What `dogfood run` was asked for, besides the traffic's own options."""

    runs: Path
    testbed: Testbed
    traffic: TrafficOptions
    users: int
    workers: int


def run(request: RunRequest, console: Console) -> tuple[Path, Analysis | None]:
    """Make one run from beginning to end.

    Returns:
        The run's folder, and the analysis; None when the rows are not in the testbed's table, so that they have to be
        fetched before the run can be judged.

    Raises:
        DogfoodError: what was asked for cannot be done; nothing was sent.
        KitFaultError: the testbed or the generator failed.
    """
    target = _ready(request, console)
    manifest, folder, events = _set_up(request, target)
    console.print(f"run [bold]{folder.name}[/]: {manifest.visitors:,} visitors, {events:,} events to {target.intake}")
    _traffic(request, folder, events, console)
    if target.name != LOCAL or request.traffic.intake:
        return folder, None
    time.sleep(_SETTLE_S)
    fill_table(request.testbed)
    observe(request.testbed, folder)
    return folder, judge(folder)


def judge(folder: Path, observed: tuple[Path, ...] = ()) -> Analysis:
    """Analyse the run in *folder* and write its verdict and report there."""
    analysis = analyse(folder, observed)
    write(folder, analysis, render(analysis))
    return analysis


def fill_table(testbed: Testbed) -> str:
    """Bring what is new in the stream into the table; return what was done, as JSON. Raises KitFaultError."""
    where = ("--stream-dir", str(testbed.stream_dir), "--table-dir", str(testbed.table_dir))
    return run_module("ingestion", "testbed.ingest", *where)


def observe(testbed: Testbed, folder: Path) -> None:
    """Copy what landed during the run in *folder* into it. Raises KitFaultError."""
    manifest = Manifest.read(folder)
    since = (manifest.started_ms or 0) - _MARGIN_MS
    until = (manifest.finished_ms or int(time.time() * 1000)) + _MARGIN_MS
    where = ("--stream-dir", str(testbed.stream_dir), "--table-dir", str(testbed.table_dir))
    span = ("--from-ms", str(since), "--until-ms", str(until), "--to", str(folder / OBSERVED))
    run_module("reading the table", "testbed.snapshot", *where, *span)


def _ready(request: RunRequest, console: Console) -> Target:
    """Return the target; start the testbed when the target is the testbed and it does not run."""
    target = Target.read(request.traffic.target)
    if target.name == LOCAL:
        with console.status("starting the testbed"):
            request.testbed.up({}, ("mpic", "intake"))
        intake, mpic = request.testbed.url("intake"), request.testbed.url("mpic")
        if intake is None or mpic is None:
            raise KitFaultError("the testbed runs but does not answer: `dogfood status` tells more")
        target = target.at(intake=f"{intake}/v1/events", mpic=mpic)
    target = target.at(intake=request.traffic.intake or None, mpic=request.traffic.mpic or None)
    check_reachable(target.intake)
    return target


def _set_up(request: RunRequest, target: Target) -> tuple[Manifest, Path, int]:
    """Configure the experiment in MPIC, read it back as the wiki would, and make the run's folder."""
    options = request.traffic
    if not options.experiment:
        _configure(target, options.generation)
        options = replace(options, experiment=EXPERIMENT)
    settings = new_settings(options, target, now_ms=int(time.time() * 1000))
    plan = Plan(settings)
    events = sum(1 for _ in plan.events(0, settings.visitors))
    manifest = new_manifest("", options, target, plan.settings)
    folder = new_run(request.runs)
    manifest = replace(manifest, run_id=folder.name)
    manifest.write(folder)
    return manifest, folder, events


def _configure(target: Target, generation: Generation) -> None:
    with MpicClient(target.mpic) as mpic:
        mpic.put("instruments", EXPERIMENT, dict(example_instrument()))
        mpic.put("experiments", EXPERIMENT, dict(example_experiment(generation)))


def _traffic(request: RunRequest, folder: Path, events: int, console: Console) -> None:
    command = [
        sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary",
        "--run", str(folder), "-u", str(request.users), "-r", str(request.users), "--csv", str(folder / "locust"),
    ]  # fmt: skip
    if request.workers > 1:
        command += ["--processes", str(request.workers)]
    log_path = folder / "locust.log"
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with log_path.open("wb") as log, Progress(*columns, console=console) as progress:
        task = progress.add_task("events answered", total=events)
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        counter = _Answers(folder / LEDGER)
        # Ctrl-C reaches Locust as well: it closes the run, which is judged as far as it went.
        while True:
            with contextlib.suppress(KeyboardInterrupt, subprocess.TimeoutExpired):
                process.wait(0.25)
            progress.update(task, completed=counter.count() * _events_a_request(events, request))
            if process.poll() is not None:
                break
    if process.returncode not in _LOCUST_ENDINGS:
        said = log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        errors = [line for line in said if line.startswith("error: ")] or said
        raise KitFaultError(f"Locust ended with {process.returncode}: {errors[-1] if errors else ''} (log: {log_path})")


def _events_a_request(events: int, request: RunRequest) -> int:
    return min(events, request.traffic.batch)


class _Answers:
    """Counts the outcomes in a ledger that is being written, reading each byte once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, int] = {}
        self._count = 0

    def count(self) -> int:
        for path in self._folder.glob("*.ndjson"):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                fresh = file.read()
            self._read[path] = self._read.get(path, 0) + len(fresh)
            self._count += fresh.count(b'{"outcome":')
        return self._count
