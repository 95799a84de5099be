"""The reports of a search: page, JSON and JUnit say the same."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from analysis.capacity.conclusion import CapacityReport, conclude
from analysis.capacity.conclusion_report import junit, render, to_json
from analysis.capacity.search import SearchSettings
from tests.analysis.capacity.simulated import OBJECTIVES, search

SETTINGS = SearchSettings(start=10, ceiling=100_000, require=300)


def finding(**server: float) -> CapacityReport:
    return conclude(SETTINGS, OBJECTIVES, search(SETTINGS, OBJECTIVES, **server))


@pytest.mark.parametrize("server", [{"limit": 1000}, {"limit": 100}, {"limit": 1000, "generator": 50}])
def test_page_json_and_junit_say_the_same(server: dict[str, float]) -> None:
    result = finding(**server)
    setting: dict[str, object] = {"target": "local", "seed": 7}
    content = json.loads(to_json(result, setting))
    page = render(result, "capacity-1", setting, "dogfood capacity --require 300")
    suite = ElementTree.fromstring(junit(result, "capacity-1"))  # noqa: S314 (our own text)
    assert content["result"] == str(result.result)
    assert f"<strong>{result.result}</strong>" in page
    assert result.sentence.replace("'", "&#39;") in page
    case = suite[0]
    tags = {"PASS": "system-out", "FAIL": "failure", "INVALID": "error"}
    assert case[0].tag == tags[content["result"]]
    assert result.sentence in (case[0].get("message"), case[0].text)
    assert suite.get("tests") == str(len(suite)) == "4"
    assert len(content["steps"]) == len(result.steps)
    for step in content["steps"]:
        assert f"{step['achieved_rate']:,.1f}" in page
    assert content["setting"]["seed"] == 7


def test_peak_beyond_measurements_is_marked_extrapolated() -> None:
    result = finding(limit=1000)
    law = result.scalability
    assert law is not None
    assert law.peak_rate is None or law.extrapolated == ("extrapolated" in render(result, "c", {"target": "x"}, ""))


def test_an_interrupted_search_without_steps_has_a_report() -> None:
    nothing = conclude(SETTINGS, OBJECTIVES, [], interrupted="The check was ended by hand.")
    page = render(replace(nothing), "c", {"target": "local"}, "dogfood capacity")
    assert "INCONCLUSIVE" in page
    assert 'id="steps"' not in page
