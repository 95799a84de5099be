"""Malformed messages to Locust's master, from strangers or faulty workers, are refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import psutil
import pytest
import zmq

from common.ports import free_port
from run_record.ledger.files import read_ledger
from run_record.load_report.report import LoadReport
from tests.servers import Server, serving
from tests.traffic.locust_runs import Locust, locust, two_workers, until
from traffic.locust_run.run_secret import protect_worker
from traffic.locust_run.worker_messages import ROWS, MalformedMessageError, ledger_rows, parse

ROW = '{"intent":0,"events":[[0,0,1]],"intended_ms":1,"sent_ms":1}\n'

#: Malformed messages: kind and data, or bytes.
MALFORMED: list[tuple[str, Any] | bytes] = [
    ("dogfood-ledger-rows", {"worker": "../../../escaped", "rows": ROW}),
    ("dogfood-ledger-rows", {"worker": "worker-0-1", "rows": "not a row"}),
    ("client_ready", {"version": 1}),
    ("client_ready", 7),
    ("heartbeat", None),
    ("heartbeat", {"state": "wild", "current_cpu_usage": "much"}),
    ("stats", {"stats": 3}),
    ("spawning_complete", []),
    ("dogfood-worker-done", {"name": 3}),
    ("dogfood-worker-stopped", "bye"),
    ("locustfile", {"version": "2"}),
    ("logs", {}),
    ("exception", None),
    (["list"], None),  # type: ignore[list-item]
    b"\xc1",
    msgpack.dumps(["too", "short"]),
    msgpack.dumps(7),
]


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[Server]:
    with serving("bench.accept_all_server", log=tmp_path / "stub.log") as server:
        yield server


def packed(message: tuple[str, Any] | bytes, sender: str) -> bytes:
    return message if isinstance(message, bytes) else bytes(msgpack.dumps((*message, sender)))


def attack(port: int, secret: str = "") -> None:
    """Send all malformed messages to a master; with a *secret*, encrypted."""
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.IDENTITY, b"uninvited-client")
    if secret:
        protect_worker(socket, secret)
    socket.connect(f"tcp://127.0.0.1:{port}")
    for message in MALFORMED:
        socket.send(packed(message, "uninvited-client"))
    socket.close(linger=2000)
    context.term()


def take(frames: list[bytes]) -> None:
    """Parse a message as the master does, including its ledger rows."""
    _, kind, data = parse(frames)
    if kind == ROWS:
        ledger_rows(data, "worker", 0)


def check_complete(running: Locust, events: int) -> None:
    """Check that the run finished with all events, and without files of others."""
    code = running.end()
    load, ledger = LoadReport.read(running.run), read_ledger(running.run / "ledger")
    assert (load.offered, load.sent, len(ledger.visit)) == (events,) * 3, running.output
    assert not list(running.runs.parent.rglob("*escaped*"))
    assert len(list((running.run / "ledger").iterdir())) == len(load.workers)
    assert code == (4 if load.invalid else 0), running.output


def test_strangers_messages_do_not_arrive(tmp_path: Path, stub: Server) -> None:
    workers = two_workers()
    options = ("--intake", f"{stub.url}/v1/events", "--event-rate", "100/s", "--run-time", "6s", *workers)
    with locust(tmp_path / "runs", *options) as running:
        running.await_sent(1)
        attack(int(workers[-1]))
        check_complete(running, 600)
    assert "uninvited-client" not in running.output


def test_a_run_survives_malformed_messages(tmp_path: Path, stub: Server) -> None:
    port, secret = free_port(), "0123456789abcdef0123456789abcdef"
    environment = {"DOGFOOD_SECRET": secret}
    options = ("--intake", f"{stub.url}/v1/events", "--event-rate", "100/s", "--run-time", "6s")
    master = ("--master", "--master-bind-port", str(port), "--expect-workers", "1")
    worker = ("--worker", "--master-port", str(port))
    with (
        locust(tmp_path / "runs", *options, *master, environment=environment) as running,
        locust(tmp_path / "runs", *worker, environment=environment),
    ):
        running.await_sent(1)
        attack(port, secret)
        check_complete(running, 600)
    assert running.output.count("refused: ") >= len(MALFORMED), running.output


def test_master_and_page_listen_on_loopback_only(tmp_path: Path, stub: Server) -> None:
    web = free_port()
    options = ("--intake", f"{stub.url}/v1/events", "--web-port", str(web), *two_workers())
    with locust(tmp_path / "runs", *options, headless=False) as running:
        until(lambda: "reported as ready. 2 workers" in running.output, "workers did not come", running)
        until(lambda: len(_listening(running)) == 2, "the page did not come up", running)
        assert {address for address, _ in _listening(running)} == {"127.0.0.1"}
        running.process.terminate()
        running.end()


@pytest.mark.parametrize("role", [("--master",), ("--worker",)])
def test_separate_processes_need_a_secret(tmp_path: Path, role: tuple[str, ...]) -> None:
    with locust(tmp_path / "runs", *role, environment={"DOGFOOD_SECRET": ""}) as running:
        assert running.end() == 2
    assert "DOGFOOD_SECRET is not set" in running.output


@pytest.mark.parametrize("message", MALFORMED, ids=repr)
def test_malformed_messages_are_refused(message: tuple[str, Any] | bytes) -> None:
    with pytest.raises(MalformedMessageError):
        take([b"uninvited-client", packed(message, "uninvited-client")])


def test_messages_under_another_name_are_refused() -> None:
    with pytest.raises(MalformedMessageError, match="as its sender"):
        parse([b"uninvited-client", packed(("quit", None), "worker")])


@pytest.mark.parametrize("name", ["worker-1-7", "worker-0-", "worker-0-7/../x", "wiki-0-7", "worker-0-7\n", ""])
def test_rows_for_another_ledger_are_refused(name: str) -> None:
    with pytest.raises(MalformedMessageError, match="not its own"):
        ledger_rows({"worker": name, "rows": ROW}, "worker", 0)


def test_rows_for_the_workers_ledger_are_accepted() -> None:
    assert ledger_rows({"worker": "worker-0-7", "rows": ROW}, "worker", 0) == ("worker-0-7", ROW.encode())


def _listening(running: Locust) -> set[tuple[str, int]]:
    processes = [psutil.Process(running.process.pid), *running.children()]
    items = [item for process in processes for item in process.net_connections("inet")]
    return {(item.laddr.ip, item.laddr.port) for item in items if item.status == psutil.CONN_LISTEN}
