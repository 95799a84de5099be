"""Invalid input gets one line and an exit code; the testbed's services start, show their state and stop."""

import json
import os
import signal
import socket
import time
from pathlib import Path

import psutil
import pytest

from common.errors import DogfoodError
from common.ports import free_port
from dogfood.testbed_control.services import Testbed
from tests.contract_samples import contract_path
from tests.dogfood.conftest import WITHOUT_WIKI, Call, call_in


def test_assign_agrees_with_every_vector(dogfood: Call) -> None:
    text = contract_path("bucketing-vectors.ndjson").read_text()
    done = dogfood("assign", stdin=text)
    assert done.returncode == 0
    result, wanted = ([json.loads(line) for line in lines.splitlines()] for lines in (done.stdout, text))
    assert len(result) == len(wanted) == 4000
    for one, other in zip(result, wanted, strict=True):
        assert one == {"subject_id": None, **other}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("no json", "line 2:"),
        ("[]", "line 2: not a JSON object"),
        ('{"generation":"alpha"}', "line 2: 'user_id' is missing"),
        ('{"generation":"beta","user_id":1,"experiment":"e","groups":["a"],"rate":1}', "line 2: 'beta'"),
        ('{"generation":"alpha","user_id":1,"experiment":"e","groups":[],"rate":1}', "at least one group"),
        ('{"generation":"alpha","user_id":"1","experiment":"e","groups":["a"],"rate":1}', "user_id has to be"),
        ('{"generation":"alpha","user_id":1,"experiment":"e","groups":["a"],"rate":"1"}', "rate has to be"),
    ],
)
def test_assign_names_the_invalid_line(dogfood: Call, line: str, says: str) -> None:
    good = '{"generation":"alpha","user_id":1,"experiment":"e","groups":["a"],"rate":1}'
    done = dogfood("assign", stdin=f"{good}\n{line}\n")
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("analyse", "no-such-run"), "no run 'no-such-run'"),
        (("analyse",), "Missing argument"),
        (("run", "--no-such-option"), "No such option"),
        (("run", "--target", "nowhere"), "no target 'nowhere'"),
        (("run", "--intake", "http://example.org/"), "does not allow the host 'example.org'"),
        (("run", "--intake", "http://127.0.0.1:1/v1/events"), "does not answer"),
        (("run", "--visitors", "0"), "not in the range"),
        (("run", "--generation", "beta"), "'beta' is not one of"),
        (("events", "no-such-run"), "no run 'no-such-run'"),
        (("up", "--intake-port", "70000"), "not in the range"),
    ],
)
def test_wrong_use_exits_with_2(dogfood: Call, arguments: tuple[str, ...], says: str) -> None:
    done = dogfood(*arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_invalid_toml_target_is_reported(dogfood: Call, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("name = ")
    done = dogfood("run", "--target", str(path))
    assert done.returncode == 2
    assert f"{path} cannot be read as TOML" in done.stderr


def test_seed_and_epoch_decide_the_bytes(dogfood: Call) -> None:
    options = ("events", "--visitors", "300", "--epoch", "1738333800000", "--generation", "xlab")
    one, other = dogfood(*options), dogfood(*options)
    assert one.stdout == other.stdout
    assert len(one.stdout.splitlines()) > 300


def test_mpic_that_never_answers_is_reported(home: Path, tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        done = call_in(home, "run", "--experiment", "x", "--mpic", f"http://127.0.0.1:{port}", "--visitors", "10")
    assert done.returncode == 2
    assert "takes too long" in done.stderr


def test_up_status_down(tmp_path: Path) -> None:
    ports = ("--mpic-port", str(free_port()), "--intake-port", str(free_port()))
    services = ("--only", "mpic", "--only", "intake")
    assert call_in(tmp_path, "up", *ports, *services).returncode == 0
    states = json.loads(call_in(tmp_path, "status", "--json").stdout)
    assert [(state["name"], state["health"]) for state in states] == [
        ("mpic", "healthy"), ("intake", "healthy"), ("wiki", "stopped"),
    ]  # fmt: skip
    assert [str(state["port"]) for state in states[:2]] == [ports[1], ports[3]]
    again = call_in(tmp_path, "up", *ports, *services)
    assert again.returncode == 0
    assert json.loads(call_in(tmp_path, "status", "--json").stdout) == states
    moved = call_in(tmp_path, "up", "--intake-port", str(free_port()), *services)
    assert moved.returncode == 2
    assert "stop it first with `dogfood down`" in moved.stderr
    assert call_in(tmp_path, "down").stdout == "stopped intake, mpic\n"
    assert call_in(tmp_path, "down").stdout == "nothing was running\n"
    assert {state.health for state in Testbed(tmp_path / "testbed").status()} == {"stopped"}
    for state in states[:2]:
        # An ended process that is not reaped yet is a zombie.
        assert not psutil.pid_exists(state["pid"]) or psutil.Process(state["pid"]).status() == psutil.STATUS_ZOMBIE


def test_crashed_service_is_noticed_and_restarted(tmp_path: Path) -> None:
    testbed = Testbed(tmp_path / "testbed")
    ports = {"mpic": free_port(), "intake": free_port()}
    try:
        intake = testbed.up(ports, WITHOUT_WIKI)[1]
        assert intake.pid
        os.kill(intake.pid, signal.SIGKILL)
        os.waitpid(intake.pid, 0)
        assert [state.health for state in testbed.status()] == ["healthy", "stopped", "stopped"]
        assert [state.health for state in testbed.up(ports, WITHOUT_WIKI)] == ["healthy", "healthy", "stopped"]
    finally:
        testbed.down()


def test_a_taken_port_starts_nothing(tmp_path: Path) -> None:
    testbed = Testbed(tmp_path / "testbed")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(DogfoodError, match=rf"port {port} \(intake\) cannot be used"):
            testbed.up({"mpic": free_port(), "intake": port})
    deadline = time.monotonic() + 60
    while {state.health for state in testbed.status()} != {"stopped"}:
        assert time.monotonic() < deadline, "a service was left running"


def test_foreign_process_is_never_stopped(tmp_path: Path) -> None:
    testbed = Testbed(tmp_path / "testbed")
    (tmp_path / "testbed").mkdir()
    mine = {"pid": os.getpid(), "born": 1.0, "port": 1}
    (tmp_path / "testbed" / "intake.json").write_text(json.dumps(mine))
    assert {state.health for state in testbed.status()} == {"stopped"}
    assert testbed.down() == []


def test_help_names_the_exit_codes(dogfood: Call) -> None:
    assert "3 INCONCLUSIVE" in dogfood("--help").stdout
    assert "4 INVALID" in dogfood("run", "--help").stdout
