"""Runs the main job on an overloaded machine: each run must end in GO or INVALID, never in NO-GO.

`python -m bench.busy_machine --runs 10 --burners 8` starts 8 CPU-bound processes at normal priority, and then
`dogfood run` with the three fidelities 10 times. Options after `--` go to `dogfood run`.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

#: Correct exit codes for a platform without faults: GO and INVALID.
RIGHT = (0, 4)

_FIDELITIES = ("--fidelity", "browser,wiki,synthetic")
_NAMES = {0: "GO", 1: "NO-GO", 2: "wrong use", 3: "INCONCLUSIVE", 4: "INVALID"}


class RunOutcome(NamedTuple):
    """One run under load: exit code, duration in seconds, and the line with the verdict."""

    code: int
    seconds: float
    line: str


@contextmanager
def burning(count: int) -> Iterator[None]:
    """Keep *count* processes busy until the block ends."""
    # A burner ends when its standard input is closed, for example because this process is killed.
    code = "import sys, threading; threading.Thread(target=lambda: (sys.stdin.read(), __import__('os')._exit(0)), "
    code += "daemon=True).start()\nwhile True: sum(range(100_000))"
    burners = [subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) for _ in range(count)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.communicate()


def run_once(options: Sequence[str]) -> RunOutcome:
    """Run the main job once with *options*."""
    command = [sys.executable, "-c", "from dogfood.cli import main; main()", "run", *_FIDELITIES, *options]
    start = time.monotonic()
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (process.stderr.strip() or process.stdout.strip()).splitlines() or [""]
    verdicts = [line for line in lines if "INVALID" in line or "NO-GO" in line] or lines
    return RunOutcome(process.returncode, time.monotonic() - start, verdicts[-1].strip())


def main() -> None:
    """Print a line for each run; exit with 1 when a run ended in neither GO nor INVALID."""
    parser = argparse.ArgumentParser(prog="python -m bench.busy_machine", description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="number of runs [10]")
    parser.add_argument("--burners", type=int, default=8, help="number of busy processes [8]")
    parser.add_argument("options", nargs="*", help="options of dogfood run, after --")
    arguments = parser.parse_args()
    table = Table(
        "run", "verdict", "seconds", "line", title=f"{arguments.runs} runs with {arguments.burners} busy processes"
    )
    codes = []
    with burning(arguments.burners):
        for number in range(1, arguments.runs + 1):
            outcome = run_once(arguments.options)
            codes.append(outcome.code)
            name = _NAMES.get(outcome.code, str(outcome.code))
            table.add_row(str(number), name, f"{outcome.seconds:.0f}", outcome.line)
            print(f"{number}: {name} after {outcome.seconds:.0f} s: {outcome.line}", flush=True)
    Console().print(table)
    sys.exit(int(any(code not in RIGHT for code in codes)))


if __name__ == "__main__":
    main()
