"""`python -m tests.chaos --kills 20`: every series, and a table of what was killed and what was found afterwards."""

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
    """Run the series that were asked for; exit with 1 when one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="of each victim")
    parser.add_argument("--only", choices=SERIES, action="append", help="repeatable")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    is_ours = create_folder()
    try:
        sys.exit(_run(options))
    finally:
        if is_ours:
            remove_folder()


def _run(options: argparse.Namespace) -> bool:
    """Run the series and print the table; return whether one of them failed."""
    lines, failed = (
        ["| killed | kills inside the work | acknowledged before | found afterwards | took |", "|---|---|---|---|---|"],
        False,
    )
    for name in options.only or SERIES:
        begin = time.monotonic()
        result = _played(name, options.kills, options.seed)
        failed |= isinstance(result, str)
        message = result if isinstance(result, str) else f"{result.kills} | {result.acknowledged:,} | {result.after}"
        lines.append(f"| {name} | {message} | {time.monotonic() - begin:.0f} s |")
        print(lines[-1], flush=True)
    print("\n" + "\n".join(lines))
    return failed


def _played(name: str, kills: int, seed: int) -> Result | str:
    with tempfile.TemporaryDirectory(prefix=f"chaos-{name}-") as folder:
        try:
            return SERIES[name](Path(folder), kills, random.Random(f"{seed}/{name}"))  # noqa: S311 (to be repeated)
        except (Exception, pytest.fail.Exception, pytest.skip.Exception) as error:
            return f"– | – | FAILED: {type(error).__name__}: {' '.join(str(error).split())[:200]}"


if __name__ == "__main__":
    main()
