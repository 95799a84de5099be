"""Services are started and stopped by one command at a time, are always found again, and are told no secrets."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from common.child_environment import child_environment
from common.errors import DogfoodError
from common.ports import free_port
from dogfood.testbed_control.services import Testbed
from dogfood.testbed_control.supervisor import leftovers, locked

SERVICES = ("mpic", "intake")
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def testbed(tmp_path: Path) -> Iterator[Testbed]:
    testbed = Testbed(tmp_path / "testbed")
    yield testbed
    testbed.down()


def start(folder: Path) -> subprocess.Popen[bytes]:
    code = "from dogfood.cli import main; main()"
    ports = ("--mpic-port", str(free_port()), "--intake-port", str(free_port()))
    only = [word for name in SERVICES for word in ("--only", name)]
    command = [sys.executable, "-c", code, "up", "--testbed", str(folder), *ports, *only]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=ROOT)


def test_three_concurrent_starts_leave_one_testbed(testbed: Testbed) -> None:
    starts = [start(testbed.folder) for _ in range(3)]
    for command in starts:
        command.communicate(timeout=120)
    # The others asked for other ports than the first one got: wrong use, said in a line.
    assert sorted(command.returncode for command in starts) == [0, 2, 2]
    recorded = {state.pid for state in testbed.status() if state.pid}
    assert {process.pid for process in leftovers(testbed.folder, SERVICES)} == recorded
    assert sorted(testbed.down()) == sorted(SERVICES)
    assert leftovers(testbed.folder, SERVICES) == []


def test_a_service_that_no_file_names_is_stopped(testbed: Testbed) -> None:
    testbed.up({"intake": free_port()}, ("intake",))
    (testbed.folder / "intake.json").unlink()
    assert len(leftovers(testbed.folder, SERVICES)) == 1
    assert testbed.down() == ["intake"]
    assert leftovers(testbed.folder, SERVICES) == []


def test_other_testbeds_are_left_alone(testbed: Testbed, tmp_path: Path) -> None:
    testbed.up({"intake": free_port()}, ("intake",))
    other = Testbed(tmp_path / "other")
    other.folder.mkdir()
    assert other.down() == []
    assert len(leftovers(testbed.folder, SERVICES)) == 1


def test_a_held_testbed_is_said_to_be_held(tmp_path: Path) -> None:
    code = f"""if True:
        import pathlib, sys
        from dogfood.testbed_control.supervisor import locked
        with locked(pathlib.Path({str(tmp_path)!r})):
            print("held", flush=True)
            sys.stdin.read()
    """
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(DogfoodError, match=f"process {other.pid} holds"), locked(tmp_path, within_s=0.1):
            pass
        other.kill()
    with locked(tmp_path, within_s=20), locked(tmp_path, within_s=0):
        assert (tmp_path / ".lock").read_text() == str(os.getpid())


def test_services_are_told_no_secrets(testbed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {"DOGFOOD_PASSWORD": "p", "PHABRICATOR_TOKEN": "t", "TRINO_PASSWORD": "q", "AWS_SECRET_ACCESS_KEY": "k"}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    states = testbed.up({name: free_port() for name in SERVICES}, SERVICES)
    items = [psutil.Process(state.pid).environ() for state in states if state.pid]
    assert len(items) == 2
    assert not any(secrets.keys() & environment.keys() for environment in items)


def test_only_the_user_can_read_testbed_files(testbed: Testbed) -> None:
    testbed.folder.mkdir(mode=0o755)
    testbed.up({name: free_port() for name in SERVICES}, SERVICES)
    database = testbed.folder / "mpic.sqlite"
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    assert stat.S_IMODE(testbed.folder.stat().st_mode) == 0o700


def test_old_database_becomes_private(testbed: Testbed) -> None:
    testbed.folder.mkdir()
    database = testbed.folder / "mpic.sqlite"
    database.touch(mode=0o644)
    testbed.up({"mpic": free_port()}, ("mpic",))
    assert stat.S_IMODE(database.stat().st_mode) == 0o600


def test_child_environment_has_required_and_named_variables() -> None:
    full = {"PATH": "/bin", "LC_ALL": "C", "DOGFOOD_PASSWORD": "p", "OTEL_X": "o", "HTTP_PROXY": "h", "TOKEN": "t"}
    assert child_environment(environment=full) == {"PATH": "/bin", "LC_ALL": "C"}
    named = child_environment("DOGFOOD_PASSWORD", "OTEL_", "MISSING", environment=full, extra={"A": "b"})
    assert named == {"PATH": "/bin", "LC_ALL": "C", "DOGFOOD_PASSWORD": "p", "OTEL_X": "o", "A": "b"}
