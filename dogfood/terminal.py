"""The verdict in the terminal, from the same objects as the report."""

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from analysis.analyse import Analysis
from analysis.inputs.description import InputSummary
from analysis.reports import number_format as wording
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
    """Print the groups, the stages, what was lost, the click-through rates, the power, the checks and the verdict."""
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
    """Print what the observed files were read as: a line a format, or all that is known of them if *whole*."""
    if not whole:
        for source in inputs.sources:
            console.print(Text(f"read as: {source.sentence}"), soft_wrap=True)
        return
    table = Table(title="Observed files", title_justify="left", box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for heading, words in inputs.lines():
        table.add_row(heading, Text(words))
    console.print(table)


def tell_finding(console: Console, finding: ScenarioFinding) -> None:
    """Print what a scenario found, in one line, and where a failure is shown."""
    mark, colour = ("✓", "green") if finding.ok else ("✗", "red")
    where = f" (see {finding.evidence} in the run's folder)" if finding.evidence else ""
    console.print(Text.assemble((mark, colour), f" {finding.scenario}: {finding.step} – {finding.observation}{where}"))


def _groups(analysis: Analysis) -> Table:
    columns = ("assigned", "landed", "expected", "share", "95 % interval", "impressions", "clicks")
    table = _table("Expected and observed groups", "group", *columns)
    for group in analysis.groups:
        table.add_row(
            group.name,
            wording.whole(group.assigned),
            wording.whole(group.landed),
            f"{group.expected_subjects:,.1f}",
            wording.percent(group.landed_share),
            wording.between(group.low, group.high),
            wording.whole(group.impressions),
            wording.whole(group.clicks),
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
    table = _table("Funnels, by way of leaving", "way", *columns)
    for way in analysis.ways:
        if way.way:
            table.add_row(way.way, *(f"{count:,}" for count in way[2:]))
    return table


def _reconciliation(analysis: Analysis) -> Text:
    words = [f"{count:,} {word}" for word, count in analysis.reconciliation.items()]
    return Text("Events: " + " · ".join(words) + "\n")


def _losses(analysis: Analysis) -> Table:
    table = _table("What each group lost", "group", "sent", "lost", "share", "subjects", "losing", "95 % interval")
    table.add_column("less the others'", justify="right")
    for loss in analysis.losses:
        apart = "–"
        if loss.difference is not None and loss.difference_low is not None and loss.difference_high is not None:
            apart = f"{wording.signed_percent(loss.difference)} "
            apart += f"({wording.signed_between(loss.difference_low, loss.difference_high)})"
        table.add_row(
            loss.group,
            wording.whole(loss.sent_events),
            wording.whole(loss.lost_events),
            wording.percent(loss.share),
            wording.whole(loss.subjects),
            f"{wording.whole(loss.losing_subjects)} ({wording.percent(loss.losing_share)})",
            wording.between(loss.low, loss.high),
            apart,
        )
    return table


def _rates(analysis: Analysis) -> RenderableType:
    columns = ("subjects", "clicks / impressions", "rate", "95 % interval", "mean", "who clicked", "95 % interval")
    table = _table("Click-through rates", "group", *columns)
    for rate in analysis.rates:
        table.add_row(
            rate.group,
            wording.whole(rate.subjects),
            f"{wording.whole(rate.clicks)} / {wording.whole(rate.impressions)}",
            wording.percent(rate.rate),
            wording.between(rate.low, rate.high),
            wording.percent(rate.mean_rate),
            wording.percent(rate.unique_rate),
            wording.between(rate.unique_low, rate.unique_high),
        )
    return Group(table, *(Text(wording.difference(item)) for item in analysis.differences))


def _power(analysis: Analysis) -> Text:
    meant = analysis.groups[0].expected_share if analysis.groups else 0.0
    told = " ".join(wording.power(analysis.power, meant))
    return Text(f"With a chance of 80 %, {wording.whole(analysis.power.subjects)} subjects show: {told}\n")


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
        table.add_row(Text(check.verdict, style=_COLOURS[check.verdict]), check.name, Text(check.summary))
    return table


def _verdict(analysis: Analysis) -> Panel:
    colour = _VERDICTS[analysis.verdict]
    where = f"  layer: {analysis.layer}" if analysis.layer else ""
    head = Text(analysis.verdict + where, style=f"bold {colour}")
    lines = [head, Text(analysis.sentence)]
    if analysis.page:
        lines.append(Text(f"What to do: {analysis.page}", style="dim"))
    return Panel(Group(*lines), border_style=colour, expand=True)
