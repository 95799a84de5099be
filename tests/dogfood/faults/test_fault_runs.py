"""Faults of the catalogue, detected from the run alone, with their layer named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from common.errors import DogfoodError
from common.ports import free_port
from contracts.generation import Generation
from dogfood.faults.catalogue import read_catalogue
from dogfood.faults.recipes import recipe_of
from dogfood.faults.report import CleanRuns, junit, matrix, replace_between_marks
from dogfood.faults.runs import Row
from dogfood.testbed_control.services import Testbed
from run_record.roster import Fidelity
from tests.dogfood.conftest import call_in
from tests.jitter import is_overloaded
from tests.wikis import call, copy_seeded_wiki, latest

Play = Callable[..., dict[str, Any]]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Call `dogfood faults` and return its JSON; every fault has to be detected in its layer."""

    def command(*names: str, timeout: float = 900) -> dict[str, Any]:
        done = call(tmp_path, "faults", *names, "--json", "--keep", str(tmp_path / "kept"), timeout=timeout)
        assert done.stdout, done.stderr
        content: dict[str, Any] = json.loads(done.stdout)
        wrong = [row for row in content["faults"] if not row["found"]]
        if is_overloaded() and any("p99 lag" in row["sentence"] for row in wrong):
            pytest.skip("the machine is too busy: the schedule was not kept")
        assert not wrong, json.dumps(wrong, indent=1)
        assert done.returncode == bool(content["clean"]["called"]), done.stderr
        return content

    return command


def test_faults_after_the_browser_and_pairs_are_detected(play: Play, tmp_path: Path) -> None:
    pairs = ("hasty-invalid+duplicates", "slow-generator")
    result = play(*pairs)
    assert [row["id"] for row in result["faults"]] == list(pairs)
    assert [row["layer_named"] for row in result["faults"]] == ["intake", "generator"]
    assert {"invalid", "replayed"} <= set(result["faults"][0]["checks"])
    # Nothing in the runs tells what was switched on.
    for run in (tmp_path / "kept" / "runs").glob("2*"):
        assert not any(fault["id"] in (run / "manifest.json").read_text() for fault in read_catalogue())


@pytest.mark.slow
def test_loss_and_kept_canaries_are_both_named(play: Play) -> None:
    [row] = play("loss-by-group+canary-kept")["faults"]
    assert row["layer_named"] == "transport"
    assert {"indeterminate", "canaries"} <= set(row["checks"])


def test_faults_of_wiki_and_client_are_detected(play: Play, tmp_path: Path) -> None:
    copy_seeded_wiki(tmp_path / "testbed")
    # The others are in the whole catalogue.
    result = play("rate-key", "child-click")
    assert [row["layer_named"] for row in result["faults"]] == ["assignment", "instrument"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_three_accounts_suffice_to_name_the_group(tmp_path: Path) -> None:
    copy_seeded_wiki(tmp_path / "testbed")
    ports = [word for name in ("mpic", "intake", "wiki") for word in (f"--{name}-port", str(free_port()))]
    try:
        assert call(tmp_path, "up", "--fault", "one-group-only", *ports).returncode == 0
        done = call(tmp_path, "browse", "--scenario", "ctr", "--users", "3")
    finally:
        call(tmp_path, "down")
    result = latest(tmp_path)
    assert (result["verdict"], result["layer"]) == ("NO-GO", "exposure"), done.stdout + done.stderr
    assert "of group 'false' and 0 of" in result["sentence"]


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_catalogue_is_detected_without_false_alarms(play: Play, tmp_path: Path) -> None:
    copy_seeded_wiki(tmp_path / "testbed")
    result = play(timeout=3_500)
    assert len(result["faults"]) == len(read_catalogue())
    assert result["clean"]["runs"] == 4
    assert result["clean"]["called"] == []


def test_up_and_down_switch_faults(tmp_path: Path) -> None:
    ports = [word for name in ("mpic", "intake") for word in (f"--{name}-port", str(free_port()))]
    only = ("--only", "mpic", "--only", "intake", *ports)
    wrong = call_in(tmp_path, "up", *only, "--fault", "gremlins")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "there is no fault 'gremlins'; the faults are local-id, " in wrong.stderr
    try:
        done = call_in(tmp_path, "up", *only, "--fault", "hasty-invalid,canary-kept")
        assert done.returncode == 0, done.stderr
        assert "faults switched on: hasty-invalid, canary-kept" in done.stdout
        again = call_in(tmp_path, "up", *only)
        assert again.returncode == 2
        assert "already runs with the faults hasty-invalid, canary-kept" in again.stderr
    finally:
        call_in(tmp_path, "down")
    assert Testbed(tmp_path / "testbed").faults == ()


def test_unknown_fault_is_one_line(tmp_path: Path) -> None:
    done = call_in(tmp_path, "faults", "modulo+gremlins")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: there is no fault 'gremlins'; the faults are local-id, ")


def test_the_catalogue_is_listed(tmp_path: Path) -> None:
    done = call_in(tmp_path, "faults", "--list", "--json")
    assert [row["id"] for row in json.loads(done.stdout)] == [fault["id"] for fault in read_catalogue()]


def test_every_fault_has_traffic_that_shows_it() -> None:
    catalogue = {fault["id"]: fault for fault in read_catalogue()}
    for fault in catalogue.values():
        recipe = recipe_of([fault])
        assert (str(recipe.fidelity), str(recipe.generation)) == (fault["fidelity"], fault["generation"])
    both = recipe_of([catalogue["duplicates"], catalogue["self-assign"]])
    assert (both.fidelity, both.generation, both.sessions) == (Fidelity.WIKI, Generation.XLAB, 160)


ROW = Row("a", "table", "table", True, ("lost",), 10, 1.5, "One | two.")
MISSED = Row("b", "intake", "", False, (), 10, 1.5, "All well.")


def test_the_matrix_is_put_between_its_marks(tmp_path: Path) -> None:
    path = tmp_path / "faults.md"
    path.write_text("# A\n<!-- matrix -->\nold\n<!-- /matrix -->\nafter\n")
    replace_between_marks(path, "matrix", matrix([ROW, MISSED], CleanRuns(("GO",), (), 3.0)))
    text = path.read_text()
    assert "old" not in text
    assert text.startswith("# A\n<!-- matrix -->\n")
    assert text.endswith("<!-- /matrix -->\nafter\n")
    assert "| `a` | table | table | lost | 10 | 2 | One \\| two. |" in text
    assert "| `b` | intake | **none** ✗ |" in text
    assert "1 of 2 detected, each in its layer; 1 clean runs: 1 GO" in text
    with pytest.raises(DogfoodError, match="has no marks"):
        replace_between_marks(path, "sensitivity", "x")


def test_junit_has_a_failure_per_missed_fault() -> None:
    suite = ElementTree.fromstring(junit([ROW, MISSED], CleanRuns(("GO", "NO-GO"))))  # noqa: S314 (our own)
    assert (suite.get("tests"), suite.get("failures")) == ("4", "2")
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed == ["b", "clean-2"]
