"""The page of a forecast: figures and charts in one self-contained HTML file."""

from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined

from analysis.capacity.forecast import Forecast, rounded_down
from analysis.capacity.forecast_report import assumptions, needs, sentence
from analysis.reports.charts import Figure as Chart
from analysis.reports.charts import script

#: Colours that are distinct on white, on black, and for colour-blind readers (Okabe & Ito, 2008).
_NEED, _OTHERS, _LIMIT = "#0072b2", "#999999", "#d55e00"
_CLEAR = "rgba(0,0,0,0)"


def render(forecast: Forecast) -> str:
    """Return the forecast as HTML."""
    environment = Environment(loader=PackageLoader("analysis"), autoescape=True, undefined=StrictUndefined)
    charts = {"streams": _streams_chart(forecast), "ramp": _ramp_chart(forecast)}
    return environment.get_template("forecast.html.j2").render(
        f=forecast,
        sentence=sentence(forecast),
        safe=rounded_down(forecast.largest_rate),
        assumptions=assumptions(forecast),
        needs=[(need.stream, needs(need)) for need in forecast.streams],
        script=script(charts),
    )


def _streams_chart(forecast: Forecast) -> Chart:
    names = [need.stream for need in forecast.streams]
    limit, background = forecast.traffic.stream_limit, forecast.traffic.background
    data = [
        {"type": "bar", "orientation": "h", "name": "others", "y": names, "x": [background] * len(names),
         "marker": {"color": _OTHERS}},
        {"type": "bar", "orientation": "h", "name": "this experiment at the peak", "y": names,
         "x": [need.peak for need in forecast.streams], "marker": {"color": _NEED}},
    ]  # fmt: skip
    layout = {
        "barmode": "stack", "height": 140 + 50 * len(names),
        "xaxis": {"title": {"text": "events/s"}, "rangemode": "tozero"},
        "yaxis": {"automargin": True}, "shapes": [_line(x=limit)], "annotations": [_note(x=limit, y=1, yref="paper")],
        **_PLAIN,
    }  # fmt: skip
    return {"data": data, "layout": layout}


def _ramp_chart(forecast: Forecast) -> Chart:
    limit = forecast.traffic.stream_limit
    times = [step.at.isoformat() for step in forecast.ramp]
    labels = [f"sample rate {step.rate:.4g}" for step in forecast.ramp]
    background = forecast.traffic.background
    data = [
        {"type": "scatter", "mode": "lines+markers", "name": name, "x": times, "y": values, "text": labels,
         "line": {"shape": "hv", "dash": dash, "color": _NEED}}
        for name, values, dash in (
            ("at the peak, with others", [step.peak + background for step in forecast.ramp], "solid"),
            ("average, this experiment", [step.average for step in forecast.ramp], "dot"),
        )
    ]  # fmt: skip
    layout = {
        "height": 300, "xaxis": {"title": {"text": "from (UTC)"}},
        "yaxis": {"title": {"text": "events/s"}, "rangemode": "tozero"},
        "shapes": [_line(y=limit)], "annotations": [_note(y=limit, x=0, xref="paper")], **_PLAIN,
    }  # fmt: skip
    return {"data": data, "layout": layout}


_PLAIN: Mapping[str, object] = {
    "margin": {"l": 60, "r": 20, "t": 30, "b": 45}, "paper_bgcolor": _CLEAR, "plot_bgcolor": _CLEAR,
    "legend": {"orientation": "h", "y": 1.2},
}  # fmt: skip


def _line(*, x: float | None = None, y: float | None = None) -> Mapping[str, object]:
    """Return the stream's limit as a line across the chart: vertical at *x*, or horizontal at *y*."""
    ends = (
        {"x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper"}
        if x is not None
        else {"y0": y, "y1": y, "x0": 0, "x1": 1, "xref": "paper"}
    )
    return {"type": "line", "line": {"color": _LIMIT, "width": 2, "dash": "dash"}, **ends}


def _note(**position: object) -> Mapping[str, object]:
    return {
        "text": "limit",
        "showarrow": False,
        "xanchor": "left",
        "yanchor": "bottom",
        "font": {"color": _LIMIT},
        **position,
    }
