"""What sessions on the wiki add to the analysis: made-up runs, with one thing wrong at a time."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from analysis.analyse import Analysis, analyse
from analysis.summaries.funnel import FunnelStage
from analysis.verdict import CheckStatus, Layer, Verdict
from contracts.assignment import subject_id
from contracts.generation import Generation
from contracts.intake import EventAnswer, EventOutcome
from contracts.profiles import profile_of
from personas.example_experiment import ELEMENT
from run_record.ledger.files import LedgerWriter, Span
from run_record.manifest import Manifest
from run_record.page_views import PageView, PageViewWriter
from run_record.roster import Account, Fidelity, write_roster
from run_record.scenario_findings import ScenarioFinding, write_scenario_findings
from tests.analysis.runs import STARTED_MS, Event, MadeUp, check, make_run

ACCOUNTS = 60
_PERFORMER = {"is_logged_in": True}


@dataclass
class WikiRun:
    """A made-up run of accounts on the wiki: each read one page and should have sent an impression if enrolled."""

    base: MadeUp
    first: int
    views: list[PageView] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def judge(self, change: Callable[[PageView], PageView] = lambda view: view, *, status: int = 201) -> Analysis:
        """Write down what happened, with each page view changed and events answered *status*, and analyse."""
        with PageViewWriter(self.base.folder, "wiki-0-1") as writer:
            for view in self.views:
                writer.write(change(view))
        with LedgerWriter(self.base.folder / "ledger", "wiki-0-1") as ledger:
            positions: dict[int, int] = {}
            outcome = EventOutcome.OK if status == 201 else EventOutcome.INDETERMINATE
            for event in self.events:
                visit = event.pop("visit")
                span = Span(visit, positions.setdefault(visit, 0), 1)
                positions[visit] += 1
                request = ledger.intend(
                    [span], intended_ms=STARTED_MS, sent_ms=STARTED_MS, bodies=[orjson.dumps(event)]
                )
                ledger.answered(request, [EventAnswer(outcome)], status=status, at_ms=STARTED_MS + 3)
        landed = [filled(event, number) for number, event in enumerate(self.events)]
        self.base.land(self.base.events + landed)
        return analyse(self.base.folder)


def filled(event: Event, number: int) -> Event:
    """Return a browser's *event* as the intake would write it."""
    moment = "2025-01-31T14:30:01.000Z"
    return {**event, "meta": {**event["meta"], "id": f"filled-{number}", "dt": moment, "request_id": "r"}}


def wiki_run(
    folder: Path, generation: Generation = Generation.ALPHA, *, fidelity: Fidelity = Fidelity.WIKI, visitors: int = 200
) -> WikiRun:
    """Make a run in which everything is as it should be."""
    fake_run = make_run(folder, generation, visitors=visitors)
    run = WikiRun(fake_run, visitors)
    both = f"{Fidelity.SYNTHETIC},{fidelity}"
    replace(Manifest.read(folder), fidelity=both).write(folder)
    chosen = fidelity is Fidelity.BROWSER
    roster = [Account(visitors + i, fidelity, i + 1, i + 1001, f"Reader {i}", chosen) for i in range(ACCOUNTS)]
    write_roster(folder, roster)
    for account in roster:
        group = fake_run.plan.group_of(account.user_id, account.central_id)
        token = f"{account.user_id:020x}"
        run.views.append(
            PageView(
                visit=account.visit, fidelity=fidelity, scenario="http", title="Main Page", pageview_id=token,
                at_ms=STARTED_MS, experiments=page_content(fake_run, generation, account, group),
                expected={"impression": 1} if group else {},
            )
        )  # fmt: skip
        if group:
            run.events.append({**event_of(fake_run, generation, account, group, token), "visit": account.visit})
    return run


def page_content(run: MadeUp, generation: Generation, account: Account, group: str | None) -> dict[str, Any]:
    experiment = run.plan.experiment
    if generation is Generation.ALPHA:
        assigned = {experiment.features[0].name: group or "unsampled"}
        return {"enrolled": [experiment.name] if group else [], "assigned": assigned, "features": {}}
    if group is None:
        return {"active_experiments": [experiment.name], "enrolled": [], "assigned": {}, "subject_ids": {}}
    name = experiment.name
    ids = {name: subject_id(account.central_id, name)}
    return {"enrolled": [name], "assigned": {name: group}, "subject_ids": ids}


