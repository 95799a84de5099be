"""Terminal, verdict.json, JUnit and report: each is read back, and has the same outcomes and the same numbers."""

import io
import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest
from rich.console import Console

from analysis.analyse import Analysis, analyse
from analysis.reports.html import render
from analysis.reports.junit import junit
from dogfood.terminal import show
from tests.analysis.runs import make_run

#: What JUnit calls the outcomes.
TAGS = {"pass": "system-out", "fail": "failure", "inconclusive": "skipped", "invalid": "error"}


class Page(HTMLParser):
    """The rows of each table of the report by its id, the list of the power, paragraphs, and the checks' outcomes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.outcomes: dict[str, str] = {}
        self.lines: list[str] = []
        self.table = self.outcome = self.tag = ""
        self.feed(page.partition("<script>")[0])

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        by_name = dict(attributes)
        if tag == "table":
            self.table = str(by_name["id"])
            self.tables[self.table] = []
        elif tag == "tr":
            self.tables[self.table].append([])
        elif tag == "td":
            self.tables[self.table][-1].append("")
        elif tag == "details":
            self.outcome = str(by_name["class"]).split()[1]
        elif tag in ("li", "p"):
            self.lines.append("")
        self.tag = tag

    def handle_data(self, text: str) -> None:
        if self.tag in ("li", "p") and self.lines:
            self.lines[-1] += text
        rows = self.tables.get(self.table)
        if rows and rows[-1]:
            rows[-1][-1] += text
        if self.tag == "b" and self.outcome:
            self.outcomes[text] = self.outcome
            self.outcome = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self.table = ""
        self.tag = ""


class Forms:
    """One analysis in its four forms."""

    def __init__(self, analysis: Analysis) -> None:
        self.verdict: dict[str, Any] = orjson.loads(analysis.to_json())
        self.page = Page(render(analysis))
        self.suite = ElementTree.fromstring(junit(analysis))  # noqa: S314 (our own)
        self.properties = {item.attrib["name"]: item.attrib["value"] for item in self.suite.iter("property")}
        out = io.StringIO()
        show(Console(file=out, width=1_000), analysis)
        self.terminal = [line.rstrip() for line in out.getvalue().splitlines()]

    def printed(self, title: str) -> list[list[str]]:
        """Return the cells of the terminal's table *title*, without its head."""
        begin = self.terminal.index(title) + 2
        rows = []
        for line in self.terminal[begin:]:
            cells = re.split(r"\s{2,}", line.strip())
            if len(cells) < 3:
                break
            rows.append(cells)
        return rows


