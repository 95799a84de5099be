"""`dogfood tickets` on the command line."""

import csv
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from common.errors import DogfoodError
from dogfood.cli import cli
from dogfood.tickets.ticket import marked_slugs
from tests.dogfood.tickets.conftest import EPIC, ticket, write
from tests.dogfood.tickets.phabricator import TOKEN, Phabricator, php_form

CODE = "from dogfood.cli import main; main()"


def tickets(*arguments: str, token: str | None = TOKEN) -> subprocess.CompletedProcess[str]:
    """Call `dogfood tickets`."""
    environment = {"PATH": os.defpath, "COLUMNS": "120", "PYTHONPATH": os.pathsep.join(sys.path)}
    if token is not None:
        environment["PHABRICATOR_TOKEN"] = token
    command = [sys.executable, "-W", "error", "-c", CODE, "tickets", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)


def output(*arguments: str) -> str:
    """Return the output of `dogfood tickets`, called within this process: a new one takes a second."""
    done = CliRunner().invoke(cli, ["tickets", *arguments], env={"COLUMNS": "120"}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def in_url(folder: Path, url: str, *more: str) -> tuple[str, ...]:
    return ("--folder", str(folder), "--create", "--phabricator", url, "--pause", "0", *more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "tickets", *EPIC)


def test_plans_tickets_are_valid() -> None:
    done = tickets(token=None)
    assert (done.returncode, done.stderr) == (0, "")
    assert "dogfood-epic" in done.stdout
    assert "tickets, all valid" in done.stdout


def test_list_shows_parts_and_dependencies(folder: Path) -> None:
    lines = output("--folder", str(folder)).splitlines()
    assert any(line.startswith("the-epic") for line in lines)
    assert any(line.startswith("  two") for line in lines)
    assert "  4. two  ← one, three" in lines


def test_the_exports_say_the_same(folder: Path) -> None:
    out = {kind: output("--folder", str(folder), "--export", kind) for kind in ("csv", "json", "phabricator")}
    rows = list(csv.DictReader(io.StringIO(out["csv"])))
    objects = json.loads(out["json"])
    requests = json.loads(out["phabricator"])
    names = [item.slug for item in EPIC]
    assert [row["slug"] for row in rows] == names
    assert [item["slug"] for item in objects] == names
    assert [request["ticket"] for request in requests] == names
    assert rows[3]["depends_on"] == "one three"
    assert objects[3]["depends_on"] == ["one", "three"]
    for row, item, request in zip(rows, objects, requests, strict=True):
        changes = {change["type"]: change["value"] for change in request["transactions"]}
        assert row["description"] == item["description"] == changes["description"]
        sent = [change["value"] for change in php_form(request["form"])["transactions"].values()]
        assert sent[1] == changes["description"]
    assert changes["parents.add"] == ["<task the-epic>"]
    assert changes["subtasks.add"] == ["<task one>", "<task three>"]


def test_spreadsheet_formula_is_defused(tmp_path: Path) -> None:
    item = ticket("a")
    path = write(tmp_path / "tickets", item) / "a.md"
    path.write_text(path.read_text().replace("title: Do a", "title: '=HYPERLINK(1)'"))
    row = next(csv.DictReader(io.StringIO(output("--folder", str(path.parent), "--export", "csv"))))
    assert row["title"] == "'=HYPERLINK(1)"


def test_without_yes_nothing_is_created(folder: Path, phabricator: Phabricator, url: str) -> None:
    done = tickets(*in_url(folder, url))
    assert done.returncode == 0
    assert "to create two: Do two" in done.stdout
    assert "dry run: 4 of 4 tickets would be created; add --yes to create them" in done.stdout
    assert phabricator.tasks == []


def test_second_creation_adds_nothing_and_hides_the_token(folder: Path, phabricator: Phabricator, url: str) -> None:
    # The command asks the real clock; the index knows nothing yet.
    phabricator.now_s = int(time.time())
    first = tickets(*in_url(folder, url, "--yes"))
    assert first.returncode == 0
    assert first.stdout.splitlines()[-2:] == ["created   T4  two", f"created 4 of 4 tickets in {url}"]
    second = tickets(*in_url(folder, url, "--yes"))
    assert second.returncode == 0
    assert f"nothing to create: all 4 tickets are in {url}" in second.stdout
    assert [slug for text in phabricator.descriptions() for slug in marked_slugs(text)] == [it.slug for it in EPIC]
    everything = first.stdout + first.stderr + second.stdout + second.stderr + json.dumps(phabricator.tasks)
    assert TOKEN not in everything


def test_failure_is_one_line_and_resumable(folder: Path, phabricator: Phabricator, url: str) -> None:
    phabricator.now_s = int(time.time())
    phabricator.fail_at = 2
    done = tickets(*in_url(folder, url, "--yes"))
    assert done.returncode == 2
    assert done.stdout.splitlines() == ["created   T1  the-epic", "created   T2  one"]
    assert done.stderr.startswith("error: 2 of 4 tickets were created, then 'three' failed: ")
    assert len(done.stderr.splitlines()) == 1
    again = tickets(*in_url(folder, url, "--yes"))
    assert again.returncode == 0
    assert "exists    T2  one" in again.stdout
    assert "created 2 of 4 tickets" in again.stdout


def test_a_wrong_token_is_told_and_not_shown(folder: Path, url: str) -> None:
    wrong = "api-wrongwrongwrongwrongwrongwro"
    done = tickets(*in_url(folder, url), token=wrong)
    assert done.returncode == 2
    assert "ERR-INVALID-AUTH" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert wrong not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--create",), "--create needs --phabricator URL"),
        (("--yes",), "need --create"),
        (("--phabricator", "https://x"), "need --create"),
        (("--export", "csv", "--create"), "exclude each other"),
        (("--export", "xml"), "'xml' is not one of"),
        (("--create", "--phabricator", "https://x", "--pause", "-1"), "not in the range"),
        (("--token", "x"), "No such option"),
    ],
)
def test_wrong_use_exits_with_2(arguments: tuple[str, ...], says: str) -> None:
    done = CliRunner().invoke(cli, ["tickets", *arguments], env={"PHABRICATOR_TOKEN": TOKEN})
    assert done.exit_code == 2
    assert says in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--create", "--phabricator", "ftp://x"), "has to look like https://"),
        (("--folder", "nowhere"), r"no tickets \(\*\.md\) in nowhere"),
    ],
)
def test_what_cannot_be_used_is_told(arguments: tuple[str, ...], says: str) -> None:
    with pytest.raises(DogfoodError, match=says) as caught:
        CliRunner().invoke(cli, ["tickets", *arguments], env={"PHABRICATOR_TOKEN": TOKEN}, catch_exceptions=False)
    assert caught.value.exit_code == 2


def test_missing_token_names_its_variable(folder: Path, url: str) -> None:
    done = tickets(*in_url(folder, url), token=None)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: no API token; set the environment variable PHABRICATOR_TOKEN\n"


def test_tickets_that_do_not_fit_are_told(tmp_path: Path) -> None:
    where = write(tmp_path / "tickets", ticket("a", after=("b",)), ticket("b", after=("a",)))
    done = tickets("--folder", str(where))
    assert done.returncode == 2
    assert done.stderr.startswith("error: tickets wait for each other")
    assert len(done.stderr.splitlines()) == 1
