"""`python -m tests.chaos --kills 20`: run every kill series and print a table of results."""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.chaos.series import SERIES, Result
from tests.shared import create_folder, remove_folder


def main() -> None:
    """Run the chosen series; exit with 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="Kills per series. [default: 20]")
    parser.add_argument("--only", choices=SERIES, action="append", help="Run this series only. Repeatable.")
    parser.add_argument("--seed", type=int, default=1, help="Random seed. [default: 1]")
    options = parser.parse_args()
    is_ours = create_folder()
    try:
        sys.exit(_run(options))
    finally:
        if is_ours:
            remove_folder()


def _run(options: argparse.Namespace) -> bool:
    """Run the series and print the table; return whether one failed."""
    lines, failed = (
        [
            "| killed | kills during the work | acknowledged before | state afterwards | duration |",
            "|---|---|---|---|---|",
        ],
        False,
    )
    for name in options.only or SERIES:
        started_s = time.monotonic()
        result = _run_series(name, options.kills, options.seed)
        failed |= isinstance(result, str)
        message = result if isinstance(result, str) else f"{result.kills} | {result.acknowledged:,} | {result.after}"
        lines.append(f"| {name} | {message} | {time.monotonic() - started_s:.0f} s |")
        print(lines[-1], flush=True)
    print("\n" + "\n".join(lines))
    return failed


def _run_series(name: str, kills: int, seed: int) -> Result | str:
    with tempfile.TemporaryDirectory(prefix=f"chaos-{name}-") as folder:
        try:
            return SERIES[name](Path(folder), kills, random.Random(f"{seed}/{name}"))  # noqa: S311 (reproducible)
        except (Exception, pytest.fail.Exception, pytest.skip.Exception) as error:
            return f"– | – | FAILED: {type(error).__name__}: {' '.join(str(error).split())[:200]}"


if __name__ == "__main__":
    main()
