"""Benchmark of sessions per minute on the wiki: real browsers, compared with logged-in HTTP sessions.

A browser session logs in, reads up to three pages and sometimes clicks. Its memory is the private memory of Chromium's
processes with all sessions open, minus their minimum, divided by the number of sessions.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from common.errors import DogfoodError
from dogfood.testbed_control.services import Testbed

BROWSERS, CONCURRENCY, SESSIONS = 12, 3, 200
PORTS = {"mpic": 18_286, "intake": 18_292, "wiki": 18_280}


class Memory(threading.Thread):
    """Samples the private memory of all Chromium child processes until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._over = threading.Event()
        self.samples: list[int] = []

    def run(self) -> None:
        """Take samples."""
        while not self._over.wait(0.25):
            total = 0
            for process in psutil.Process().children(recursive=True):
                try:
                    if "chrom" in process.name():
                        total += process.memory_full_info().uss
                except psutil.Error:
                    continue
            if total:
                self.samples.append(total)

    def stop(self) -> list[int]:
        """Stop, and return the samples in bytes."""
        self._over.set()
        self.join()
        return self.samples


def play(folder: Path, *arguments: str) -> float:
    """Run `dogfood` in *folder*; return the seconds from the first page view to the last."""
    command = [sys.executable, "-c", "from dogfood.cli import main; main()", *arguments]
    options = ("--testbed", str(folder / "testbed"), "--runs", str(folder / "runs"))
    process = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    if process.returncode not in (0, 3):
        raise DogfoodError(f"{arguments[0]} failed: {(process.stderr or process.stdout).strip().splitlines()[-1]}")
    times: list[int] = [
        json.loads(line)["at_ms"]
        for path in (folder / "runs" / "latest" / "page_views").glob("*.ndjson")
        for line in path.read_text().splitlines()
    ]
    return (max(times) - min(times)) / 1000


def main() -> None:
    """Measure, and print the table."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        testbed = Testbed(folder / "testbed")
        testbed.up(PORTS)
        try:
            play(folder, "browse", "--scenario", "ctr", "--users", "2")
            memory = Memory()
            memory.start()
            scale = ("--users", str(BROWSERS), "--concurrency", str(CONCURRENCY))
            browsers_s = play(folder, "browse", "--scenario", "ctr", *scale)
            samples = memory.stop()
            http_s = play(folder, "run", "--fidelity", "wiki", "--sessions", str(SESSIONS))
        finally:
            testbed.down()
            time.sleep(0.5)
    browsers, http = BROWSERS / browsers_s * 60, SESSIONS / http_s * 60
    each = (max(samples) - min(samples)) / CONCURRENCY / 2**20
    table = Table(title=f"Sessions on the wiki ({CONCURRENCY} concurrent browser sessions, or 4 HTTP sessions)")
    for column in ("client", "sessions/min", "ratio", "memory per session"):
        table.add_column(column, justify="left" if column == "client" else "right")
    table.add_row("HTTP sessions (locustfiles/wiki.py)", f"{http:,.0f}", "1.0", "–")
    table.add_row("browsers (scenario ctr)", f"{browsers:,.0f}", f"{browsers / http:.3f}", f"{each:,.0f} MiB")
    console.print(table)


if __name__ == "__main__":
    main()