@pytest.fixture(scope="module", params=["clean", "lossy"])
def forms(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Forms:
    run = make_run(tmp_path_factory.mktemp(request.param))
    treated = [event for event in run.events if "true" in event["experiments"]["assigned"].values()]
    missing = {event["meta"]["id"] for event in treated[::20]} if request.param == "lossy" else set()
    landed = [event for event in run.events if event["meta"]["id"] not in missing]
    run.land([*landed, *landed[: len(missing)]])
    return Forms(analyse(run.folder))


def numbers(cells: Sequence[str]) -> list[float]:
    """Return the numbers in *cells*, in their order; a dash between digits sets two numbers apart."""
    text = " ".join(cells).replace(",", "")
    return [float(number) for number in re.findall(r"(?<![\d.])[+-]?\d+(?:\.\d+)?", text)]


def percents(row: Mapping[str, Any], *names: str) -> list[float]:
    return [round(row[name] * 100, 2) for name in names]


def same(printed: Sequence[float], expected: Sequence[float]) -> bool:
    """Return whether numbers that were printed with two decimals, or as wholes, are those that are expected."""
    return printed == pytest.approx(list(expected), abs=0.00501)


def test_the_outcome_of_every_check(forms: Forms) -> None:
    by_name = {check["name"]: check["verdict"] for check in forms.verdict["checks"]}
    assert forms.page.outcomes == by_name
    cases = list(forms.suite.iter("testcase"))
    assert {case.attrib["name"]: [child.tag for child in case] for case in cases} == {
        name: [TAGS[outcome]] for name, outcome in by_name.items()
    }
    begin = forms.terminal.index("Checks") + 1
    printed = [line.split(maxsplit=2) for line in forms.terminal[begin : begin + len(by_name)]]
    assert {name: outcome for outcome, name, _ in printed} == by_name
    assert [items for _, _, items in printed] == [check["summary"] for check in forms.verdict["checks"]]
    items = [case[0].attrib.get("message") or case[0].text for case in cases]
    assert items == [check["summary"] for check in forms.verdict["checks"]]
    assert {case.attrib["classname"] for case in cases} == {check["layer"] for check in forms.verdict["checks"]}


def test_the_verdict_and_its_layer(forms: Forms) -> None:
    verdict, layer, sentence = (forms.verdict[name] for name in ("verdict", "layer", "sentence"))
    assert forms.properties["verdict"] == verdict
    assert forms.properties["layer"] == (layer or "")
    assert sentence in forms.page.lines
    assert [line for line in forms.terminal if line.strip("│ ") == verdict + (f"  layer: {layer}" if layer else "")]
    assert [line for line in forms.terminal if line.strip("│ ") == sentence]
    page = forms.verdict["page"]
    advice = [line.strip("│ ") for line in forms.terminal if "What to do:" in line]
    assert advice == ([f"What to do: {page}"] if page else [])
    assert (page is None) == (verdict == "GO")
    assert (f"What to do: {page}" in forms.page.lines) == (page is not None)


def test_the_reconciliation(forms: Forms) -> None:
    meant = forms.verdict["reconciliation"]
    rows = [row for row in forms.page.tables["reconciliation"] if row]
    assert {word: int(count.replace(",", "")) for word, count, _ in rows} == meant
    assert {word: int(forms.properties[word]) for word in meant} == meant
    [line] = [line for line in forms.terminal if line.startswith("Events: ")]
    parts = [part.split() for part in line.removeprefix("Events: ").split(" · ")]
    assert {word: int(count.replace(",", "")) for count, word in parts} == meant


def test_the_groups(forms: Forms) -> None:
    printed = forms.printed("Expected and observed groups")
    shown = [row for row in forms.page.tables["groups"] if row]
    for group, cells, others in zip(forms.verdict["groups"], printed, shown, strict=True):
        wholes = [group["assigned"], group["landed"], round(group["expected_subjects"], 1)]
        meant = [*wholes, *percents(group, "landed_share", "low", "high"), group["impressions"], group["clicks"]]
        assert cells[0] == others[0] == group["name"]
        assert same(numbers(cells[1:]), meant)
        assert [cell.strip() for cell in cells[1:]] == [cell.strip() for cell in others[1:]]
        for name in group.keys() - {"name"}:
            assert float(forms.properties[f"groups.{group['name']}.{name}"]) == group[name]


def test_what_each_group_lost(forms: Forms) -> None:
    shown = [row for row in forms.page.tables["losses"] if row]
    lost = forms.verdict["reconciliation"]["lost"]
    assert sum(loss["lost_events"] for loss in forms.verdict["losses"]) == lost
    assert bool(lost) == ("Losses by group" in forms.terminal)
    for loss, cells in zip(forms.verdict["losses"], shown, strict=True):
        events = [loss["sent_events"], loss["lost_events"], *percents(loss, "share")]
        subjects = [loss["subjects"], loss["losing_subjects"], *percents(loss, "losing_share", "low", "high")]
        meant = [*events, *subjects, *percents(loss, "difference", "difference_low", "difference_high")]
        assert cells[0] == loss["group"]
        assert same(numbers(cells[1:]), meant)
        for name in loss.keys() - {"group"}:
            assert float(forms.properties[f"losses.{loss['group']}.{name}"]) == loss[name]
        if lost:
            [printed] = [row for row in forms.printed("Losses by group") if row[0] == loss["group"]]
            assert same(numbers(printed[1:]), meant)


def test_the_click_through_rates(forms: Forms) -> None:
    printed = forms.printed("Click-through rates")
    shown = [row for row in forms.page.tables["rates"] if row]
    for rate, cells, others in zip(forms.verdict["rates"], printed, shown, strict=True):
        shares = percents(rate, "rate", "low", "high", "mean_rate", "unique_rate", "unique_low", "unique_high")
        assert cells[0] == others[0] == rate["group"]
        assert same(numbers(cells[1:]), [rate["subjects"], rate["clicks"], rate["impressions"], *shares])
        assert same(numbers(others[1:]), [rate["subjects"], rate["impressions"], rate["clicks"], *shares])
        for name in rate.keys() - {"group"}:
            assert float(forms.properties[f"rates.{rate['group']}.{name}"]) == rate[name]
    [item] = forms.verdict["differences"]
    begin = f"{item['group']} against {item['control']}: "
    [line] = [line for line in forms.terminal if line.startswith(begin)]
    assert line in forms.page.lines
    *shares, p_value = numbers([line.removeprefix(begin).rstrip(".")])
    names = ("difference", "low", "high", "lift", "lift_low", "lift_high")
    assert same(shares, percents(item, *names))
    assert p_value == float(f"{item['p_value']:.3g}")
    assert float(forms.properties[f"differences.{item['group']}.p_value"]) == item["p_value"]


def test_the_power(forms: Forms) -> None:
    power = forms.verdict["power"]
    [line] = [line for line in forms.terminal if line.startswith("With a chance of 80 %")]
    shown = [text for text in forms.page.lines if text.startswith(("A group with", "The loss of", "A difference of"))]
    assert len(shown) == 3
    assert line.endswith(f"{power['subjects']:,} subjects show: {' '.join(shown)}")
    meant = percents(power, "imbalance", "loss", "difference")
    assert same([numbers([text])[0] for text in shown], meant)
    for name in power:
        assert float(forms.properties[f"power.{name}"]) == power[name]
