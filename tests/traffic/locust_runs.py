"""Locust with the kit's locustfiles as a process, for tests."""

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
        process: the master, or the only process.
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
        """Output of all its processes."""
        return self._log.read_text(errors="replace")

    @property
    def run(self) -> Path:
        """Folder of its newest run."""
        return find_run(self.runs, "latest")

    def children(self) -> list[psutil.Process]:
        """Return its child processes, also indirect ones."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def sent(self) -> int:
        """Return the number of events with an intent in its ledgers."""
        return sum(count_sent(path) for path in self.runs.glob(f"2*/{LEDGER}/worker-*.ndjson"))

    def await_sent(self, events: int) -> None:
        """Wait until *events* events were sent."""
        until(lambda: self.sent() >= events, f"{events} events were not sent", self)

    def end(self) -> int:
        """Wait until all its processes have ended; return its exit code."""
        until(lambda: self.process.poll() is not None, "Locust did not end", self)
        # A process that still runs keeps the pipe open.
        until(lambda: self._copier.poll() is not None, "Locust left processes behind", self)
        return int(self.process.returncode)


def until(condition: Callable[[], object], message: str, locust: Locust | None = None) -> None:
    """Wait until *condition* holds. Raises AssertionError with *message* after `TIMEOUT_S`."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"{message}: {locust.output if locust else ''}"
        time.sleep(0.05)


@contextmanager
def locust(
    runs: Path, *options: str, file: str = "ctr", environment: Mapping[str, str] | None = None, headless: bool = True,
    prefix: tuple[str, ...] = (),
) -> Iterator[Locust]:  # fmt: skip
    """Run a locustfile until the block ends.

    Args:
        runs: folder of its runs.
        options: options of Locust and the locustfile.
        file: name of the locustfile.
        environment: additional environment variables.
        headless: run without a web page.
        prefix: command that runs Locust.
    """
    runs.mkdir(exist_ok=True)
    command = [*prefix, sys.executable, "-m", "locust", "-f", f"locustfiles/{file}.py", "--only-summary"]
    command += ["--headless"] if headless else []
    log = runs.parent / f"locust-{len(list(runs.parent.glob('locust-*')))}.log"
    with log.open("wb") as output:
        copier = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=output)
    pipe = copier.stdin
    assert pipe is not None
    process = subprocess.Popen(
        [*command, "--runs", str(runs), *options], cwd=ROOT, stdout=pipe, stderr=pipe, stdin=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})}, start_new_session=True,
    )  # fmt: skip
    pipe.close()
    running = Locust(process, copier, runs, log)
    try:
        yield running
    finally:
        children = running.children() if process.poll() is None else []
        for child in [*children, psutil.Process(process.pid)] if process.poll() is None else []:
            child.kill()
        process.wait(TIMEOUT_S)
        copier.wait(TIMEOUT_S)


def two_workers() -> tuple[str, ...]:
    """Return Locust's options for two workers, on a free port."""
    port = str(free_port())
    return ("--processes", "2", "--master-bind-port", port, "--master-port", port)
