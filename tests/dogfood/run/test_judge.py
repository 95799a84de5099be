"""Independence, effects, power, what is told about them, and what changed between two runs."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree

import pytest

from analysis.analyse import Analysis, analyse
from analysis.checks import CHECKS
from analysis.comparison import compare
from analysis.power import PlanningError, PowerQuery, can_show, needs
from analysis.reports.junit import junit
from analysis.verdict import CheckStatus, Layer, Verdict
from contracts.generation import Generation
from personas.example_experiment import example_experiment
from run_record.manifest import Manifest
from tests.analysis.runs import check, make_run


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    run = make_run(tmp_path_factory.mktemp("clean"))
    run.land()
    return analyse(run.folder)


def named(name: str, generation: Generation = Generation.ALPHA) -> dict[str, object]:
    return {**example_experiment(generation), "slug": name, "name": name}


@pytest.mark.parametrize("generation", Generation)
def test_experiments_with_digit_prefixes_are_dependent(tmp_path: Path, generation: Generation) -> None:
    for others, outcome in (
        ([named("another", generation)], CheckStatus.PASS),
        ([named("3-x", generation), named("another", generation)], CheckStatus.PASS),
        ([named("3-x", generation), named("23-x", generation)], CheckStatus.FAIL),
    ):
        folder = tmp_path / f"{len(others)}-{outcome}"
        run = make_run(folder, generation)
        run.land()
        replace(Manifest.read(folder), other_experiments=others).write(folder)
        result = check(analyse(folder), "independence")
        assert (result.status, result.layer) == (outcome, Layer.ASSIGNMENT)
    assert "user 1 of '23-x' has the hash of user 12 of '3-x'" in result.summary


def test_aa_run_with_one_clicking_group_fails(tmp_path: Path) -> None:
    run = make_run(tmp_path, aa=True)
    run.land()
    analysis = analyse(tmp_path)
    assert (analysis.verdict, check(analysis, "effect").status) == (Verdict.GO, CheckStatus.PASS)
    assert "click" in check(analysis, "sample-ratio").evidence["subjects"]  # type: ignore[operator]  # evidence is JSON
    clicks = [e for e in run.events if e["action"] == "click" and "false" in e["experiments"]["assigned"].values()]
    names = {event["meta"]["id"] for event in clicks}
    run.land([event for event in run.events if event["meta"]["id"] not in names])
    assert check(analyse(tmp_path), "effect").status is CheckStatus.FAIL


def test_click_through_rates_match_the_rows(clean: Analysis, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    for rate, group in zip(clean.rates, clean.groups, strict=True):
        mine = [event for event in run.events if group.name in event["experiments"]["assigned"].values()]
        clicks = {event["performer"]["id"] for event in mine if event["action"] == "click"}
        assert rate.impressions == sum(event["action"] == "impression" for event in mine)
        assert rate.clicks == len(mine) - rate.impressions
        assert rate.unique_rate == len(clicks) / rate.subjects
        assert rate.low < rate.rate < rate.high
    [difference] = clean.differences
    assert difference.difference == pytest.approx(clean.rates[1].rate - clean.rates[0].rate)
    assert difference.sent == pytest.approx(difference.difference)


def test_what_a_run_could_have_shown(clean: Analysis) -> None:
    power = clean.power
    assert power.subjects == sum(group.landed for group in clean.groups)
    assert power.imbalance is not None
    assert 0.55 < power.imbalance < 0.6
    assert power.loss is not None
    assert power.loss > power.imbalance - 0.5


def test_junit_separates_failures_from_inconclusive_checks(tmp_path: Path) -> None:
    run = make_run(tmp_path, visitors=60)
    run.land(run.events[3:])
    analysis = analyse(tmp_path)
    suite = ElementTree.fromstring(junit(analysis))  # noqa: S314 (our own)
    tags = {case.attrib["name"]: {child.tag for child in case} for case in suite.iter("testcase")}
    assert tags["lost"] == {"failure"}
    assert tags["sample-ratio"] == {"skipped"}
    assert suite.attrib["failures"] == str(sum(item.status is CheckStatus.FAIL for item in analysis.checks))


def test_a_check_that_does_not_matter_decides_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path, visitors=1_000)
    run.land()
    analysis = analyse(tmp_path)
    waived = [item for item in analysis.checks if item.status is CheckStatus.INCONCLUSIVE]
    assert all(not item.matters for item in waived)
    assert analysis.verdict is Verdict.GO


def test_what_changed_between_two_runs(clean: Analysis, tmp_path: Path) -> None:
    assert compare(clean, clean) == ()
    run = make_run(tmp_path, seed=8)
    run.land(run.events[5:])
    changes = {
        (change.what, change.name): (change.before, change.after) for change in compare(clean, analyse(tmp_path))
    }
    assert changes["verdict", "verdict"] == ("GO", "NO-GO")
    assert changes["setting", "seed"] == (7, 8)
    assert changes["check", "lost"] == ("pass", "fail")
    assert changes["events", "lost"] == (0, 5)
    assert not {"started_ms", "id"} & {name for _, name in changes}


def test_slight_imbalances_pass_below_the_floor(tmp_path: Path) -> None:
    run = make_run(tmp_path, visitors=3_000)
    treated = sorted({e["performer"]["id"] for e in run.events if "true" in e["experiments"]["assigned"].values()})
    names = set(treated[::4])
    run.land([event for event in run.events if event["performer"]["id"] not in names])
    assert check(analyse(tmp_path), "sample-ratio").status is CheckStatus.FAIL
    assert check(analyse(tmp_path, floor=0.5), "sample-ratio").status is not CheckStatus.FAIL


def test_questions_and_what_they_need_are_inverse() -> None:
    question = PowerQuery()
    answers = needs(question, [0.52], [0.05], [0.004], 0.1)
    assert [answer.question for answer in answers] == ["share", "loss", "difference"]
    for answer in answers:
        shown = {item.question: item.size for item in can_show(question, answer.subjects)}
        assert shown[answer.question] == pytest.approx(answer.size, rel=0.001)
        assert answer.visitors == -(-answer.subjects * 10 // 1)
    with pytest.raises(PlanningError, match="nothing to detect"):
        needs(question, [0.5], [], [], 1.0)
    with pytest.raises(PlanningError, match="--spread is at most"):
        needs(question._replace(spread=0.4), [], [], [0.01], 1.0)


def test_checks_are_named_once_and_ask_a_question() -> None:
    assert len({item.name for item in CHECKS}) == len(CHECKS)
    assert all(item.question.endswith("?") for item in CHECKS)
    assert {item.layer for item in CHECKS} == set(Layer)


def test_each_check_has_its_function() -> None:
    for item in CHECKS:
        module, _, name = item.function.partition(":")
        assert callable(getattr(import_module(f"analysis.checks.{module}"), name)), item.function