def event_of(run: MadeUp, generation: Generation, account: Account, group: str, token: str) -> Event:
    name = run.plan.experiment.name
    stream = run.plan.settings.stream_config()
    profile = profile_of(generation)
    event: Event = {
        "action": "impression", "funnel_entry_token": f"{account.user_id:020d}", "funnel_event_sequence_position": 1,
        "action_source": "ClickThroughRateInstrument", "instrument_name": profile.instrument_name(name),
        "dt": "2025-01-31T14:30:00.000Z", "$schema": profile.schema,
        "element_friendly_name": ELEMENT, "mediawiki": {"database": "testwiki", "skin": "vector-2022"},
        "agent": {"client_platform": "mediawiki_js", "client_platform_family": "desktop_browser"},
        "performer": {"id": account.user_id, "pageview_id": token}, "meta": {"stream": "product_metrics.web_base"},
        "sample": {"rate": stream.sample_rate, "unit": stream.sample_unit},
    }  # fmt: skip
    event = {field: value for field, value in event.items() if profile.has(field)}
    if generation is Generation.ALPHA:
        feature = run.plan.experiment.features[0].name
        return {**event, "experiments": {"enrolled": [name], "assigned": {feature: group}}}
    by_name = {"enrolled": name, "assigned": group, "subject_id": subject_id(account.central_id, name)}
    return {**event, "experiment": {**by_name, "sampling_unit": "mw-user", "coordinator": "xLab"}}


def outcomes(analysis: Analysis) -> set[str]:
    return {item.name for item in analysis.checks if item.status in (CheckStatus.FAIL, CheckStatus.INVALID)}


def test_accounts_of_the_wiki_join_the_subjects(tmp_path: Path) -> None:
    for generation in Generation:
        analysis = wiki_run(tmp_path / generation, generation, visitors=1500).judge()
        assert (analysis.verdict, outcomes(analysis)) == (Verdict.GO, set())
        output = check(analysis, "wiki-assignment").evidence
        assert (output["accounts"], output["mismatches"]) == (ACCOUNTS, 0)
        counts = [
            count for count in analysis.stages if count.fidelity is Fidelity.WIKI and count.stage is FunnelStage.LANDED
        ]
        assert all(count.observed == count.expected > 5 for count in counts)  # type: ignore[operator]
        rate = check(analysis, "sample-rate").evidence
        assert rate["came"] == 1500 + ACCOUNTS


def test_a_page_that_tells_another_group_is_called(tmp_path: Path) -> None:
    run = wiki_run(tmp_path)
    one = next(view for view in run.views if view.expected)

    def change(view: PageView) -> PageView:
        return replace(view, experiments={"enrolled": [], "assigned": {}}) if view.visit == one.visit else view

    analysis = run.judge(change)
    result = check(analysis, "wiki-assignment")
    assert (result.status, result.layer, result.evidence["mismatches"]) == (CheckStatus.FAIL, Layer.ASSIGNMENT, 1)
    assert outcomes(analysis) == {"wiki-assignment"}
    exposed = [
        count for count in analysis.stages if count.fidelity is Fidelity.WIKI and count.stage is FunnelStage.EXPOSED
    ]
    assert sum(count.expected - count.observed for count in exposed) == 1  # type: ignore[operator,misc]


def test_nobody_enrolled_anywhere_points_at_the_config(tmp_path: Path) -> None:
    run = wiki_run(tmp_path)
    run.events.clear()
    analysis = run.judge(lambda view: replace(view, experiments={}, expected={}))
    result = check(analysis, "wiki-assignment")
    assert (result.status, result.layer) == (CheckStatus.FAIL, Layer.CONFIG)
    assert (analysis.verdict, analysis.layer) == (Verdict.NO_GO, Layer.CONFIG)


def test_a_page_that_was_not_shown_is_called(tmp_path: Path) -> None:
    run = wiki_run(tmp_path)
    one = next(view for view in run.views if not view.expected)

    def change(view: PageView) -> PageView:
        return replace(view, experiments={}, failure="the wiki answered 500") if view.visit == one.visit else view

    result = check(run.judge(change), "wiki-assignment")
    assert (result.status, result.layer, result.evidence["failed_page_views"]) == (CheckStatus.FAIL, Layer.EXPOSURE, 1)
    assert "500" in result.summary


