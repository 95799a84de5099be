"""Runs whose stream is in Kafka, from the command line to the verdict."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from common.ports import free_port
from dogfood.testbed_control.services import Testbed
from dogfood.testbed_control.stream import StreamChoice, StreamKind
from tests.brokers import RunningBroker
from tests.dogfood.conftest import WITHOUT_WIKI, call_in
from tests.wikis import need

QUICK = ("--visitors", "1200", "--arrival-rate", "600", "--time-scale", "20000")
STREAM = "product_metrics.web_base"


#: A run lets the intake produce one, to see that the table has none.
CANARIES = 1


@pytest.fixture(scope="module")
def kafka_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a testbed that starts its Kafka."""
    need("java", "mvn")
    folder = tmp_path_factory.mktemp("kafka")
    ports = [word for name in ("kafka", *WITHOUT_WIKI) for word in (f"--{name}-port", str(free_port()))]
    only = [word for name in WITHOUT_WIKI for word in ("--only", name)]
    done = call_in(folder, "up", "--stream", "kafka", *ports, *only, timeout=400)
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        yield folder
    finally:
        Testbed(folder / "testbed").down()


def states(folder: Path) -> dict[str, dict[str, object]]:
    return {state.name: state._asdict() for state in Testbed(folder / "testbed").status()}


def verdict(folder: Path) -> tuple[str, dict[str, int]]:
    content = json.loads((folder / "runs" / "latest" / "verdict.json").read_text())
    return content["verdict"], content["reconciliation"]


def test_run_on_kafka_is_go_without_loss(kafka_home: Path) -> None:
    done = call_in(kafka_home, "run", *QUICK, "--batch", "5")
    assert done.returncode == 0, done.stdout + done.stderr
    word, counts = verdict(kafka_home)
    assert word == "GO"
    assert counts["offered"] == counts["ok"] > 2000
    assert counts["lost"] == counts["duplicated"] == counts["unexpected"] == 0
    assert not (kafka_home / "testbed" / "stream").exists()
    checks = {
        check["name"]: check for check in json.loads((kafka_home / "runs/latest/verdict.json").read_text())["checks"]
    }
    assert checks["canaries"]["summary"].endswith("The stream had 1 of them.")
    known = {state["name"]: state for state in json.loads(call_in(kafka_home, "status", "--json").stdout)}
    assert list(known) == ["kafka", "mpic", "intake", "wiki"]
    assert {name: state["health"] for name, state in known.items()} == {
        "kafka": "healthy", "mpic": "healthy", "intake": "healthy", "wiki": "stopped",
    }  # fmt: skip


def test_stream_is_tailed_and_run_is_watched(kafka_home: Path) -> None:
    offered = verdict(kafka_home)[1]["offered"]
    clicks = call_in(kafka_home, "watch", "--once", "--json", "--filter", "action=click")
    events = [json.loads(line) for line in clicks.stdout.splitlines()]
    assert {event["action"] for event in events} == {"click"}
    summary = f"{len(events):,} events in 0 s ({len(events):,} click) · {offered + CANARIES - len(events):,} others"
    assert clicks.stderr == f"{summary}\n"
    assert len(call_in(kafka_home, "watch", "--from-beginning", "--count", "3").stdout.splitlines()) == 4
    assert call_in(kafka_home, "watch", "--json", "--for", "300ms", "--every", "0.1").stdout == ""
    watched = json.loads(call_in(kafka_home, "watch", "latest", "--once", "--json").stdout)
    assert watched["events"] == offered
    unknown = call_in(kafka_home, "watch", "--once", "--stream", "no.such")
    assert unknown.returncode == 2
    assert "has no stream 'no.such' yet" in unknown.stderr


def test_another_stream_needs_a_testbed_that_is_down(kafka_home: Path) -> None:
    done = call_in(kafka_home, "up", "--stream", "segments")
    assert done.returncode == 2
    assert done.stderr == "error: kafka and intake run with another stream; stop them with `dogfood down`\n"


def test_killed_broker_restarts_with_its_data(kafka_home: Path) -> None:
    testbed = Testbed(kafka_home / "testbed")
    before = states(kafka_home)["kafka"]
    assert isinstance(before["pid"], int)
    os.kill(before["pid"], signal.SIGKILL)
    psutil.wait_procs([psutil.Process(before["pid"])] if psutil.pid_exists(before["pid"]) else [], timeout=120)
    assert states(kafka_home)["kafka"]["health"] == "stopped"
    done = call_in(kafka_home, "ingest")
    assert done.returncode == 2
    assert done.stderr == "error: the stream is in Kafka, which is stopped; start it with `dogfood up`\n"
    testbed.up({"kafka": int(str(before["port"]))}, WITHOUT_WIKI)
    assert json.loads(call_in(kafka_home, "ingest").stdout)["read"] == 0
    shown = call_in(kafka_home, "watch", "--once", "--json").stdout.splitlines()
    assert len(shown) == verdict(kafka_home)[1]["ok"] + CANARIES


def test_external_kafka_is_used_and_not_stopped(broker: RunningBroker, tmp_path: Path) -> None:
    intake = ("--only", "intake", "--intake-port", str(free_port()))
    done = call_in(tmp_path, "up", "--kafka", broker.bootstrap, *intake)
    testbed = Testbed(tmp_path / "testbed")
    try:
        assert done.returncode == 0, done.stderr
        assert testbed.stream == StreamChoice(StreamKind.KAFKA, broker.bootstrap)
        result = states(tmp_path)
        assert (result["kafka"]["health"], result["kafka"]["address"]) == ("healthy", broker.bootstrap)
        assert result["kafka"]["pid"] is None
    finally:
        assert testbed.down() == ["intake"]
    assert states(tmp_path)["kafka"]["health"] == "healthy"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--kafka", "127.0.0.1:1", "--stream", "segments"), "leave one out"),
        (("--only", "kafka"), "does not start a Kafka; add --stream kafka"),
        (("--kafka", "127.0.0.1:1", "--only", "intake", "--intake-port", "{port}"), "does not answer"),
    ],
)
def test_contradicting_options_are_one_line(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    done = call_in(tmp_path, "up", *(word.format(port=free_port()) for word in arguments))
    assert done.returncode in (2, 4)
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments", [("watch", "--once", "--kafka", "x:1"), ("up", "--kafka", "x:1", "--only", "intake")]
)
def test_missing_kafka_client_names_the_package(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code = "import sys; sys.modules['confluent_kafka'] = None; from dogfood.cli import main; main()"
    command = [sys.executable, "-c", code, *arguments, "--testbed", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "error: Kafka needs the package confluent-kafka: pip install '.[kafka]', "
        "or leave out --stream kafka and --kafka\n"
    )


def test_a_record_that_makes_no_sense_is_said(tmp_path: Path) -> None:
    (tmp_path / "testbed").mkdir()
    (tmp_path / "testbed" / "stream.json").write_text('{"kind": "pigeons", "bootstrap": ""}')
    done = call_in(tmp_path, "status")
    assert done.returncode == 2
    assert "stream.json" in done.stderr
    assert "remove it" in done.stderr
