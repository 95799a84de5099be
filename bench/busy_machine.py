"""Runs the main job on a machine that has too much to do: each run has to end GO or INVALID, and none in NO-GO.

`python -m bench.busy_machine --runs 10 --burners 8` starts that many processes that use all the CPU they get, at the usual
priority, and then `dogfood run` with the three fidelities. Options after `--` go to `dogfood run`.
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

#: Exit codes that say nothing wrong of a platform that is well: GO, and INVALID.
RIGHT = (0, 4)

_FIDELITIES = ("--fidelity", "browser,wiki,synthetic")
_NAMES = {0: "GO", 1: "NO-GO", 2: "wrong use", 3: "INCONCLUSIVE", 4: "INVALID"}


class Ended(NamedTuple):
    """One run under load: exit code, seconds that it took, and the line that says why."""

    code: int
    seconds: float
    line: str


@contextmanager
def burning(count: int) -> Iterator[None]:
    """Keep *count* processes busy until the block ends."""
    # A burner ends by itself when its standard input is closed, as when this process is killed.
    code = "import sys, threading; threading.Thread(target=lambda: (sys.stdin.read(), __import__('os')._exit(0)), "
    code += "daemon=True).start()\nwhile True: sum(range(100_000))"
    burners = [subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) for _ in range(count)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.communicate()


def run_once(options: Sequence[str]) -> Ended:
    """Run the main job once with *options*."""
    command = [sys.executable, "-c", "from dogfood.cli import main; main()", "run", *_FIDELITIES, *options]
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines() or [""]
    told = [line for line in lines if "INVALID" in line or "NO-GO" in line] or lines
    return Ended(done.returncode, time.monotonic() - begun, told[-1].strip())


def main() -> None:
    """Run, print a line for each run, and end with 1 when one of them said anything but GO or INVALID."""
    parser = argparse.ArgumentParser(prog="python -m bench.busy_machine", description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="how many [10]")
    parser.add_argument("--burners", type=int, default=8, help="busy processes beside them [8]")
    parser.add_argument("options", nargs="*", help="of dogfood run, after --")
    asked = parser.parse_args()
    table = Table("run", "verdict", "seconds", "line", title=f"{asked.runs} runs beside {asked.burners} busy processes")
    codes = []
    with burning(asked.burners):
        for number in range(1, asked.runs + 1):
            ended = run_once(asked.options)
            codes.append(ended.code)
            name = _NAMES.get(ended.code, str(ended.code))
            table.add_row(str(number), name, f"{ended.seconds:.0f}", ended.line)
            print(f"{number}: {name} after {ended.seconds:.0f} s: {ended.line}", flush=True)
    Console().print(table)
    sys.exit(int(any(code not in RIGHT for code in codes)))


if __name__ == "__main__":
    main()
