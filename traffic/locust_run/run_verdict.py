"""From a run to its verdict: the command that judges it, and its verdict once there is one."""

import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gevent
import orjson
from gevent import subprocess as cooperative

from common.child_environment import child_environment
from common.errors import DogfoodError
from run_record.manifest import Manifest

VERDICT, REPORT = "verdict.json", "report.html"

#: Files and folders of what lands; only for the target `local` does the kit know where that is.
_LOCAL = "local"

#: What of a verdict the page shows.
_SHOWN = ("verdict", "layer", "sentence", "page", "reconciliation")


def judging_words(folder: Path, manifest: Manifest) -> tuple[str, ...]:
    """Return the command that judges the run in *folder*; ROWS in it stands for files that somebody has to fetch."""
    rows = ("--ingest",) if manifest.target.get("name") == _LOCAL else ("--observed", "ROWS")
    return ("dogfood", "analyse", str(folder), *rows)


def next_step(folder: Path, manifest: Manifest) -> str:
    """Return a line that says how the run in *folder* is judged."""
    words = judging_words(folder, manifest)
    rows = "; ROWS are the files or the folder of the rows that landed" if "ROWS" in words else ""
    return f"judge it with `{shlex.join(words)}`{rows}"


class Judgement:
    """Judges a run beside Locust, and knows how that went."""

    def __init__(self) -> None:
        self._is_under_way = False
        self._problem = ""

    def start(self, folder: Path) -> None:
        """Begin to judge the run in *folder*, if its rows are the testbed's."""
        try:
            words = judging_words(folder, Manifest.read(folder))
        except DogfoodError as error:
            self._problem = str(error)
            return
        if "ROWS" not in words and not self._is_under_way:
            self._is_under_way = True
            gevent.spawn(self._judge, words)

    def state(self, folder: Path) -> Mapping[str, Any]:
        """Return the verdict on the run in *folder*, or why there is none yet."""
        try:
            verdict = orjson.loads((folder / VERDICT).read_bytes())
        except (OSError, orjson.JSONDecodeError):
            verdict = {}
        shown = {name: verdict.get(name) for name in _SHOWN}
        return {**shown, "under_way": self._is_under_way, "problem": self._problem, "next": _next(folder)}

    def _judge(self, words: tuple[str, ...]) -> None:
        program = Path(sys.executable).with_name(words[0])
        try:
            process = cooperative.Popen(
                [str(program), *words[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                env=child_environment("DOGFOOD_TESTBED", "DOGFOOD_RUNS"),
            )  # fmt: skip
            stderr = process.communicate()[1].decode(errors="replace").strip()
            self._problem = stderr.splitlines()[-1].removeprefix("error: ") if stderr else ""
        except OSError as error:
            self._problem = f"{program} does not start: {error.strerror}"
        finally:
            self._is_under_way = False


def _next(folder: Path) -> str:
    try:
        return next_step(folder, Manifest.read(folder))
    except DogfoodError as error:
        return str(error)
