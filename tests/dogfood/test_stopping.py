"""However a command ends, all processes that it started end too."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from common.ports import free_port
from dogfood.testbed_control.services import Testbed
from run_record.end_reason import End
from run_record.ledger.files import read_ledger
from run_record.ledger.rows import count_sent
from run_record.load_report.report import LoadReport
from run_record.manifest import Manifest
from run_record.run_folder import LEDGER, find_run
from tests.wikis import need, wiki_testbed

#: Generous: machines are shared and slow.
TIMEOUT_S = 120.0

LONG = ("--visitors", "20000", "--arrival-rate", "50", "--time-scale", "1000")


def until(condition: Callable[[], object], otherwise: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


@contextmanager
def command(home: Path, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `dogfood` with the testbed in *home*, leading a new session."""
    environment = {**os.environ, "DOGFOOD_TESTBED": str(home / "testbed"), "DOGFOOD_RUNS": str(home / "runs")}
    code = [sys.executable, "-c", "from dogfood.cli import main; main()", *words]
    with (home / "command.log").open("wb") as log:
        process = subprocess.Popen(
            code, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(TIMEOUT_S)


def sent(home: Path) -> int:
    """Return how many events the newest run's ledgers have intents for."""
    return sum(count_sent(path) for path in home.glob(f"runs/latest/{LEDGER}/*.ndjson"))


def descendants(process: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def home_with_runs(home: Path) -> Path:
    """The shared testbed, without earlier runs."""
    (home / "runs" / "latest").unlink(missing_ok=True)
    return home


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_traffic_ends_with_its_command(home_with_runs: Path, number: signal.Signals, workers: str) -> None:
    home = home_with_runs
    with command(home, "run", *LONG, "--workers", workers) as process:
        until(lambda: sent(home) > 50 or process.poll() is not None, "nothing was sent")
        assert process.poll() is None, (home / "command.log").read_text()
        started = descendants(process)
        assert any("traffic.sender" in child.cmdline() for child in started)
        # The command's process alone, as a supervisor does; not those that it has started.
        os.kill(process.pid, number)
        process.wait(TIMEOUT_S)
        until(lambda: all(map(is_gone, started)), f"left behind: {[item for item in started if not is_gone(item)]}")
        run = find_run(home / "runs", "latest")
    assert Manifest.read(run).ended == End.STOPPED
    assert LoadReport.read(run).sent == len(read_ledger(run / LEDGER).visit)
    # The testbed's services are meant to outlive it.
    assert {state.health for state in Testbed(home / "testbed").status() if state.name != "wiki"} == {"healthy"}
    if number != signal.SIGKILL:
        assert (run / "verdict.json").is_file(), (home / "command.log").read_text()


def test_what_a_module_does_ends_with_its_command(tmp_path: Path) -> None:
    code = (
        "from dogfood.testbed_control.child_processes import run_module; run_module('waiting', 'tests.dogfood.waiting')"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        until(lambda: any("tests.dogfood.waiting" in child.cmdline() for child in descendants(process)), "not started")
        [child] = descendants(process)
        process.kill()
        until(lambda: is_gone(child), "the module goes on")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_wikis_php_ends_with_its_service(tmp_path: Path, number: signal.Signals) -> None:
    with php_server(tmp_path) as (service, php):
        os.kill(service.pid, number)
        service.wait(TIMEOUT_S)
        until(lambda: all(map(is_gone, php)), "PHP goes on")


def test_wikis_service_ends_with_its_keeper(tmp_path: Path) -> None:
    with php_server(tmp_path) as (service, php):
        [keeper] = [child for child in descendants(service) if "group" in child.cmdline()]
        keeper.kill()
        assert service.wait(TIMEOUT_S) == 2
        until(lambda: all(map(is_gone, php)), "PHP goes on")


@contextmanager
def php_server(folder: Path) -> Iterator[tuple["subprocess.Popen[bytes]", list[psutil.Process]]]:
    """Run the wiki's server, without an installed wiki, and yield it with PHP's processes."""
    need("php")
    (folder / "images").mkdir()
    code = f"""
import os, pathlib
from testbed.http_server import guarded
from testbed.wiki.php_server import serve
guarded(lambda: serve(pathlib.Path({str(folder / "images")!r}), dict(os.environ), "127.0.0.1", {free_port()}, 3))
"""
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        try:
            until(lambda: len(_php(process)) == 4, "PHP did not start")
            yield process, _php(process)
        finally:
            for child in _php(process) if process.poll() is None else []:
                child.kill()
            process.kill()


def _php(process: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    items = []
    for child in descendants(process):
        try:
            items += [child] if child.name().startswith("php") else []
        except psutil.NoSuchProcess:
            continue
    return items


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_browsers_end_with_their_command(tmp_path: Path, number: signal.Signals) -> None:
    with wiki_testbed(tmp_path) as home, command(home, "browse", "--scenario", "ctr", "--users", "8") as process:
        until(lambda: sent(home) > 0 or process.poll() is not None, "no browser sent anything")
        started = descendants(process)
        assert any("chrom" in child.name() or "headless" in child.name() for child in started)
        os.kill(process.pid, number)
        process.wait(TIMEOUT_S)
        until(lambda: all(map(is_gone, started)), f"left behind: {[item for item in started if not is_gone(item)]}")


def test_temporary_testbeds_services_end_with_the_command(tmp_path: Path) -> None:
    code = f"""
import pathlib, time
from rich.console import Console
from dogfood.faults.environment import faulty_testbed
from dogfood.testbed_control.services import Testbed
like = Testbed(pathlib.Path({str(tmp_path / "like")!r}))
with faulty_testbed(pathlib.Path({str(tmp_path)!r}), like, wiki=False, console=Console()) as testbed:
    pathlib.Path({str(tmp_path / "up")!r}).touch()
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        until((tmp_path / "up").exists, "the testbed did not come up")
        services = descendants(process)
        assert len(services) == 2
        process.kill()
        until(lambda: all(map(is_gone, services)), "services go on")


@pytest.mark.parametrize(("ignored", "ends"), [("", True), ("HUP", False)])
def test_ignored_signals_stay_ignored(tmp_path: Path, ignored: str, ends: bool) -> None:
    code = f"""
import pathlib, time
from dogfood.exit_codes import treat_as_interrupts
treat_as_interrupts()
pathlib.Path({str(tmp_path / "up")!r}).touch()
while not pathlib.Path({str(tmp_path / "on")!r}).exists():
    time.sleep(0.05)
"""
    # As nohup does.
    trap = f"trap '' {ignored};" if ignored else ""
    words = ["sh", "-c", f'{trap} exec "$@"', "sh", sys.executable, "-c", code]
    with subprocess.Popen(words, stderr=subprocess.PIPE) as process:
        until((tmp_path / "up").exists, "not started")
        process.send_signal(signal.SIGHUP)
        if not ends:
            (tmp_path / "on").touch()
        _, output = process.communicate(timeout=TIMEOUT_S)
    assert (b"KeyboardInterrupt" in output) is ends
