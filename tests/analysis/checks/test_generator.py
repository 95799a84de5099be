"""What the kit or its machine could not do is INVALID, never a verdict on the platform."""

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.analyse import analyse
from analysis.verdict import CheckStatus, Layer, Verdict
from run_record.page_views import PageView
from run_record.roster import Fidelity
from run_record.scenario_findings import ScenarioFinding, write_scenario_findings
from tests.analysis.checks.test_wiki import outcomes, wiki_run
from tests.analysis.runs import check, make_run

TIMEOUT = "no answer within 45 s"


def given_up(view: PageView) -> PageView:
    return replace(view, experiments={}, expected={}, given_up=TIMEOUT)


def test_a_page_given_up_is_invalid(tmp_path: Path) -> None:
    run = wiki_run(tmp_path)
    one = run.views[0].visit
    analysis = run.judge(lambda view: given_up(view) if view.visit == one else view)
    assert (analysis.verdict, analysis.layer) == (Verdict.INVALID, Layer.GENERATOR)
    assert outcomes(analysis) == {"completeness"}
    assert TIMEOUT in analysis.sentence


def test_all_pages_given_up_is_invalid(tmp_path: Path) -> None:
    run = wiki_run(tmp_path)
    run.events.clear()
    analysis = run.judge(given_up)
    assert (analysis.verdict, analysis.layer) == (Verdict.INVALID, Layer.GENERATOR)
    assert not [item for item in analysis.checks if item.status is CheckStatus.FAIL]


def test_events_of_abandoned_page_are_not_strays(tmp_path: Path) -> None:
    run = wiki_run(tmp_path, fidelity=Fidelity.BROWSER, visitors=1500)
    tried = next(view for view in run.views if view.expected)
    run.views.append(replace(given_up(tried), pageview_id="a" * 20))
    first = next(event for event in run.events if event["visit"] == tried.visit)
    performer = {**first["performer"], "pageview_id": "a" * 20}
    run.events.append({**first, "funnel_entry_token": "b" * 20, "performer": performer})
    assert run.judge().verdict is Verdict.GO


@pytest.mark.parametrize(
    ("layer", "reason", "verdict"),
    [
        ("generator", "Page.goto: Timeout 45000ms exceeded", Verdict.INVALID),
        ("exposure", "the wiki answered 500", Verdict.NO_GO),
        ("", "", Verdict.INVALID),
    ],
)
def test_no_browser_session_is_no_pass(tmp_path: Path, layer: str, reason: str, verdict: Verdict) -> None:
    run = wiki_run(tmp_path, fidelity=Fidelity.BROWSER)
    run.events.clear()
    run.views.clear()
    write_scenario_findings(
        tmp_path, [ScenarioFinding("ctr", "play to the end", False, layer, reason)] if layer else []
    )
    analysis = run.judge()
    assert check(analysis, "instrument").status is not CheckStatus.PASS
    assert analysis.verdict is verdict
    assert reason in analysis.sentence


@pytest.mark.parametrize("stopped_early", [False, True])
def test_no_event_sent_is_invalid(tmp_path: Path, stopped_early: bool) -> None:
    run = make_run(tmp_path, change=lambda _: None, stopped_early=stopped_early, visitors=200)
    run.land([])
    analysis = analyse(run.folder)
    assert (analysis.verdict, analysis.layer) == (Verdict.INVALID, Layer.GENERATOR)
