"""The report: one self-contained HTML file, made from the same objects as `verdict.json`."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined

from analysis.analyse import Analysis, GroupCount
from analysis.reports import number_format as wording
from analysis.reports.charts import over_time, script
from analysis.reports.links import within
from analysis.summaries.funnel import FunnelStage
from analysis.verdict import CheckStatus, Layer

#: What the words of the reconciliation mean, and whether a count above 0 is a fault of the pipeline.
WORDS: Mapping[str, tuple[str, bool]] = {
    "offered": ("put on the wire", False),
    "ok": ("landed once or more, as sent", False),
    "lost": ("answered 201 or 202, in neither the table nor the error stream", True),
    "duplicated": ("ids that landed more than once", True),
    "corrupted": ("landed with other content", True),
    "unexpected": ("landed, never sent", True),
    "invalid": ("refused by the intake", True),
    "late": ("landed after the deadline", True),
    "indeterminate": ("no answer and not landed: nobody can know", False),
}


#: What is measured from when to when.
DELAYS: Mapping[str, str] = {
    "latency": "a request's intended time until its answer",
    "service": "sending until the answer",
    "freshness": "when an event was due until the intake had received it, by its own clock",
    "topic": "when an event was due until it was in its topic, by the broker's clock",
    "table": "when an event was due until its row could be read in the table",
}


class Bar(NamedTuple):
    """One group in the picture, in percent of its width."""

    group: GroupCount
    expected: float
    low: float
    high: float
    landed: float


class Stop(NamedTuple):
    """One layer on the map: the worst that a check said of it (None when none that matters looks at it)."""

    layer: Layer
    outcome: CheckStatus | None


class Cell(NamedTuple):
    """Subjects of one stage: observed, expected, and whether that is a fault."""

    observed: int | None
    expected: float | None
    off: bool


class StageRow(NamedTuple):
    """All stages of one fidelity and group."""

    fidelity: str
    group: str
    cells: tuple[Cell, ...]


class SegmentRow(NamedTuple):
    """One segment: its subjects in each group that landed, and its events."""

    dimension: str
    value: str
    landed: tuple[int, ...]
    sent_events: int
    lost_events: int


_WORST = (CheckStatus.INVALID, CheckStatus.FAIL, CheckStatus.INCONCLUSIVE, CheckStatus.PASS)


def render(analysis: Analysis) -> str:
    """Return the report on *analysis* as HTML."""
    loader = PackageLoader("analysis")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.filters["pretty"] = _pretty
    environment.filters["within"] = within
    environment.filters["moment"] = _moment
    environment.globals["say"] = wording
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
        differences=[wording.difference(item) for item in analysis.differences],
        power=wording.power(analysis.power, analysis.groups[0].expected_share if analysis.groups else 0.0),
        delay_words=DELAYS,
        script=script({"series": over_time(analysis.series)} if analysis.series else {}),
    )


def _segment_rows(analysis: Analysis) -> list[SegmentRow]:
    """Return the segments of every dimension that has several, with those that lost something first."""
    names = [group.name for group in analysis.groups]
    found: dict[tuple[str, str], SegmentRow] = {}
    for item in analysis.segments:
        key = item.dimension, item.value
        row = found.get(key, SegmentRow(*key, (0,) * len(names), 0, 0))
        landed = list(row.landed)
        landed[names.index(item.group)] += item.landed_subjects
        found[key] = row._replace(
            landed=tuple(landed),
            sent_events=row.sent_events + item.sent_events,
            lost_events=row.lost_events + item.lost_events,
        )
    sizes = Counter(dimension for dimension, _ in found)
    rows = [row for row in found.values() if sizes[row.dimension] > 1]
    return sorted(rows, key=lambda row: -row.lost_events / row.sent_events)


def _stage_rows(analysis: Analysis) -> list[StageRow]:
    rows: dict[tuple[str, str], list[Cell]] = {}
    for count in analysis.stages:
        # Who is assigned is left to chance, and judged by the sample ratio; from then on nobody may get lost.
        exact = count.stage is not FunnelStage.ASSIGNED and None not in (count.observed, count.expected)
        cell = Cell(count.observed, count.expected, exact and count.observed != count.expected)
        rows.setdefault((count.fidelity, count.group), []).append(cell)
    return [StageRow(fidelity, group, tuple(cells)) for (fidelity, group), cells in rows.items()]


def _stops(analysis: Analysis) -> list[Stop]:
    # As in the verdict: what is inconclusive and does not matter would put a warning beside a GO.
    told = [check for check in analysis.checks if check.matters or check.status is not CheckStatus.INCONCLUSIVE]
    said = {layer: {check.status for check in told if check.layer is layer} for layer in Layer}
    return [Stop(layer, next((worst for worst in _WORST if worst in said[layer]), None)) for layer in Layer]


def _axis(analysis: Analysis) -> tuple[float, float]:
    """Return the shares between which the picture is drawn: all intervals and expectations, with some air."""
    values = [value for group in analysis.groups for value in (group.low, group.high, group.expected_share)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    air = max((high - low) * 0.15, 0.005)
    return max(0.0, low - air), min(1.0, high + air)


def _bar(group: GroupCount, low: float, high: float) -> Bar:
    def place(share: float) -> float:
        return round((share - low) / (high - low) * 100, 2)

    return Bar(group, place(group.expected_share), place(group.low), place(group.high), place(group.landed_share))


def _pretty(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _moment(value: int | None) -> str:
    return datetime.fromtimestamp(value / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if value else "–"
