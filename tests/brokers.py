"""A Kafka broker for tests, on a free port; tests can kill and restart it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from common.ports import free_port
from tests.wikis import need


def need_client() -> None:
    """Skip the test when the client library is not installed; in CI that is a failure."""
    if find_spec("confluent_kafka") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("confluent-kafka not installed")


class RunningBroker:
    """A broker with its data in `folder/kafka`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.bootstrap = f"127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the broker and wait until it responds."""
        from contracts.kafka import is_reachable

        command = [sys.executable, "-m", "testbed.stream.kafka", "--port", str(self._port)]
        command += ["--data", str(self._folder / "kafka")]
        with (self._folder / "kafka.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 240
        while not is_reachable(self.bootstrap, within_s=1):
            text = (self._folder / "kafka.log").read_text(errors="replace")[-2000:]
            assert self._process.poll() is None, f"Kafka did not come up: {text}"
            assert time.monotonic() < deadline, f"Kafka does not answer: {text}"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the broker."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill the broker, as a crash would."""
        self.signal(signal.SIGKILL)
        self.wait()

    def wait(self) -> None:
        """Wait for the end of the broker."""
        assert self._process is not None
        self._process.wait(120)


@contextmanager
def running_broker(folder: Path) -> Iterator[RunningBroker]:
    """Run a broker until the block ends; skip the test where programs are missing (in CI: fail)."""
    need("java", "mvn")
    need_client()
    broker = RunningBroker(folder)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()
