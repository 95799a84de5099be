"""HTML report: one self-contained file, rendered from the same objects as `verdict.json`."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined

from analysis.analyse import Analysis, GroupCount
from analysis.reports import number_format
from analysis.reports.charts import over_time, script
from analysis.reports.links import within
from analysis.summaries.funnel import FunnelStage
from analysis.verdict import CheckStatus, Layer

#: Meaning of each word of the reconciliation, and whether a count above 0 is a fault of the pipeline.
WORDS: Mapping[str, tuple[str, bool]] = {
    "offered": ("sent by the generator", False),
    "ok": ("landed once or more, with the sent content", False),
    "lost": ("answered 201 or 202, in neither the table nor the error stream", True),
    "duplicated": ("ids that landed more than once", True),
    "corrupted": ("landed with other content", True),
    "unexpected": ("landed without having been sent", True),
    "invalid": ("refused by the intake", True),
    "late": ("landed after the deadline", True),
    "indeterminate": ("no response and not landed: outcome unknown", False),
}

#: Start and end of each measured delay.
DELAYS: Mapping[str, str] = {
    "latency": "intended time of a request to its response",
    "service": "sending to the response",
    "freshness": "due time of an event to its arrival at the intake, by the intake's clock",
    "topic": "due time of an event to its arrival in the topic, by the broker's clock",
    "table": "due time of an event to its row being readable in the table",
}


class Bar(NamedTuple):
    """One group in the chart, in percent of its width."""

    group: GroupCount
    expected: float
    low: float
    high: float
    landed: float


class Stop(NamedTuple):
    """One layer on the map, with the worst status of its checks (None without a check that matters)."""

    layer: Layer
    status: CheckStatus | None


class Cell(NamedTuple):
    """Subjects of one stage: observed, expected, and whether the difference is a fault."""

    observed: int | None
    expected: float | None
    off: bool


class StageRow(NamedTuple):
    """Stages of one fidelity and group."""

    fidelity: str
    group: str
    cells: tuple[Cell, ...]


class SegmentRow(NamedTuple):
    """One segment: landed subjects of each group, sent and lost events."""

    dimension: str
    value: str
    landed: tuple[int, ...]
    sent_events: int
    lost_events: int


_WORST = (CheckStatus.INVALID, CheckStatus.FAIL, CheckStatus.INCONCLUSIVE, CheckStatus.PASS)


def render(analysis: Analysis) -> str:
    """Return *analysis* as an HTML report."""
    loader = PackageLoader("analysis")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.filters["pretty"] = _pretty
    environment.filters["within"] = within
    environment.filters["moment"] = _moment
    environment.globals["say"] = number_format
    low, high = _axis(analysis)
    return environment.get_template("report.html.j2").render(
        a=analysis,
        words=WORDS,
        stops=_stops(analysis),
        stages=list(FunnelStage),
        stage_rows=_stage_rows(analysis),
        bars=[_bar(group, low, high) for group in analysis.groups],
        axis=(low, high),
        segments=_segment_rows(analysis),
        differences=[number_format.difference(item) for item in analysis.differences],
        power=number_format.power(analysis.power, analysis.groups[0].expected_share if analysis.groups else 0.0),
        delay_words=DELAYS,
        script=script({"series": over_time(analysis.series)} if analysis.series else {}),
    )


def _segment_rows(analysis: Analysis) -> list[SegmentRow]:
    """Return the segments of every dimension with several, the largest share of lost events first."""
    names = [group.name for group in analysis.groups]
    segments: dict[tuple[str, str], SegmentRow] = {}
    for item in analysis.segments:
        key = item.dimension, item.value
        row = segments.get(key, SegmentRow(*key, (0,) * len(names), 0, 0))
        landed = list(row.landed)
        landed[names.index(item.group)] += item.landed_subjects
        segments[key] = row._replace(
            landed=tuple(landed),
            sent_events=row.sent_events + item.sent_events,
            lost_events=row.lost_events + item.lost_events,
        )
    sizes = Counter(dimension for dimension, _ in segments)
    rows = [row for row in segments.values() if sizes[row.dimension] > 1]
    return sorted(rows, key=lambda row: -row.lost_events / row.sent_events)


def _stage_rows(analysis: Analysis) -> list[StageRow]:
    rows: dict[tuple[str, str], list[Cell]] = {}
    for count in analysis.stages:
        # Assignment is random, and tested by the sample ratio; from then on no subject may be lost.
        exact = count.stage is not FunnelStage.ASSIGNED and None not in (count.observed, count.expected)
        cell = Cell(count.observed, count.expected, exact and count.observed != count.expected)
        rows.setdefault((count.fidelity, count.group), []).append(cell)
    return [StageRow(fidelity, group, tuple(cells)) for (fidelity, group), cells in rows.items()]


def _stops(analysis: Analysis) -> list[Stop]:
    # As in the verdict, an inconclusive check that does not matter is left out.
    deciding = [check for check in analysis.checks if check.matters or check.status is not CheckStatus.INCONCLUSIVE]
    statuses = {layer: {check.status for check in deciding if check.layer is layer} for layer in Layer}
    return [Stop(layer, next((worst for worst in _WORST if worst in statuses[layer]), None)) for layer in Layer]


def _axis(analysis: Analysis) -> tuple[float, float]:
    """Return the range of the chart's axis: all intervals and expected shares, with a margin."""
    values = [value for group in analysis.groups for value in (group.low, group.high, group.expected_share)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = max((high - low) * 0.15, 0.005)
    return max(0.0, low - margin), min(1.0, high + margin)


def _bar(group: GroupCount, low: float, high: float) -> Bar:
    def percent(share: float) -> float:
        return round((share - low) / (high - low) * 100, 2)

    return Bar(
        group, percent(group.expected_share), percent(group.low), percent(group.high), percent(group.landed_share)
    )


def _pretty(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _moment(value: int | None) -> str:
    return datetime.fromtimestamp(value / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if value else "–"
