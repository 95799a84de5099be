"""The commands that help: doctor, open, completion, and the help of all others."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from common.errors import DogfoodError
from dogfood.cli import cli
from dogfood.cli_examples import EXAMPLES, every_command
from tests.dogfood.conftest import Call

COMMANDS = dict(every_command(cli))


def test_doctor_passes_on_a_running_testbed(dogfood: Call) -> None:
    done = dogfood("doctor", "--json")
    by_name = {(item["area"], item["subject"]): item for item in json.loads(done.stdout)}
    assert by_name["intake", "schema"]["condition"] == "fine"
    assert by_name["mpic", "experiments"]["condition"] == "fine"
    missing = {key for key, item in by_name.items() if item["condition"] == "missing"}
    # This testbed has neither a wiki nor, until a run was made, an experiment.
    assert missing <= {("mpic", "experiment"), ("mpic", "instrument"), ("testbed", "wiki")}
    assert done.returncode == int(bool(missing))


def test_doctor_reports_an_unknown_target(dogfood: Call) -> None:
    done = dogfood("doctor", "--target", "nope")
    assert done.returncode == 1
    assert "no target 'nope'" in done.stdout
    assert "docs/reference/targets.md" in done.stdout


def test_open_prints_the_reports_path(dogfood: Call, home: Path) -> None:
    run = home / "runs" / "judged"
    run.mkdir(parents=True)
    (run / "manifest.json").write_text("{}")
    done = dogfood("open", "judged")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "dogfood analyse judged" in done.stderr
    (run / "report.html").write_text("<html>")
    assert dogfood("open", "judged", "--print").stdout.strip() == str(run / "report.html")
    content = json.loads(dogfood("open", "judged", "--json").stdout)
    assert content["address"] == (run / "report.html").as_uri()


def completed(*words: str, runs: Path) -> list[str]:
    """Return what bash would offer for the last of *words*."""
    environment = {
        "_DOGFOOD_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("dogfood", *words)),
        "COMP_CWORD": str(len(words)),
        "DOGFOOD_RUNS": str(runs),
        "PATH": "/usr/bin:/bin",
    }
    code = "from dogfood.cli import cli; cli(prog_name='dogfood')"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_the_shell_completes_commands_options_and_runs(tmp_path: Path) -> None:
    (tmp_path / "20261124-044705").mkdir()
    (tmp_path / "20261124-044705" / "manifest.json").write_text("{}")
    assert completed("an", runs=tmp_path) == ["analyse"]
    assert "--observed" in completed("analyse", "--o", runs=tmp_path)
    assert completed("analyse", "2026", runs=tmp_path) == ["20261124-044705"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_is_printed(dogfood: Call, shell: str) -> None:
    done = dogfood("completion", shell)
    assert done.returncode == 0
    assert "_DOGFOOD_COMPLETE" in done.stdout


def test_an_unknown_shell_is_one_line(dogfood: Call) -> None:
    done = dogfood("completion")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_commands_and_examples_match() -> None:
    groups = {name for name, command in COMMANDS.items() if isinstance(command, click.Group)}
    assert EXAMPLES.keys() <= COMMANDS.keys()
    assert COMMANDS.keys() - groups <= EXAMPLES.keys()


def test_help_shows_the_examples(dogfood: Call) -> None:
    output = dogfood("run", "--help").stdout
    assert "Examples:" in output
    assert EXAMPLES["run"][0] in output


def every_error(kind: type[DogfoodError] = DogfoodError) -> list[type[DogfoodError]]:
    return [kind, *(error for below in kind.__subclasses__() for error in every_error(below))]


def test_pages_of_errors_exist() -> None:
    root = Path(__file__).resolve().parents[2]
    pages = {error.page for error in every_error()} - {""}
    assert len(pages) > 3
    assert [page for page in sorted(pages) if not (root / page).is_file()] == []