def test_a_foreign_subject_id_is_called(tmp_path: Path) -> None:
    run = wiki_run(tmp_path, Generation.XLAB)
    name = run.base.plan.experiment.name

    def change(view: PageView) -> PageView:
        return replace(view, experiments={**view.experiments, "subject_ids": {name: "awaiting"}})

    assert check(run.judge(change), "wiki-assignment").status is CheckStatus.FAIL


def test_missing_extra_and_stray_events_are_told_apart(tmp_path: Path) -> None:
    run = wiki_run(tmp_path)
    run.events.pop()
    again = {**run.events[0], "funnel_entry_token": "f" * 20}
    stray = {
        **run.events[1],
        "funnel_entry_token": "e" * 20,
        "performer": {**run.events[1]["performer"], "pageview_id": "e" * 20},
    }
    run.events += [again, stray]
    analysis = run.judge()
    result = check(analysis, "instrument")
    assert (result.status, result.layer, result.statistic) == (CheckStatus.FAIL, Layer.INSTRUMENT, 3)
    assert result.evidence["missing"] == {"impression": 1}
    assert result.evidence["extra"] == {"impression": 1}
    assert result.evidence["of_unknown_page_views"] == 1
    assert outcomes(analysis) == {"instrument", "funnel"}
    [way] = analysis.ways
    assert (way.funnels, way.sent, way.landed) == (len(run.events) - 1, len(run.events) - 2, len(run.events) - 2)


def test_browser_event_is_matched_by_funnel(tmp_path: Path) -> None:
    run = wiki_run(tmp_path)
    analysis = run.judge()
    assert analysis.reconciliation["ok"] == len(run.base.events) + len(run.events)
    twice = [filled(event, number + 1000) for number, event in enumerate(run.events[:2])]
    landed = [filled(event, number) for number, event in enumerate(run.events)]
    run.base.land(run.base.events + landed[1:] + twice[1:])
    counts = analyse(run.base.folder).reconciliation
    assert (counts["lost"], counts["duplicated"], counts["unexpected"]) == (1, 1, 0)


def test_refused_browser_event_is_matched_by_funnel(tmp_path: Path) -> None:
    run = wiki_run(tmp_path)
    run.judge()
    landed = [filled(event, number) for number, event in enumerate(run.events)]
    run.base.land(run.base.events + landed[1:])
    run.base.report_invalid([{**run.events[0], "meta": {"id": "given-by-the-intake"}}])
    counts = analyse(run.base.folder).reconciliation
    assert (counts["lost"], counts["invalid"]) == (0, 1)


def test_chosen_accounts_do_not_count_for_the_ratio(tmp_path: Path) -> None:
    natural = wiki_run(tmp_path / "natural").judge()
    chosen = wiki_run(tmp_path / "chosen", fidelity=Fidelity.BROWSER).judge()
    # Evidence is JSON, whose type says nothing of what is inside.
    subjects: list[Any] = [check(item, "sample-ratio").evidence["subjects"] for item in (natural, chosen)]
    counted = [sum(item["landed"].values()) for item in subjects]
    assert counted[0] - counted[1] > 10
    assert check(chosen, "sample-rate").evidence["came"] == 200
    assert [count.expected for count in chosen.stages if count.fidelity is Fidelity.BROWSER][:2] == [None, None]


def test_accounts_that_never_came_make_the_run_invalid(tmp_path: Path) -> None:
    run = wiki_run(tmp_path)
    missing = run.views.pop()
    run.events = [event for event in run.events if event["visit"] != missing.visit]
    analysis = run.judge()
    result = check(analysis, "completeness")
    assert (result.status, result.evidence["accounts_that_never_came"]) == (CheckStatus.INVALID, 1)
    assert analysis.verdict is Verdict.INVALID


def test_findings_decide_by_the_first_layer(tmp_path: Path) -> None:
    run = wiki_run(tmp_path, fidelity=Fidelity.BROWSER)
    right = ScenarioFinding("ctr", "look", True, "instrument", "all well")
    wrong = ScenarioFinding(
        "mpic-failures", "html: the page is there", False, "exposure", "the wiki answered 500", "browser/x"
    )
    late = ScenarioFinding("child-click", "count", False, "instrument", "2 clicks")
    write_scenario_findings(tmp_path, [right, late, wrong])
    analysis = run.judge()
    result = check(analysis, "scenarios")
    assert (result.status, result.layer, result.statistic) == (CheckStatus.FAIL, Layer.EXPOSURE, 2)
    kit = wiki_run(tmp_path / "kit", fidelity=Fidelity.BROWSER)
    write_scenario_findings(tmp_path / "kit", [right, wrong._replace(layer="generator")])
    assert kit.judge().verdict is Verdict.INVALID


