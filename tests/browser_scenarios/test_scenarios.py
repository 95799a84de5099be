"""Every scenario, in a real browser on a real wiki."""

import json
import re
import subprocess
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from browser_scenarios.scenarios import SCENARIOS
from dogfood.testbed_control.seed import accounts_file
from dogfood.testbed_control.services import Testbed
from run_record.accounts import read_accounts
from run_record.page_views import read_page_views
from run_record.scenario_findings import read_scenario_findings
from tests.browser_scenarios.conftest import USERS
from tests.wikis import call, check, latest

INSTRUMENT = {
    "experiment": "dogfood-ctr", "instrument": "dogfood-ctr", "stream": "product_metrics.web_base",
    "selector": '[data-pinnable-element-id="vector-main-menu"] .vector-pinnable-header-unpin-button',
    "element": "pinnable-header.vector-main-menu.unpin",
}  # fmt: skip

Played = tuple[Path, subprocess.CompletedProcess[str]]

#: Minimum number of checks of a scenario; other scenarios are judged by their events alone.
LOOKED_AT = {
    "api": 6, "partial-view": 3, "child-click": 1, "stop-propagation": 1, "double-start": 1, "stickiness": 3,
    "anonymous": 2, "override": 9, "switched-off": 4, "ramp-up": 6, "mpic-failures": 40, "mpic-ui": 10,
}  # fmt: skip

#: Minimum number of funnels of a scenario.
FUNNELS = {
    "ctr": USERS, "early-exit": 8 * USERS, "partial-view": 1, "child-click": 1, "stop-propagation": 1,
    "double-start": 1, "stickiness": 8,
}  # fmt: skip

pytestmark = pytest.mark.timeout(900)


def configure(home: Path, changes: dict[str, object]) -> None:
    Testbed(home / "testbed").configure_wiki(changes)


def verdict(played: Played) -> dict[str, Any]:
    run, done = played
    assert (run / "verdict.json").is_file(), done.stdout + done.stderr
    content: dict[str, Any] = json.loads((run / "verdict.json").read_text())
    return content


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_scenario(played: Played, name: str) -> None:
    run, _ = played
    result = verdict(played)
    findings = [finding for finding in read_scenario_findings(run) if finding.scenario == name]
    assert [finding for finding in findings if not finding.ok] == []
    assert len(findings) >= LOOKED_AT.get(name, 0)
    ways = [way for way in result["ways"] if way["scenario"] == name]
    assert sum(way["funnels"] for way in ways) >= FUNNELS.get(name, 0)
    assert all(way["landed"] == way["sent"] == way["funnels"] for way in ways)
    assert findings or ways


def test_all_scenarios_together_end_in_go(played: Played) -> None:
    _, done = played
    result = verdict(played)
    assert (done.returncode, result["verdict"]) == (0, "GO"), done.stdout + done.stderr
    counts = result["reconciliation"]
    assert counts["offered"] == counts["ok"] > 8 * USERS
    groups = {(count["stage"], count["group"]): count["observed"] for count in result["stages"]}
    assert all(groups["landed", group] > 0 for group in ("true", "false"))


def test_ways_of_leaving_are_counted_separately(played: Played) -> None:
    ways = {way["way"]: way for way in verdict(played)["ways"] if way["scenario"] == "early-exit"}
    moments = {f"{way} at the {moment}" for way in ("close the tab", "navigate", "go back", "hide")
               for moment in ("impression", "click")}  # fmt: skip
    assert set(ways) == moments
    assert {way["funnels"] for way in ways.values()} == {USERS}
    # The page itself cannot see beacons sent while it unloads, which is why the recorder exists.
    assert sum(way["seen_by_page"] for way in ways.values()) < sum(way["events"] for way in ways.values()) / 4


def test_browser_events_match_synthetic_events(played: Played, wiki_home: Path) -> None:
    run, _ = played
    done = call(wiki_home, "calibrate", run.name, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    [result] = json.loads(done.stdout).values()
    assert result["differences"] == []
    assert result["real"] > 8 * USERS


@pytest.mark.parametrize(
    "name", ["override", *(pytest.param(name, marks=pytest.mark.slow) for name in ("switched-off", "mpic-ui"))]
)
def test_scenarios_of_the_later_generation(wiki_home: Path, name: str) -> None:
    done = call(wiki_home, "browse", "--generation", "xlab", "--scenario", name, "--scenario", "ctr", "--users", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    result = latest(wiki_home)
    assert check(result, "scenarios")["evidence"]["looked_at"] >= LOOKED_AT[name]
    assert result["reconciliation"]["ok"] > 0


def test_an_instrument_that_never_starts_is_called(wiki_home: Path) -> None:
    configure(wiki_home, {"instruments": []})
    try:
        done = call(wiki_home, "browse", "--scenario", "child-click")
    finally:
        configure(wiki_home, {"instruments": [INSTRUMENT]})
    assert done.returncode == 1, done.stdout + done.stderr
    result = latest(wiki_home)
    assert (result["verdict"], result["layer"]) == ("NO-GO", "instrument")
    assert check(result, "instrument")["evidence"]["missing"] == {"impression": 1, "click": 1}
    # The evidence of a failed step is kept.
    evidence = wiki_home / "runs" / "latest" / "browser" / "child-click"
    names = {path.name for path in evidence.rglob("*")}
    assert "console.log" in names
    assert any(name.startswith("trace-") for name in names)
    no_secret_is_kept(wiki_home, wiki_home / "runs" / "latest")


def no_secret_is_kept(home: Path, run: Path) -> None:
    """Assert that no file of a run, nor a file in its archives, contains a password or a session cookie."""
    passwords = [account.password.encode() for account in read_accounts(accounts_file(home / "testbed" / "wiki"))]
    assert len(set(passwords)) == len(passwords) > 1000
    texts: list[bytes] = []
    for path in (path for path in run.resolve().rglob("*") if path.is_file()):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                texts += [archive.read(name) for name in archive.namelist()]
        else:
            texts.append(path.read_bytes())
    everything = b"\n".join(texts)
    assert [password for password in passwords if password in everything] == []
    sessions = re.findall(rb"[Ss]ession=([^;\"\\ ]+)", everything)
    assert {value for value in sessions if value != b"(redacted)" and len(value) >= 8} == set()


def test_no_password_is_in_a_run(played: Played, wiki_home: Path) -> None:
    no_secret_is_kept(wiki_home, played[0])


def test_a_scenario_without_events_can_end_in_go(wiki_home: Path) -> None:
    done = call(wiki_home, "browse", "--scenario", "anonymous")
    assert done.returncode == 0, done.stdout + done.stderr
    result = latest(wiki_home)
    names = {"wiki-assignment", "scenarios", "configs", "unexpected", "records"}
    assert {item["name"] for item in result["checks"]} == names
    assert result["reconciliation"]["offered"] == 0


def test_bad_input_is_one_clear_line(wiki_home: Path) -> None:
    done = call(wiki_home, "browse", "--scenario", "no-such")
    assert done.returncode == 2
    done = call(wiki_home, "calibrate", "no-such-run")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_journeys_repeat_each_reader_s_pages(wiki_home: Path) -> None:
    read = {}
    for journeys in ("1", "3"):
        done = call(wiki_home, "browse", "--scenario", "ctr", "--users", "2", "--journeys", journeys, "--seed", "5")
        assert done.returncode in (0, 3), done.stdout + done.stderr
        run = (wiki_home / "runs" / "latest").resolve()
        read[journeys] = Counter(view.visit for view in read_page_views(run))
    assert read["3"] == {user: 3 * pages for user, pages in read["1"].items()}
