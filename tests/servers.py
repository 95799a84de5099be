"""The testbed's services as processes, for tests: started on a free port, stopped by process id."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from common.ports import free_port

#: Seconds within which a service has to answer: on a busy machine Python alone takes some.
WITHIN_S = 120


class Server:
    """A running service."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self.process = process
        self.url = url

    def kill(self) -> None:
        """Kill the process, as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)


@contextmanager
def serving(module: str, *arguments: str, port: int | None = None, log: Path) -> Iterator[Server]:
    """Run `python -m module` until the block ends.

    Raises:
        AssertionError: it does not answer within two minutes; the message has its last line.
    """
    port = port or free_port()
    command = [sys.executable, "-W", "error", "-m", module, "--port", str(port), *arguments]
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        _await(process, port, module, log)
        yield Server(process, f"http://127.0.0.1:{port}")
    finally:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(60)


def _await(process: subprocess.Popen[bytes], port: int, module: str, log: Path) -> None:
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(httpx.HTTPError):
            httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=20, trust_env=False)
            return
        time.sleep(0.02)
    lines = log.read_text(errors="replace").strip().splitlines()
    raise AssertionError(f"{module} did not come up: {lines[-1] if lines else 'it printed nothing'}")
