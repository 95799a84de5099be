"""Report of a capacity search: JSON, JUnit XML, and one self-contained HTML file from the same objects."""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined

from analysis.capacity.conclusion import CapacityReport, Result
from analysis.capacity.objectives import formatted
from analysis.capacity.scalability import Scalability
from analysis.capacity.steps import Judged, StepOutcome, measured
from analysis.reports.charts import Figure, script
from common.junit_xml import Case, CaseStatus, suite_xml
from common.sentences import count_of

#: Colours that are distinct on white, on black, and for colour-blind readers (Okabe & Ito, 2008).
_COLOURS = {StepOutcome.HELD: "#0072b2", StepOutcome.BROKEN: "#d55e00", StepOutcome.INVALID: "#cc79a7"}
_SOFT = "#999999"
_STATUSES = {
    Result.FAIL: CaseStatus.FAILURE,
    Result.INVALID: CaseStatus.ERROR,
    Result.INCONCLUSIVE: CaseStatus.SKIPPED,
}
_PLAIN: Mapping[str, object] = {
    "height": 340, "margin": {"l": 65, "r": 20, "t": 30, "b": 45}, "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)", "legend": {"orientation": "h", "y": 1.15},
}  # fmt: skip


def to_json(finding: CapacityReport, setting: Mapping[str, object]) -> bytes:
    """Return *finding* as JSON; *setting* has everything needed to repeat the check."""
    sustained, law = finding.sustained, finding.scalability
    content = {
        "result": finding.result,
        "sentence": finding.sentence,
        "require": finding.require,
        "sustained": None if sustained is None else sustained._asdict(),
        "headroom": finding.headroom,
        "gave_out_first": {"side": finding.side, "evidence": finding.evidence},
        "lost": finding.lost,
        "interrupted": finding.interrupted,
        "objectives": [item.text for item in finding.objectives],
        "scalability": None if law is None else _law_json(law),
        "steps": [_step_json(item) for item in finding.steps],
        "setting": setting,
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def junit(finding: CapacityReport, name: str) -> bytes:
    """Return *finding* as a test suite: a case for the result and for each objective at the confirmed rate."""
    cases = [Case("capacity", "result", _STATUSES.get(finding.result, CaseStatus.PASSED), finding.sentence)]
    for objective in finding.objectives:
        values = confirmed_values(finding).get(objective.name, [])
        if values:
            message = f"{formatted(objective.name, max(values))} at worst in {count_of(len(values), 'window')}"
            cases.append(Case("objective", objective.text, message=message))
        else:
            message = "no rate was confirmed, or the value is unknown"
            cases.append(Case("objective", objective.text, CaseStatus.SKIPPED, message))
    return suite_xml(f"dogfood capacity {name}", cases)


def confirmed_values(finding: CapacityReport) -> dict[str, list[float]]:
    """Return the values of each objective in the windows that confirmed the sustained rate."""
    values_by_name: dict[str, list[float]] = {}
    for item in finding.steps:
        step = item.step
        confirming = finding.sustained is not None and step.rate == finding.sustained.rate
        if confirming and step.purpose == "confirm" and item.outcome is StepOutcome.HELD:
            for name, value in measured(step).items():
                if value is not None:
                    values_by_name.setdefault(name, []).append(value)
    return values_by_name


def render(finding: CapacityReport, name: str, setting: Mapping[str, object], command_line: str) -> str:
    """Return the report as HTML.

    Args:
        finding: conclusion of the search.
        name: name of the check.
        setting: everything needed to repeat the check.
        command_line: command that repeats it.
    """
    environment = Environment(loader=PackageLoader("analysis"), autoescape=True, undefined=StrictUndefined)
    charts = {"curve": _curve(finding), "delays": _delays(finding)}
    if finding.scalability is not None:
        charts["law"] = _law_chart(finding, finding.scalability)
    return environment.get_template("capacity.html.j2").render(
        f=finding, name=name, setting=setting, command_line=command_line, formatted=formatted,
        confirmed=confirmed_values(finding),
        script=script(charts if finding.steps else {}),
    )  # fmt: skip


def _step_json(item: Judged) -> dict[str, object]:
    step = item.step
    return {
        **asdict(step),
        "latency_ms": step.latency_ms._asdict(),
        "service_ms": step.service_ms._asdict(),
        "outcome": item.outcome,
        "breaches": [breach.sentence for breach in item.breaches],
        "faults": step.faults,
        "offered_rate": step.offered_rate,
        "achieved_rate": step.achieved_rate,
        "delivered_rate": step.delivered_rate,
        "concurrency": step.concurrency,
    }


def _law_json(law: Scalability) -> dict[str, object]:
    return {name: value._asdict() if hasattr(value, "_asdict") else value for name, value in law._asdict().items()}


def _curve(finding: CapacityReport) -> Figure:
    """Return the chart of achieved over offered rate, with a point for each step, the diagonal and the requirement."""
    data: list[dict[str, object]] = []
    highest = max((item.step.rate for item in finding.steps), default=1.0)
    data.append(
        {"type": "scatter", "mode": "lines", "name": "all answered", "x": [0, highest], "y": [0, highest],
         "line": {"color": _SOFT, "dash": "dot", "width": 1}}
    )  # fmt: skip
    for outcome, colour in _COLOURS.items():
        some = [item.step for item in finding.steps if item.outcome is outcome]
        if some:
            data.append(
                {"type": "scatter", "mode": "markers", "name": outcome, "x": [step.offered_rate for step in some],
                 "y": [step.achieved_rate for step in some], "text": [f"{step.purpose} {step.rate:g}" for step in some],
                 "marker": {"color": colour, "size": 9}}
            )  # fmt: skip
    layout = {
        **_PLAIN, "xaxis": {"title": {"text": "offered, events/s"}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": "answered, events/s"}, "rangemode": "tozero"}, "shapes": _upright(finding),
    }  # fmt: skip
    return {"data": data, "layout": layout}


def _delays(finding: CapacityReport) -> Figure:
    """Return percentiles of latency over the rate, with the objectives as level lines."""
    valid = sorted((i.step for i in finding.steps if i.outcome is not StepOutcome.INVALID), key=lambda s: s.rate)
    data = [
        {"type": "scatter", "mode": "lines+markers", "name": name, "x": [step.rate for step in valid],
         "y": [getattr(step.latency_ms, name) for step in valid], "line": {"dash": dash, "color": "#0072b2"}}
        for name, dash in (("p50", "dot"), ("p95", "dash"), ("p99", "solid"))
    ]  # fmt: skip
    lines: list[object] = [
        {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": item.limit, "y1": item.limit,
         "line": {"color": _COLOURS[StepOutcome.BROKEN], "dash": "dash", "width": 1}}
        for item in finding.objectives if item.name in ("p50", "p95", "p99", "max")
    ]  # fmt: skip
    layout = {
        **_PLAIN, "xaxis": {"title": {"text": "requested, events/s"}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": "latency, ms (logarithmic)"}, "type": "log"}, "shapes": lines + _upright(finding),
    }  # fmt: skip
    return {"data": data, "layout": layout}


def _law_chart(finding: CapacityReport, law: Scalability) -> Figure:
    """Return the chart of the fitted law: a line over the measured range, dashed beyond it up to the peak."""
    valid = [item.step for item in finding.steps if item.outcome is not StepOutcome.INVALID]
    inside = np.linspace(0, law.measured_concurrency, 80)
    data: list[dict[str, object]] = [
        {"type": "scatter", "mode": "markers", "name": "steps", "x": [step.concurrency for step in valid],
         "y": [step.achieved_rate for step in valid], "marker": {"color": "#0072b2"}},
        {"type": "scatter", "mode": "lines", "name": "fitted", "x": inside.tolist(),
         "y": [law.at(n) for n in inside.tolist()], "line": {"color": "#0072b2"}},
    ]  # fmt: skip
    if law.extrapolated and law.peak_concurrency is not None:
        beyond = np.linspace(law.measured_concurrency, law.peak_concurrency.value, 40).tolist()
        data.append(
            {"type": "scatter", "mode": "lines", "name": "extrapolated", "x": beyond,
             "y": [law.at(n) for n in beyond], "line": {"color": _SOFT, "dash": "dash"}}
        )  # fmt: skip
    layout = {
        **_PLAIN, "xaxis": {"title": {"text": "concurrent events (rate x mean service time)"}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": "answered, events/s"}, "rangemode": "tozero"},
    }  # fmt: skip
    return {"data": data, "layout": layout}


def _upright(finding: CapacityReport) -> list[object]:
    if finding.require is None:
        return []
    line = {"color": _SOFT, "width": 2, "dash": "dash"}
    return [
        {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": finding.require, "x1": finding.require, "line": line}
    ]
