"""Judging a run: its verdict and report, made and written."""

from pathlib import Path

from analysis.analyse import Analysis, analyse, write
from analysis.report import render
from analysis.warehouse import Warehouse


def judge(
    folder: Path, observed: tuple[Path, ...] = (), *, floor: float = 0.0, warehouse: Warehouse | None = None
) -> Analysis:
    """Analyse the run in *folder*, by files or by a *warehouse*'s table; write its verdict and report there."""
    analysis = analyse(folder, observed, floor=floor, warehouse=warehouse)
    write(folder, analysis, render(analysis))
    return analysis
