"""Judging a run: its verdict and report, made and written."""

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
    floor: float = 0.0,
    warehouse: Warehouse | None = None,
    kind: ObservedKind | None = None,
    explain: Callable[[InputSummary], None] = lambda _: None,
) -> Analysis:
    """Analyse the run in *folder*, by files or by a *warehouse*'s table; write its verdict and report there.

    *explain* is given what the files were read as, before anything is judged.
    """
    analysis = analyse(folder, observed, floor=floor, warehouse=warehouse, kind=kind, explain=explain)
    write(folder, analysis, render(analysis))
    return analysis
