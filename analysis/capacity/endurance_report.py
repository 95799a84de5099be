"""What a soak or a spike found, as JSON and as one self-contained HTML file."""

from collections.abc import Mapping

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined

from analysis.capacity.endurance import Endurance
from analysis.reports.charts import Figure, script

_PLAIN: Mapping[str, object] = {
    "height": 300, "margin": {"l": 65, "r": 20, "t": 30, "b": 45}, "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)", "legend": {"orientation": "h", "y": 1.15},
}  # fmt: skip


def to_json(found: Endurance, setting: Mapping[str, object]) -> bytes:
    """Return *found* as JSON; *setting* is all that it takes to do the same again."""
    step = found.judged.step
    content = {
        "result": found.result,
        "sentence": found.sentence,
        "rate": step.rate,
        "seconds": step.seconds,
        "offered": step.offered,
        "answered": step.answered,
        "failed": step.failed + step.dropped,
        "latency_ms": step.latency_ms._asdict(),
        "recovery_s": found.recovery_s,
        "trends": [{**trend._asdict(), "an_hour": trend.an_hour._asdict()} for trend in found.trends],
        "breaches": [breach.sentence for breach in found.judged.breaches],
        "faults": step.faults,
        "run": step.run,
        "setting": setting,
        "timeline": [second._asdict() for second in found.seconds],
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def render(found: Endurance, name: str, setting: Mapping[str, object], again: str) -> str:
    """Return the report as HTML; see `analysis.capacity.conclusion_report.render` for the arguments."""
    environment = Environment(loader=PackageLoader("analysis"), autoescape=True, undefined=StrictUndefined)
    charts = {"rates": _rates(found), "delays": _delays(found)}
    if found.memory:
        charts["memory"] = _memory(found)
    return environment.get_template("endurance.html.j2").render(
        f=found, name=name, setting=setting, again=again, script=script(charts)
    )


def _rates(found: Endurance) -> Figure:
    names = ("offered", "answered", "failed")
    return _over_time(found, "events/s", {name: [getattr(row, name) for row in found.seconds] for name in names})


def _delays(found: Endurance) -> Figure:
    lines = {"p50": [s.p50 for s in found.seconds], "p99": [s.p99 for s in found.seconds]}
    return _over_time(found, "latency, ms (logarithmic)", lines, kind="log")


def _over_time(found: Endurance, unit: str, lines: Mapping[str, list[float]], kind: str = "linear") -> Figure:
    seconds = [row.second for row in found.seconds]
    data = [{"type": "scatter", "mode": "lines", "name": name, "x": seconds, "y": y} for name, y in lines.items()]
    shapes = []
    if found.spike is not None:
        area = {"type": "rect", "yref": "paper", "y0": 0, "y1": 1, "x0": found.spike[0], "x1": found.spike[1]}
        shapes.append({**area, "fillcolor": "#999999", "opacity": 0.2, "line": {"width": 0}})
    axis = {"title": {"text": unit}, "type": kind}
    return {
        "data": data,
        "layout": {**_PLAIN, "xaxis": {"title": {"text": "due, seconds"}}, "yaxis": axis, "shapes": shapes},
    }


def _memory(found: Endurance) -> Figure:
    times, values = zip(*found.memory, strict=True)
    line = {"type": "scatter", "mode": "lines", "name": "memory", "x": list(times), "y": [v / 1e6 for v in values]}
    return {
        "data": [line],
        "layout": {**_PLAIN, "xaxis": {"title": {"text": "seconds"}}, "yaxis": {"title": {"text": "MB"}}},
    }
