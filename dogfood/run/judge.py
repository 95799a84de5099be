"""Judge a run: analyse it, and write its verdict and report."""

from collections.abc import Callable
from pathlib import Path

from analysis.analyse import Analysis, analyse, write
from analysis.engines.warehouse import Warehouse
from analysis.inputs.description import InputSummary, ObservedKind
from analysis.reports.html import render


def judge(
    folder: Path,
    observed: tuple[Path, ...] = (),
    *,
    min_imbalance: float = 0.0,
    warehouse: Warehouse | None = None,
    kind: ObservedKind | None = None,
    explain: Callable[[InputSummary], None] = lambda _: None,
) -> Analysis:
    """Analyse the run in *folder*, by files or by a *warehouse*'s table, and write its verdict and report there.

    *explain* receives the summary of the files before the checks run.
    """
    analysis = analyse(folder, observed, floor=min_imbalance, warehouse=warehouse, kind=kind, explain=explain)
    write(folder, analysis, render(analysis))
    return analysis
