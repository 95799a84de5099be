"""The verdict of a run in the terminal, from the same analysis as the report."""

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from analysis.analyse import Analysis
from analysis.inputs.description import InputSummary
from analysis.reports import number_format
from analysis.summaries.funnel import FunnelStage
from analysis.verdict import CheckStatus, Verdict
from run_record.scenario_findings import ScenarioFinding

_COLOURS = {
    CheckStatus.PASS: "green",
    CheckStatus.FAIL: "red",
    CheckStatus.INCONCLUSIVE: "yellow",
    CheckStatus.INVALID: "magenta",
}
_VERDICTS = {
    Verdict.GO: "green",
    Verdict.NO_GO: "red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.INVALID: "magenta",
}


def show(console: Console, analysis: Analysis) -> None:
    """Print groups, stages, losses, click-through rates, power, checks and verdict."""
    console.print(_groups(analysis))
    console.print(_stages(analysis))
    if any(way.way for way in analysis.ways):
        console.print(_ways(analysis))
    console.print(_reconciliation(analysis))
    if analysis.reconciliation["lost"]:
        console.print(_losses(analysis))
    if analysis.rates:
        console.print(_rates(analysis))
    console.print(_power(analysis))
    console.print(_checks(analysis))
    console.print(_verdict(analysis))


def show_inputs(console: Console, inputs: InputSummary, *, whole: bool) -> None:
    """Print how the observed files were read: one line per format, or all details if *whole*."""
    if not whole:
        for source in inputs.sources:
            console.print(Text(f"read as: {source.sentence}"), soft_wrap=True)
        return
    table = Table(title="Observed files", title_justify="left", box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for heading, text in inputs.lines():
        table.add_row(heading, Text(text))
    console.print(table)


def show_finding(console: Console, finding: ScenarioFinding) -> None:
    """Print a scenario's finding in one line, with the evidence of a failure."""
    mark, colour = ("✓", "green") if finding.ok else ("✗", "red")
    evidence = f" (see {finding.evidence} in the run's folder)" if finding.evidence else ""
    console.print(
        Text.assemble((mark, colour), f" {finding.scenario}: {finding.step} – {finding.observation}{evidence}")
    )


def _groups(analysis: Analysis) -> Table:
    columns = ("assigned", "landed", "expected", "share", "95 % interval", "impressions", "clicks")
    table = _table("Expected and observed groups", "group", *columns)
    for group in analysis.groups:
        table.add_row(
            group.name,
            number_format.whole(group.assigned),
            number_format.whole(group.landed),
            f"{group.expected_subjects:,.1f}",
            number_format.percent(group.landed_share),
            number_format.between(group.low, group.high),
            number_format.whole(group.impressions),
            number_format.whole(group.clicks),
        )
    return table


def _stages(analysis: Analysis) -> Table:
    table = Table(title="Subjects per stage: observed / expected", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("fidelity")
    table.add_column("group")
    for stage in FunnelStage:
        table.add_column(stage, justify="right")
    rows: dict[tuple[str, str], list[str]] = {}
    for count in analysis.stages:
        observed = "–" if count.observed is None else f"{count.observed:,}"
        expected = "–" if count.expected is None else f"{count.expected:,.0f}"
        rows.setdefault((count.fidelity, count.group), []).append(f"{observed} / {expected}")
    for (fidelity, group), cells in rows.items():
        table.add_row(fidelity, group, *cells)
    return table


def _ways(analysis: Analysis) -> Table:
    columns = ("funnels", "sent", "landed", "events", "seen by the page", "by the network log")
    table = _table("Funnels, by way of leaving the page", "way", *columns)
    for way in analysis.ways:
        if way.way:
            table.add_row(way.way, *(f"{count:,}" for count in way[2:]))
    return table


def _reconciliation(analysis: Analysis) -> Text:
    words = [f"{count:,} {word}" for word, count in analysis.reconciliation.items()]
    return Text("Events: " + " · ".join(words) + "\n")


def _losses(analysis: Analysis) -> Table:
    table = _table("Losses by group", "group", "sent", "lost", "share", "subjects", "with losses", "95 % interval")
    table.add_column("minus the others'", justify="right")
    for loss in analysis.losses:
        difference = "–"
        if loss.difference is not None and loss.difference_low is not None and loss.difference_high is not None:
            difference = f"{number_format.signed_percent(loss.difference)} "
            difference += f"({number_format.signed_between(loss.difference_low, loss.difference_high)})"
        table.add_row(
            loss.group,
            number_format.whole(loss.sent_events),
            number_format.whole(loss.lost_events),
            number_format.percent(loss.share),
            number_format.whole(loss.subjects),
            f"{number_format.whole(loss.losing_subjects)} ({number_format.percent(loss.losing_share)})",
            number_format.between(loss.low, loss.high),
            difference,
        )
    return table


def _rates(analysis: Analysis) -> RenderableType:
    columns = ("subjects", "clicks / impressions", "rate", "95 % interval", "mean", "who clicked", "95 % interval")
    table = _table("Click-through rates", "group", *columns)
    for rate in analysis.rates:
        table.add_row(
            rate.group,
            number_format.whole(rate.subjects),
            f"{number_format.whole(rate.clicks)} / {number_format.whole(rate.impressions)}",
            number_format.percent(rate.rate),
            number_format.between(rate.low, rate.high),
            number_format.percent(rate.mean_rate),
            number_format.percent(rate.unique_rate),
            number_format.between(rate.unique_low, rate.unique_high),
        )
    return Group(table, *(Text(number_format.difference(item)) for item in analysis.differences))


def _power(analysis: Analysis) -> Text:
    share = analysis.groups[0].expected_share if analysis.groups else 0.0
    detectable = " ".join(number_format.power(analysis.power, share))
    return Text(f"With a chance of 80 %, {number_format.whole(analysis.power.subjects)} subjects show: {detectable}\n")


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _checks(analysis: Analysis) -> RenderableType:
    table = Table(title="Checks", title_justify="left", show_header=False, box=None, padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for check in analysis.checks:
        table.add_row(Text(check.status, style=_COLOURS[check.status]), check.name, Text(check.summary))
    return table


def _verdict(analysis: Analysis) -> Panel:
    colour = _VERDICTS[analysis.verdict]
    layer = f"  layer: {analysis.layer}" if analysis.layer else ""
    head = Text(analysis.verdict + layer, style=f"bold {colour}")
    lines = [head, Text(analysis.sentence)]
    if analysis.page:
        lines.append(Text(f"What to do: {analysis.page}", style="dim"))
    return Panel(Group(*lines), border_style=colour, expand=True)
