"""The verdict in the terminal, from the same objects as the report."""

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from analysis.analyse import Analysis
from analysis.results import Outcome, Verdict
from analysis.stages import Stage
from run_record.findings import Finding

_COLOURS = {
    Outcome.PASS: "green",
    Outcome.FAIL: "red",
    Outcome.INCONCLUSIVE: "yellow",
    Outcome.INVALID: "magenta",
}
_VERDICTS = {
    Verdict.GO: "green",
    Verdict.NO_GO: "red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.INVALID: "magenta",
}


def show(console: Console, analysis: Analysis) -> None:
    """Print the verdict, the groups, the reconciliation and the checks."""
    console.print(_groups(analysis))
    console.print(_stages(analysis))
    if any(way.way for way in analysis.ways):
        console.print(_ways(analysis))
    console.print(_reconciliation(analysis))
    console.print(_checks(analysis))
    console.print(_verdict(analysis))


def tell_finding(console: Console, finding: Finding) -> None:
    """Print what a scenario found, in one line, and where a failure is shown."""
    mark, colour = ("✓", "green") if finding.ok else ("✗", "red")
    where = f" (see {finding.evidence} in the run's folder)" if finding.evidence else ""
    console.print(Text.assemble((mark, colour), f" {finding.scenario}: {finding.step} – {finding.told}{where}"))


def _groups(analysis: Analysis) -> Table:
    table = Table(title="Expected and observed groups", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in (
        "group",
        "assigned",
        "landed",
        "expected",
        "share",
        "95 % interval",
        "impressions",
        "clicks",
    ):
        table.add_column(name, justify="left" if name == "group" else "right")
    for group in analysis.groups:
        table.add_row(
            group.name,
            f"{group.assigned:,}",
            f"{group.landed:,}",
            f"{group.expected_subjects:,.1f}",
            f"{group.landed_share:.2%}",
            f"{group.low * 100:.1f}–{group.high * 100:.1f} %",
            f"{group.impressions:,}",
            f"{group.clicks:,}",
        )
    return table


def _stages(analysis: Analysis) -> Table:
    table = Table(title="Subjects per stage: observed / expected", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("fidelity")
    table.add_column("group")
    for stage in Stage:
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
    table = Table(title="Funnels, by way of leaving", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in ("way", "funnels", "sent", "landed", "events", "seen by the page", "by the network log"):
        table.add_column(name, justify="left" if name == "way" else "right")
    for way in analysis.ways:
        if way.way:
            table.add_row(way.way, *(f"{count:,}" for count in way[2:]))
    return table


def _reconciliation(analysis: Analysis) -> Text:
    words = [f"{count:,} {word}" for word, count in analysis.reconciliation.items()]
    return Text("Events: " + " · ".join(words) + "\n")


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
    return Panel(Group(head, Text(analysis.sentence)), border_style=colour, expand=True)
