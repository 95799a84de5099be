"""Roster, accounts, page views and findings: written, read back, and refused when damaged."""

import stat
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import DogfoodError
from contracts.generation import Generation
from run_record.accounts import TestAccount, read_accounts, write_accounts
from run_record.page_views import PageView, PageViewError, PageViewWriter, page_group, read_page_views
from run_record.roster import Account, Fidelity, read_roster, write_roster
from run_record.scenario_findings import ScenarioFinding, read_scenario_findings, write_scenario_findings

VIEW = PageView(visit=3, fidelity=Fidelity.BROWSER, scenario="ctr", title="Straße", pageview_id="ab" * 10, at_ms=1)


def test_all_files_are_read_back(tmp_path: Path) -> None:
    roster = [Account(0, Fidelity.WIKI, 7, 8, "Zoë", False), Account(1, Fidelity.BROWSER, 0, 0, "", True)]
    write_roster(tmp_path, roster)
    assert list(read_roster(tmp_path)) == roster
    findings = [ScenarioFinding("ctr", "look", False, "exposure", "nothing", "browser/ctr")]
    write_scenario_findings(tmp_path, findings)
    assert list(read_scenario_findings(tmp_path)) == findings
    with PageViewWriter(tmp_path, "b") as writer:
        writer.write(VIEW)
    with PageViewWriter(tmp_path, "a") as writer:
        writer.write(VIEW)
    assert read_page_views(tmp_path) == (VIEW, VIEW)


def test_keys_in_files_stay_readable_by_other_versions(tmp_path: Path) -> None:
    write_scenario_findings(tmp_path, [ScenarioFinding("ctr", "look", True, "exposure", "nothing")])
    assert orjson.loads((tmp_path / "findings.ndjson").read_bytes())["told"] == "nothing"
    with PageViewWriter(tmp_path, "a") as writer:
        writer.write(VIEW)
    assert orjson.loads((tmp_path / "page_views" / "a.ndjson").read_bytes())["told"] == {}


def test_a_run_without_sessions_has_none(tmp_path: Path) -> None:
    assert (read_roster(tmp_path), read_scenario_findings(tmp_path), read_page_views(tmp_path)) == ((), (), ())


def test_only_the_owner_can_read_passwords(tmp_path: Path) -> None:
    accounts = [TestAccount("Zoë", "secret", 1, 2, 0)]
    path = tmp_path / "accounts.ndjson"
    write_accounts(path, accounts)
    assert list(read_accounts(path)) == accounts
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in tmp_path.iterdir()] == ["accounts.ndjson"]


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("roster.ndjson", read_roster),
        ("findings.ndjson", read_scenario_findings),
        ("page_views/x.ndjson", read_page_views),
    ],
)
@pytest.mark.parametrize("content", ["no json\n", "[]\n", '{"visit":1}\n', '{"fidelity":"paper"}\n'])
def test_a_damaged_file_is_one_clear_line(
    tmp_path: Path, name: str, read: Callable[[Path], object], content: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    with pytest.raises(DogfoodError, match=f"{name}, line 1") as caught:
        read(tmp_path)
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.exit_code == 2


def test_missing_or_malformed_accounts_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(DogfoodError, match="there are no test accounts"):
        read_accounts(tmp_path / "none")
    (tmp_path / "broken").write_text('{"name": 1}\n')
    with pytest.raises(DogfoodError, match="line 1, name: it is not a row of this file"):
        read_accounts(tmp_path / "broken")


def test_incomplete_page_views_are_skipped_and_files_not_continued(tmp_path: Path) -> None:
    with PageViewWriter(tmp_path, "a") as writer:
        writer.write(VIEW)
    path = tmp_path / "page_views" / "a.ndjson"
    path.write_bytes(path.read_bytes() * 2)
    path.write_bytes(path.read_bytes()[:-5])
    assert read_page_views(tmp_path) == (VIEW,)
    with pytest.raises(PageViewError, match="cannot be created"):
        PageViewWriter(tmp_path, "a")


@pytest.mark.parametrize(
    ("generation", "experiments", "group"),
    [
        ("alpha", {"enrolled": ["e"], "assigned": {"f": "true"}}, "true"),
        ("alpha", {"enrolled": ["e"], "assigned": {"f": "unsampled"}}, None),
        ("alpha", {"enrolled": [], "assigned": {"f": "true"}}, None),
        ("alpha", {"enrolled": ["e"], "assigned": []}, None),
        ("xlab", {"enrolled": ["e"], "assigned": {"e": "control"}}, "control"),
        ("xlab", {"enrolled": ["e"], "assigned": {"f": "control"}}, None),
        ("xlab", {}, None),
    ],
)
def test_page_group_by_generation(generation: str, experiments: dict[str, object], group: str | None) -> None:
    assert page_group(experiments, Generation(generation), "e", "f") == group


@given(st.dictionaries(st.text(max_size=8), st.none() | st.text() | st.lists(st.text())), st.sampled_from(Generation))
def test_page_group_accepts_any_json(experiments: dict[str, object], generation: Generation) -> None:
    assert page_group(experiments, generation, "e", "f") is None
