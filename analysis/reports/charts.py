"""Interactive charts of the report, as figures for plotly."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import orjson
from plotly.offline import get_plotlyjs

from analysis.summaries.timeline import TimeBucket

Figure = Mapping[str, object]

#: Colours that are distinct on white, on black, and for colour-blind readers (Okabe & Ito, 2008).
_SENT, _LANDED, _LOST = "#999999", "#0072b2", "#d55e00"

_CLEAR = "rgba(0,0,0,0)"


def over_time(moments: Sequence[TimeBucket]) -> Figure:
    """Return the chart of sent and landed events over time, with a bar of lost events for each period."""
    times = [datetime.fromtimestamp(moment.at_ms / 1000, UTC).isoformat() for moment in moments]
    span = moments[0].span_ms if moments else 1000
    lines = [
        {"name": "sent", "type": "scatter", "mode": "lines", "x": times, "y": [moment.sent for moment in moments],
         "line": {"color": _SENT, "width": 5, "shape": "hv"}},
        {"name": "landed", "type": "scatter", "mode": "lines", "x": times, "y": [moment.landed for moment in moments],
         "line": {"color": _LANDED, "width": 2, "shape": "hv"}},
        {"name": "lost", "type": "bar", "x": times, "y": [moment.lost for moment in moments],
         "marker": {"color": _LOST}, "width": span},
    ]  # fmt: skip
    layout = {
        "height": 300, "margin": {"l": 55, "r": 10, "t": 10, "b": 40}, "paper_bgcolor": _CLEAR, "plot_bgcolor": _CLEAR,
        "hovermode": "x unified", "legend": {"orientation": "h", "y": 1.15}, "xaxis": {"title": {"text": "due (UTC)"}},
        "yaxis": {"title": {"text": f"events in {span / 1000:g} s"}, "rangemode": "tozero"},
    }  # fmt: skip
    return {"data": lines, "layout": layout}


def script(figures: Mapping[str, Figure]) -> str:
    """Return JavaScript that draws each of *figures* into the element of its name, plotly included."""
    # "</" would end the script element, and "<!--" begin a comment in it.
    data = orjson.dumps(figures).decode().replace("<", "\\u003c")
    return f"{get_plotlyjs()}\n{_DRAW.replace('FIGURES', data)}"


_DRAW = """
(() => {
  const figures = FIGURES;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const draw = () => {
    const ink = getComputedStyle(document.documentElement).getPropertyValue("--ink").trim();
    const line = getComputedStyle(document.documentElement).getPropertyValue("--line").trim();
    for (const [name, figure] of Object.entries(figures)) {
      const axes = {};
      for (const axis of ["xaxis", "yaxis"]) {
        axes[axis] = { ...figure.layout[axis], gridcolor: line, zerolinecolor: line };
      }
      const layout = { ...figure.layout, ...axes, font: { color: ink, family: "system-ui, sans-serif" } };
      Plotly.react(name, figure.data, layout, { responsive: true, displaylogo: false, displayModeBar: false });
    }
  };
  draw();
  dark.addEventListener("change", draw);
})();
"""
