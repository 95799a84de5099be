"""Runs on a platform whose configs are wrong: a verdict with the field, or only a note when they are of others."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from contracts.generation import Generation
from personas.example_experiment import EXPERIMENT, example_experiment, example_instrument
from tests.dogfood.conftest import Call

ALPHA = example_experiment(Generation.ALPHA)
INSTRUMENT = example_instrument()
TEXT_RATE = {"sample_rate": {"default": "0.5"}}


class Configs(ThreadingHTTPServer):
    """An MPIC that serves these experiments and instruments, as they are."""

    def __init__(self, experiments: object, instruments: object) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lists = {"/api/v1/experiments": experiments, "/api/v1/instruments": instruments}


class Handler(BaseHTTPRequestHandler):
    server: Configs

    def do_GET(self) -> None:
        body = json.dumps(self.server.lists[self.path.partition("?")[0]]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving_configs(experiments: object, instruments: object) -> Iterator[str]:
    server = Configs(experiments, instruments)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def latest(home: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((home / "runs" / "latest" / "verdict.json").read_text())
    return content


@pytest.mark.parametrize(
    ("experiment", "instrument", "field"),
    [
        ({"sample_rate": {"default": 1.5}}, {}, "experiment.sample_rate.default"),
        ({}, {"sample_unit": "user"}, "instrument.sample_unit"),
        ({}, TEXT_RATE, "instrument.sample_rate"),
    ],
)
def test_config_without_valid_events_is_no_go(
    home: Path, dogfood: Call, experiment: Mapping[str, object], instrument: Mapping[str, object], field: str
) -> None:
    with serving_configs([{**ALPHA, **experiment}], [{**INSTRUMENT, **instrument}]) as mpic:
        done = dogfood("run", "--mpic", mpic, "--experiment", EXPERIMENT, "--visitors", "200")
    assert done.returncode == 1, done.stdout + done.stderr
    result = latest(home)
    assert (result["verdict"], result["layer"]) == ("NO-GO", "config")
    assert field in result["sentence"]
    again = dogfood("analyse", "latest")
    assert (again.returncode, "Traceback" in again.stderr) == (1, False)
    run = (home / "runs" / "latest").resolve()
    assert {path.name for path in run.iterdir()} >= {"manifest.json", "platform.json", "report.html"}


def test_anothers_text_rate_does_not_stop_a_run(home: Path, dogfood: Call) -> None:
    foreign = {**example_instrument(name="foreign"), **TEXT_RATE}
    with serving_configs([ALPHA], [foreign, INSTRUMENT]) as mpic:
        done = dogfood("run", "--mpic", mpic, "--experiment", EXPERIMENT, "--visitors", "1200", "--arrival-rate", "600",
                       "--time-scale", "20000", "--seed", "51")  # fmt: skip
    result = latest(home)
    configs = next(item for item in result["checks"] if item["name"] == "configs")
    assert configs["verdict"] == "pass", done.stdout + done.stderr
    assert "instruments[0].sample_rate.default" in configs["summary"]
    assert result["reconciliation"]["ok"] > 1000
