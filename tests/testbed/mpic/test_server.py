"""MPIC as a process: start, use over HTTP, stop and kill."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from contracts.generation import Generation
from contracts.mpic_client import MpicClient
from tests.testbed.mpic.browser import Browser
from tests.testbed.mpic.conftest import HEADERS, config, path

ROOT = Path(__file__).resolve().parents[3]


def command(database: Path, port: int = 0) -> list[str]:
    return [sys.executable, "-m", "testbed.mpic", "--port", str(port), "--database", str(database)]


@contextmanager
def running(database: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run MPIC on a free port; yield the process and its URL."""
    with (
        database.with_suffix(".log").open("a") as log,
        subprocess.Popen(command(database), stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT) as process,
    ):
        try:
            assert process.stdout
            yield process, process.stdout.readline().split()[-1]
        finally:
            process.kill()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "mpic.sqlite"


def test_an_operator_can_use_a_running_service(database: Path) -> None:
    with running(database) as (process, base):
        with httpx.Client(base_url=base, trust_env=False) as client, MpicClient(base) as mpic:
            assert client.get("/healthz").json() == {"status": "ok"}
            browser = Browser(client)
            form = browser.visit("/experiments/new").form("/experiments/new")
            values = {
                "slug": "menu",
                "name": "Menu",
                "feature_name": "f",
                "feature_values": "a, b",
                "feature_control": "a",
            }
            page = browser.press(form, "Create experiment", {**values, "default_rate": "0.1", "status": "1"})
            assert page.answer.url.path == "/experiments/menu"
            page = browser.press(page.form("/operator"), "Use it", {"operator": "Ada"})
            address = "/experiments/menu/edit"
            page = browser.press(browser.visit(address).form(address), "Save changes", {"default_rate": "0.2"})
            assert "Ada changed it" in page.text
            [experiment] = mpic.experiments(Generation.ALPHA)
            assert (experiment.sample_rate.default, experiment.groups) == (0.2, ("a", "b"))
            browser.press(page.form("/experiments/menu/status"), "Switch off menu")
            assert not mpic.experiments(Generation.ALPHA)[0].status
            assert client.get("/static/mpic.css").headers["content-type"].startswith("text/css")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    log = database.with_suffix(".log").read_text()
    assert "experiment menu saved by Ada" in log
    assert "Traceback" not in log


def test_forms_outlive_a_restart(database: Path) -> None:
    with running(database) as (_, base), httpx.Client(base_url=base, trust_env=False) as client:
        form = Browser(client).visit("/instruments/new").form("/instruments/new")
        cookies = client.cookies
    with running(database) as (_, base), httpx.Client(base_url=base, trust_env=False, cookies=cookies) as client:
        page = Browser(client).press(form, "Create instrument", {"slug": "menu", "name": "Menu"})
        assert page.answer.url.path == "/instruments/menu"


def test_acknowledged_changes_survive_a_kill(database: Path) -> None:
    with running(database) as (process, base), httpx.Client(base_url=base, trust_env=False) as client:
        for number in range(20):
            body = config("alpha", slug=f"e{number}")
            assert client.put(path("alpha", f"e{number}"), json=body, headers=HEADERS).status_code == 201
        os.kill(process.pid, signal.SIGKILL)
    with running(database) as (_, base), MpicClient(base) as mpic:
        assert [item.name for item in mpic.experiments(Generation.ALPHA)] == [f"e{number}" for number in range(20)]


def failure(arguments: list[str]) -> str:
    """Return the single line that MPIC prints when it cannot start."""
    process = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert process.returncode == 2
    assert process.stdout == ""
    [line] = process.stderr.splitlines()
    return line


def test_a_port_in_use_is_reported(database: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert f"cannot listen on 127.0.0.1:{port}" in failure(command(database, port))


def test_an_invalid_database_is_reported(database: Path) -> None:
    database.write_bytes(b"this was never a database " * 100)
    assert str(database) in failure(command(database))
    assert "name another file" in failure(command(database / "below"))
