"""A run of the kit in which one process is killed, and the verdict on it."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from analysis.analyse import VERDICT
from common.ports import free_port
from contracts.table import TABLE
from dogfood.testbed_control.service_health import port_problem
from dogfood.testbed_control.services import Testbed
from dogfood.testbed_control.stream import StreamChoice, StreamKind
from run_record.ledger.files import read_ledger
from run_record.load_report.report import FILE_NAME as LOAD
from run_record.page_views import FOLDER as PAGE_VIEWS
from run_record.run_folder import LEDGER, OBSERVED, find_run
from tests.chaos.kills import WITHIN_S, below, kill_during, until
from tests.wikis import copy_seeded_wiki

ROOT = Path(__file__).resolve().parents[2]
CODE = "from dogfood.cli import main; main()"

SYNTHETIC = ("run", "--visitors", "1500", "--arrival-rate", "150", "--time-scale", "20000")
TWO_WORKERS = (*SYNTHETIC, "--workers", "2")


class Running:
    """A run in progress.

    Attributes:
        pid: process id of its command.
        runs: folder of its run.
        testbed: the testbed whose services it uses.
        rng: source of random choices.
    """

    def __init__(self, pid: int, runs: Path, testbed: Testbed, rng: random.Random) -> None:
        self.pid, self.runs, self.testbed, self.rng = pid, runs, testbed, rng

    def senders(self) -> list[int]:
        """Return the process ids of its senders."""
        return [process.pid for process in below(self.pid, "traffic.sender")]

    def workers(self) -> list[int]:
        """Return the process ids of the Locust processes that have a sender."""
        return [psutil.Process(pid).ppid() for pid in self.senders()]

    def service(self, name: str) -> list[int]:
        """Return the process ids of a testbed service and of its child processes."""
        [pid] = [state.pid for state in self.testbed.status() if state.name == name]
        assert pid is not None
        return [pid, *(process.pid for process in below(pid))]

    def written(self) -> int:
        """Return the size of the run's ledgers and page views in bytes."""
        files = [*self.runs.glob(f"2*/{LEDGER}/*.ndjson"), *self.runs.glob(f"2*/{PAGE_VIEWS}/*.ndjson")]
        return sum(path.stat().st_size for path in files)

    def unanswered(self, worker: str = "") -> int:
        """Return the number of events without an outcome, in ledgers with *worker* in their name."""
        ledger = read_ledger(find_run(self.runs, "latest") / LEDGER)
        names = [index for index, name in enumerate(ledger.workers) if worker in name]
        return sum(int(((ledger.worker == index) & (ledger.answered_ms < 0)).sum()) for index in names)

    def is_sending(self) -> bool:
        """Return whether an event has no outcome yet, and the run is not closed."""
        return not list(self.runs.glob(f"2*/{LOAD}")) and self.unanswered() > 0


@dataclass(frozen=True)
class Target:
    """A kind of kill in a run.

    Attributes:
        command: arguments of `dogfood` for the run.
        victims: returns the process ids to kill.
        is_working: whether the work has begun and not ended; called while the victims are stopped.
        paused: returns the ids of further processes that are stopped during that check.
        from_bytes: bounds of the random number of bytes that the run writes before the kill.
        services: services of the testbed.
        restarted: services to restart after the kill.
        stream: kind of stream.
        before, after: called before and after the kill.
    """

    command: Sequence[str]
    victims: Callable[[Running], Sequence[int]]
    is_working: Callable[[Running], bool] = Running.is_sending
    paused: Callable[[Running], Sequence[int]] = lambda _: ()
    from_bytes: tuple[int, int] = (2_000, 30_000)
    services: Collection[str] = ("mpic", "intake")
    restarted: Collection[str] = ()
    stream: StreamKind = StreamKind.SEGMENTS
    before: Callable[[Running], None] = lambda _: None
    after: Callable[[Running], None] = lambda _: None


def kill_in_run(folder: Path, target: Target, rng: random.Random, seed: int) -> Mapping[str, Any]:
    """Start a run in *folder*, kill *target*'s processes, and return the verdict by the testbed's table."""
    runs = folder / "runs"
    with _testbed(folder, target) as testbed:
        names = ("kafka", *target.services) if target.stream is StreamKind.KAFKA else target.services
        ports = {name: free_port() for name in names}
        testbed.up(ports, target.services)
        with _command(folder, *target.command, "--seed", str(seed)) as process:
            running = Running(process.pid, runs, testbed, rng)
            threshold = rng.randint(*target.from_bytes)
            until(lambda: running.written() >= threshold or process.poll() is not None, "the run wrote nothing")
            assert process.poll() is None, (folder / "command.log").read_text()[-500:]
            victims = target.victims(running)
            assert victims, "no process to kill"
            target.before(running)
            try:
                hit = kill_during(victims, lambda: target.is_working(running), rng, paused=target.paused(running))
            finally:
                target.after(running)
            assert hit, f"the process had ended before the kill: {(folder / 'command.log').read_text()[-500:]}"
            for name in target.restarted:
                # The kernel may take a moment to close a killed process's sockets.
                until(partial(_is_free, ports[name]), f"the port of {name} is taken")
            testbed.up({name: ports[name] for name in target.restarted}, target.restarted)
            process.wait(WITHIN_S)
        # For every end of the run, the table is filled from the stream, and the run is judged by it.
        testbed.up({name: ports[name] for name in names if name == "kafka"}, {"kafka"} & set(names))
        _call(folder, "ingest")
        run = find_run(runs, "latest")
        rows = () if (run / OBSERVED / "rows.parquet").exists() else ("--observed", str(testbed.table_dir / TABLE))
        _call(folder, "analyse", "latest", *rows)
    verdict: Mapping[str, Any] = json.loads((run / VERDICT).read_text())
    return verdict


@contextmanager
def _testbed(folder: Path, target: Target) -> Iterator[Testbed]:
    if "wiki" in target.services:
        copy_seeded_wiki(folder / "testbed")
    testbed = Testbed(folder / "testbed")
    (folder / "testbed").mkdir(parents=True, exist_ok=True)
    testbed.use_stream(StreamChoice(target.stream))
    try:
        yield testbed
    finally:
        testbed.down()


@contextmanager
def _command(folder: Path, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    with (folder / "command.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", CODE, *arguments], stdout=log, stderr=log, env=_environment(folder), cwd=ROOT
        )
    try:
        yield process
    finally:
        for child in [*below(process.pid), psutil.Process(process.pid)] if process.poll() is None else []:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        process.wait(WITHIN_S)


def _call(folder: Path, *arguments: str) -> None:
    with _command(folder, *arguments) as process:
        process.wait(WITHIN_S)
    assert process.returncode in (0, 1, 3, 4), (folder / "command.log").read_text()[-500:]


def _environment(folder: Path) -> Mapping[str, str]:
    overrides = {"DOGFOOD_TESTBED": str(folder / "testbed"), "DOGFOOD_RUNS": str(folder / "runs"), "COLUMNS": "200"}
    return {**os.environ, **overrides}


def _is_free(port: int) -> bool:
    return not port_problem(port)
