"""Runs of the kit of which one process is killed while it sends."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from analysis.analyse import VERDICT
from dogfood.services import Testbed
from run_record.folder import find_run
from run_record.load import FILE_NAME as LOAD
from tests.chaos.kills import WITHIN_S, killed_inside, until
from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
Victims = Callable[[psutil.Process], list[psutil.Process]]

CODE = "from dogfood.cli import main; main()"
SERVICES = ("mpic", "intake")


def kill_sender(folder: Path, chance: random.Random, number: int) -> Mapping[str, object]:
    """Kill the sender of a run; return what the verdict says."""
    return _killed(folder, lambda run: _named(run, "traffic.sender"), chance, number)


def _named(above: psutil.Process, word: str) -> list[psutil.Process]:
    found = []
    for child in above.children(recursive=True):
        with suppress(psutil.Error):
            if word in child.cmdline():
                found.append(child)
    return found


def _killed(
    folder: Path,
    victims: Callable[[psutil.Process], list[psutil.Process]],
    chance: random.Random,
    number: int,
) -> Mapping[str, object]:
    testbed, runs = Testbed(folder / "testbed"), folder / f"runs-{number}"
    testbed.up({name: free_port() for name in SERVICES if testbed.url(name) is None}, SERVICES)
    environment = {**os.environ, "DOGFOOD_TESTBED": str(folder / "testbed"), "DOGFOOD_RUNS": str(runs)}
    options = ["--visitors", "3000", "--arrival-rate", "150", "--time-scale", "20000"]
    command = [sys.executable, "-c", CODE, "run", *options, "--seed", str(1_000 + number)]
    try:
        with (folder / "runs.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=ROOT)
        run = psutil.Process(process.pid)
        until(lambda: _sent(runs) > 2_000, "the run sent nothing")
        until(lambda: bool(victims(run)), "there is nobody to kill")
        some = _sent(runs) + chance.randint(1_000, 30_000)
        victim = chance.choice(victims(run))
        # Others go on sending while the victim stands still: enough has been sent, and the run is not over.
        hit = killed_inside(victim.pid, lambda: _sent(runs) >= some and not list(runs.glob(f"2*/{LOAD}")), chance)
        assert hit, "the run was over before the kill"
        process.wait(WITHIN_S)
    finally:
        for left in [*_family(process.pid)]:
            with suppress(psutil.NoSuchProcess):
                left.kill()
        testbed.down()
    latest = find_run(runs, "latest")
    if not (latest / VERDICT).exists():
        testbed.up({name: free_port() for name in SERVICES}, SERVICES)
        subprocess.run([sys.executable, "-c", CODE, "analyse", "latest"], env=environment, cwd=ROOT, check=False)
        testbed.down()
    content: dict[str, object] = json.loads((latest / VERDICT).read_text())
    return content


def _family(pid: int) -> list[psutil.Process]:
    try:
        above = psutil.Process(pid)
        return [above, *above.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _sent(runs: Path) -> int:
    return sum(path.stat().st_size for path in runs.glob("2*/ledger/*.ndjson"))
