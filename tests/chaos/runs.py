"""A run of the kit in which one process is killed, and the verdict on it."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from analysis.analyse import VERDICT
from common.ports import free_port
from contracts.table import TABLE
from dogfood.testbed_control.service_health import why_taken
from dogfood.testbed_control.services import Testbed
from dogfood.testbed_control.stream import StreamChoice, StreamKind
from run_record.ledger.files import read_ledger
from run_record.load_report.report import FILE_NAME as LOAD
from run_record.page_views import FOLDER as PAGE_VIEWS
from run_record.run_folder import LEDGER, OBSERVED, find_run
from tests.chaos.kills import WITHIN_S, below, killed_inside, until
from tests.wikis import copy_seeded_wiki

ROOT = Path(__file__).resolve().parents[2]
CODE = "from dogfood.cli import main; main()"

SYNTHETIC = ("run", "--visitors", "1500", "--arrival-rate", "150", "--time-scale", "20000")
TWO_WORKERS = (*SYNTHETIC, "--workers", "2")


class Running:
    """A run that is under way.

    Attributes:
        pid: of its command.
        runs: folder of its run.
        testbed: whose services it uses.
        chance: draws what is left to chance.
    """

    def __init__(self, pid: int, runs: Path, testbed: Testbed, chance: random.Random) -> None:
        self.pid, self.runs, self.testbed, self.chance = pid, runs, testbed, chance

    def senders(self) -> list[int]:
        """Return the process ids of its senders."""
        return [process.pid for process in below(self.pid, "traffic.sender")]

    def workers(self) -> list[int]:
        """Return the process ids of the Locust processes that have a sender."""
        return [psutil.Process(pid).ppid() for pid in self.senders()]

    def service(self, name: str) -> list[int]:
        """Return the process id of a service of the testbed, and of all that it has started."""
        [pid] = [state.pid for state in self.testbed.status() if state.name == name]
        assert pid is not None
        return [pid, *(process.pid for process in below(pid))]

    def written(self) -> int:
        """Return the bytes that the run has written into ledgers and page views."""
        files = [*self.runs.glob(f"2*/{LEDGER}/*.ndjson"), *self.runs.glob(f"2*/{PAGE_VIEWS}/*.ndjson")]
        return sum(path.stat().st_size for path in files)

    def unanswered(self, worker: str = "") -> int:
        """Return how many events have an intent and no outcome; of ledgers with *worker* in their name."""
        ledger = read_ledger(find_run(self.runs, "latest") / LEDGER)
        names = [index for index, name in enumerate(ledger.workers) if worker in name]
        return sum(int(((ledger.worker == index) & (ledger.answered_ms < 0)).sum()) for index in names)

    def is_sending(self) -> bool:
        """Return whether an event is between its intent and its outcome, and the run is not closed."""
        return not list(self.runs.glob(f"2*/{LOAD}")) and self.unanswered() > 0


@dataclass(frozen=True)
class Target:
    """What is killed in a run.

    Attributes:
        command: of the run, words of `dogfood`.
        victims: returns the process ids to kill.
        inside: whether the work is under way; asked while the victims stand still.
        held: returns the process ids of others that stand still meanwhile.
        from_bytes: the run has to have written at least so many bytes, between these two.
        services: of the testbed.
        again: the services to start again after the kill.
        stream: what carries the stream.
        before, after: called around the kill.
    """

    command: Sequence[str]
    victims: Callable[[Running], Sequence[int]]
    inside: Callable[[Running], bool] = Running.is_sending
    held: Callable[[Running], Sequence[int]] = lambda _: ()
    from_bytes: tuple[int, int] = (2_000, 30_000)
    services: Collection[str] = ("mpic", "intake")
    again: Collection[str] = ()
    stream: StreamKind = StreamKind.SEGMENTS
    before: Callable[[Running], None] = lambda _: None
    after: Callable[[Running], None] = lambda _: None


def kill_in_run(folder: Path, target: Target, chance: random.Random, seed: int) -> Mapping[str, Any]:
    """Make a run in *folder*, kill what *target* says, and return the verdict on it, by the table of the testbed."""
    runs = folder / "runs"
    with _testbed(folder, target) as testbed:
        names = ("kafka", *target.services) if target.stream is StreamKind.KAFKA else target.services
        ports = {name: free_port() for name in names}
        testbed.up(ports, target.services)
        with _command(folder, *target.command, "--seed", str(seed)) as process:
            running = Running(process.pid, runs, testbed, chance)
            some = chance.randint(*target.from_bytes)
            until(lambda: running.written() >= some or process.poll() is not None, "the run wrote nothing")
            assert process.poll() is None, (folder / "command.log").read_text()[-500:]
            victims = target.victims(running)
            assert victims, "there is nothing to kill"
            target.before(running)
            try:
                hit = killed_inside(victims, lambda: target.inside(running), chance, held=target.held(running))
            finally:
                target.after(running)
            assert hit, f"the process had ended before the kill: {(folder / 'command.log').read_text()[-500:]}"
            for name in target.again:
                # The kernel may take a moment to close what a killed process had open.
                until(lambda name=name: not why_taken(ports[name]), f"the port of {name} is taken")  # type: ignore[misc]
            testbed.up({name: ports[name] for name in target.again}, target.again)
            process.wait(WITHIN_S)
        # Whatever the run itself came to: the table gets what the stream has, and the run is judged by it.
        testbed.up({name: ports[name] for name in names if name == "kafka"}, {"kafka"} & set(names))
        _call(folder, "ingest")
        run = find_run(runs, "latest")
        rows = () if (run / OBSERVED / "rows.parquet").exists() else ("--observed", str(testbed.table_dir / TABLE))
        _call(folder, "analyse", "latest", *rows)
    content: Mapping[str, Any] = json.loads((run / VERDICT).read_text())
    return content


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
def _command(folder: Path, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    with (folder / "command.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", CODE, *words], stdout=log, stderr=log, env=_environment(folder), cwd=ROOT
        )
    try:
        yield process
    finally:
        for left in [*below(process.pid), psutil.Process(process.pid)] if process.poll() is None else []:
            with suppress(psutil.NoSuchProcess):
                left.kill()
        process.wait(WITHIN_S)


def _call(folder: Path, *words: str) -> None:
    with _command(folder, *words) as process:
        process.wait(WITHIN_S)
    assert process.returncode in (0, 1, 3, 4), (folder / "command.log").read_text()[-500:]


def _environment(folder: Path) -> Mapping[str, str]:
    own = {"DOGFOOD_TESTBED": str(folder / "testbed"), "DOGFOOD_RUNS": str(folder / "runs"), "COLUMNS": "200"}
    return {**os.environ, **own}
