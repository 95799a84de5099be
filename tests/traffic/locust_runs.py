"""Locust with our locustfiles as a process, for tests: started, looked at while it runs, gone when the test is over."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from common.ports import free_port
from run_record.ledger.rows import count_sent
from run_record.run_folder import LEDGER, find_run

ROOT = Path(__file__).resolve().parents[2]

#: Generous: machines are shared and slow.
TIMEOUT_S = 90.0


class Locust:
    """A running Locust.

    Attributes:
        process: of the master, or the only one.
        runs: folder of its runs.
    """

    def __init__(
        self, process: "subprocess.Popen[bytes]", copier: "subprocess.Popen[bytes]", runs: Path, log: Path
    ) -> None:
        self.process = process
        self.runs = runs
        self._copier = copier
        self._log = log

    @property
    def output(self) -> str:
        """All that it and its children printed."""
        return self._log.read_text(errors="replace")

    @property
    def run(self) -> Path:
        """The folder of its newest run."""
        return find_run(self.runs, "latest")

    def children(self) -> list[psutil.Process]:
        """Return all processes that it has started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def sent(self) -> int:
        """Return how many events its ledgers have intents for."""
        return sum(count_sent(path) for path in self.runs.glob(f"2*/{LEDGER}/worker-*.ndjson"))

    def await_sent(self, events: int) -> None:
        """Wait until so many events were sent."""
        until(lambda: self.sent() >= events, f"{events} events were not sent", self)

    def end(self) -> int:
        """Wait until it and all that it has started have ended; return its exit code."""
        until(lambda: self.process.poll() is not None, "Locust did not end", self)
        # A process that can still print keeps the pipe open.
        until(lambda: self._copier.poll() is not None, "Locust left processes behind", self)
        return int(self.process.returncode)


def until(condition: Callable[[], object], otherwise: str, locust: Locust | None = None) -> None:
    """Wait until *condition* holds. Raises AssertionError, *otherwise*, when it does not come to that."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"{otherwise}: {locust.output if locust else ''}"
        time.sleep(0.05)


@contextmanager
def locust(
    runs: Path, *options: str, file: str = "ctr", environment: Mapping[str, str] | None = None, headless: bool = True,
    prefix: tuple[str, ...] = (),
) -> Iterator[Locust]:  # fmt: skip
    """Run a locustfile until the block ends.

    Args:
        runs: folder of its runs.
        options: of Locust and the locustfile.
        file: name of the locustfile.
        environment: variables besides this process' own.
        headless: without a web page.
        prefix: words in front of the command.
    """
    runs.mkdir(exist_ok=True)
    words = [*prefix, sys.executable, "-m", "locust", "-f", f"locustfiles/{file}.py", "--only-summary"]
    words += ["--headless"] if headless else []
    log = runs.parent / f"locust-{len(list(runs.parent.glob('locust-*')))}.log"
    with log.open("wb") as output:
        copier = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=output)
    pipe = copier.stdin
    assert pipe is not None
    process = subprocess.Popen(
        [*words, "--runs", str(runs), *options], cwd=ROOT, stdout=pipe, stderr=pipe, stdin=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})}, start_new_session=True,
    )  # fmt: skip
    pipe.close()
    running = Locust(process, copier, runs, log)
    try:
        yield running
    finally:
        left = running.children() if process.poll() is None else []
        for child in [*left, psutil.Process(process.pid)] if process.poll() is None else []:
            child.kill()
        process.wait(TIMEOUT_S)
        copier.wait(TIMEOUT_S)


def two_workers() -> tuple[str, ...]:
    """Return Locust's options for two workers, on a port that nobody else uses."""
    port = str(free_port())
    return ("--processes", "2", "--master-bind-port", port, "--master-port", port)
