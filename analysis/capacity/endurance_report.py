"""Report of a soak or a spike, as JSON and as one self-contained HTML file."""

from collections.abc import Mapping

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined

from analysis.capacity.endurance import Endurance
from analysis.reports.charts import Figure, script

_PLAIN: Mapping[str, object] = {
    "height": 300, "margin": {"l": 65, "r": 20, "t": 30, "b": 45}, "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)", "legend": {"orientation": "h", "y": 1.15},
}  # fmt: skip


def to_json(endurance: Endurance, setting: Mapping[str, object]) -> bytes:
    """Return *endurance* as JSON; *setting* has everything needed to repeat the check."""
    step = endurance.judged.step
    content = {
        "result": endurance.result,
        "sentence": endurance.sentence,
        "rate": step.rate,
        "seconds": step.seconds,
        "offered": step.offered,
        "answered": step.answered,
        "failed": step.failed + step.dropped,
        "latency_ms": step.latency_ms._asdict(),
        "recovery_s": endurance.recovery_s,
        "trends": [{**trend._asdict(), "an_hour": trend.an_hour._asdict()} for trend in endurance.trends],
        "breaches": [breach.sentence for breach in endurance.judged.breaches],
        "faults": step.faults,
        "run": step.run,
        "setting": setting,
        "timeline": [second._asdict() for second in endurance.seconds],
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def render(endurance: Endurance, name: str, setting: Mapping[str, object], command_line: str) -> str:
    """Return the report as HTML; see `analysis.capacity.conclusion_report.render` for the arguments."""
    environment = Environment(loader=PackageLoader("analysis"), autoescape=True, undefined=StrictUndefined)
    charts = {"rates": _rates(endurance), "delays": _delays(endurance)}
    if endurance.memory:
        charts["memory"] = _memory(endurance)
    return environment.get_template("endurance.html.j2").render(
        f=endurance, name=name, setting=setting, command_line=command_line, script=script(charts)
    )


def _rates(endurance: Endurance) -> Figure:
    names = ("offered", "answered", "failed")
    return _over_time(
        endurance, "events/s", {name: [getattr(row, name) for row in endurance.seconds] for name in names}
    )


def _delays(endurance: Endurance) -> Figure:
    lines = {"p50": [s.p50 for s in endurance.seconds], "p99": [s.p99 for s in endurance.seconds]}
    return _over_time(endurance, "latency, ms (logarithmic)", lines, kind="log")


def _over_time(endurance: Endurance, unit: str, lines: Mapping[str, list[float]], kind: str = "linear") -> Figure:
    seconds = [row.second for row in endurance.seconds]
    data = [{"type": "scatter", "mode": "lines", "name": name, "x": seconds, "y": y} for name, y in lines.items()]
    shapes = []
    if endurance.spike is not None:
        area = {"type": "rect", "yref": "paper", "y0": 0, "y1": 1, "x0": endurance.spike[0], "x1": endurance.spike[1]}
        shapes.append({**area, "fillcolor": "#999999", "opacity": 0.2, "line": {"width": 0}})
    axis = {"title": {"text": unit}, "type": kind}
    return {
        "data": data,
        "layout": {**_PLAIN, "xaxis": {"title": {"text": "due, seconds"}}, "yaxis": axis, "shapes": shapes},
    }


def _memory(endurance: Endurance) -> Figure:
    times, values = zip(*endurance.memory, strict=True)
    line = {"type": "scatter", "mode": "lines", "name": "memory", "x": list(times), "y": [v / 1e6 for v in values]}
    return {
        "data": [line],
        "layout": {**_PLAIN, "xaxis": {"title": {"text": "seconds"}}, "yaxis": {"title": {"text": "MB"}}},
    }
