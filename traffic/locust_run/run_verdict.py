"""A run's verdict for Locust's output and web page: the command for it, and its execution."""

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

#: The one target whose table the kit can read.
_LOCAL_TARGET = "local"

#: Fields of a verdict that the web page shows.
_SHOWN = ("verdict", "layer", "sentence", "page", "reconciliation")


def analyse_command(folder: Path, manifest: Manifest) -> tuple[str, ...]:
    """Return the command that judges the run in *folder*; ROWS in it stands for files to be fetched first."""
    rows = ("--ingest",) if manifest.target.get("name") == _LOCAL_TARGET else ("--observed", "ROWS")
    return ("dogfood", "analyse", str(folder), *rows)


def next_step(folder: Path, manifest: Manifest) -> str:
    """Return an instruction for judging the run in *folder*."""
    command = analyse_command(folder, manifest)
    rows = "; ROWS are the files, or the folder, of the rows that landed" if "ROWS" in command else ""
    return f"judge it with `{shlex.join(command)}`{rows}"


class Judgement:
    """Judges a run in a separate process, and holds the state of the judgement."""

    def __init__(self) -> None:
        self._is_under_way = False
        self._problem = ""

    def start(self, folder: Path) -> None:
        """Start judging the run in *folder*, if its rows are in the testbed."""
        try:
            command = analyse_command(folder, Manifest.read(folder))
        except DogfoodError as error:
            self._problem = str(error)
            return
        if "ROWS" not in command and not self._is_under_way:
            self._is_under_way = True
            gevent.spawn(self._judge, command)

    def state(self, folder: Path) -> Mapping[str, Any]:
        """Return the verdict on the run in *folder*, or why it is missing."""
        try:
            verdict = orjson.loads((folder / VERDICT).read_bytes())
        except (OSError, orjson.JSONDecodeError):
            verdict = {}
        shown = {name: verdict.get(name) for name in _SHOWN}
        return {**shown, "under_way": self._is_under_way, "problem": self._problem, "next": _next_step(folder)}

    def _judge(self, command: tuple[str, ...]) -> None:
        program = Path(sys.executable).with_name(command[0])
        try:
            process = cooperative.Popen(
                [str(program), *command[1:]],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                env=child_environment("DOGFOOD_TESTBED", "DOGFOOD_RUNS"),
            )  # fmt: skip
            stderr = process.communicate()[1].decode(errors="replace").strip()
            self._problem = stderr.splitlines()[-1].removeprefix("error: ") if stderr else ""
        except OSError as error:
            self._problem = f"{program} does not start: {error.strerror}"
        finally:
            self._is_under_way = False


def _next_step(folder: Path) -> str:
    try:
        return next_step(folder, Manifest.read(folder))
    except DogfoodError as error:
        return str(error)