def test_every_layers_findings_are_named(tmp_path: Path) -> None:
    run = wiki_run(tmp_path, fidelity=Fidelity.BROWSER)
    config = [ScenarioFinding("api", f"step {number}", False, "config", "no such stream") for number in range(20)]
    instrument = [
        ScenarioFinding("partial-view", "no impression is sent", False, "instrument", "1 impressions were sent"),
        ScenarioFinding(
            "double-start", "impression and click count once", False, "instrument", "2 impressions were sent"
        ),
    ]
    unplayed = ScenarioFinding("mpic-failures", "html: the wiki asked MPIC", False, "generator", "not fetched")
    write_scenario_findings(tmp_path, [*config, *instrument, unplayed])
    result = check(run.judge(), "scenarios")
    assert (result.status, result.layer) == (CheckStatus.FAIL, Layer.CONFIG)
    assert result.evidence["by_layer"] == {"config": 20, "instrument": 2, "generator": 1}
    assert all(finding.observation in result.summary for finding in (config[0], *instrument))
    assert "19 more" in result.summary


def test_steps_that_could_not_be_played_hide_nothing(tmp_path: Path) -> None:
    run = wiki_run(tmp_path, fidelity=Fidelity.BROWSER)
    unplayed = ScenarioFinding("mpic-failures", "html: the wiki asked MPIC", False, "generator", "not fetched")
    true = ScenarioFinding("partial-view", "no impression is sent", False, "instrument", "1 impressions were sent")
    write_scenario_findings(tmp_path, [unplayed, true])
    analysis = run.judge()
    assert (analysis.verdict, analysis.layer) == (Verdict.NO_GO, Layer.INSTRUMENT)
    assert "no impression is sent" in analysis.sentence
    assert check(analysis, "scenarios").evidence["by_layer"] == {"instrument": 1, "generator": 1}


def test_lost_events_of_a_page_are_validated(tmp_path: Path) -> None:
    run = wiki_run(tmp_path, fidelity=Fidelity.BROWSER)
    uri = "/analytics/product_metrics/web/base/9.9.9"
    for event in run.events:
        event["$schema"] = uri
    run.judge(status=202)
    run.base.land(run.base.events)
    analysis = analyse(tmp_path)
    assert (analysis.verdict, analysis.layer) == (Verdict.NO_GO, Layer.INSTRUMENT)
    result = check(analysis, "invalid")
    assert result.status is CheckStatus.FAIL
    assert uri in result.summary
    assert result.evidence["invalid"] == len(run.events)
    assert check(analysis, "lost").layer is Layer.INSTRUMENT


@pytest.mark.parametrize(
    ("generation", "field", "value", "present"),
    [
        (Generation.XLAB, "action_source", "ClickThroughRateInstrument", True),
        (Generation.XLAB, "funnel_event_sequence_position", 1, True),
        (Generation.XLAB, "sample", {"rate": 1, "unit": "session"}, True),
        (Generation.ALPHA, "action_source", None, False),
    ],
)
def test_fields_of_another_generation_are_named(
    tmp_path: Path, generation: Generation, field: str, value: object, present: bool
) -> None:
    run = wiki_run(tmp_path, generation)
    for event in run.events:
        event[field] = value
        if value is None:
            del event[field]
    result = check(run.judge(), "names")
    assert result.status is CheckStatus.FAIL
    assert result.evidence["fields"] == [{"field": field, "present": present, "events": len(run.events)}]


def test_clicks_without_position_are_told_apart_by_time(tmp_path: Path) -> None:
    run = wiki_run(tmp_path, Generation.XLAB)
    first = run.events[0]
    for second in (1, 2):
        run.events.append({**first, "action": "click", "dt": f"2025-01-31T14:30:0{second}.000Z"})
    at = next(i for i, view in enumerate(run.views) if view.visit == first["visit"])
    run.views[at] = replace(run.views[at], expected={"impression": 1, "click": 2})
    analysis = run.judge()
    assert outcomes(analysis) == set()
    assert check(analysis, "instrument").evidence["missing"] == {}
