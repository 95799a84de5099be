"""Runs in which everything is as it should be are not called, but as rarely as the levels promise."""

from pathlib import Path

import pytest
from scipy import stats

from analysis.analyse import analyse
from analysis.verdict import CheckStatus, Verdict
from contracts.generation import Generation
from tests.analysis.runs import failed, make_run

#: The promise of docs/reference/statistics.md: six tests of chance at 0.001 each.
NOMINAL = 0.006


def called(folder: Path, seeds: range, visitors: int) -> list[set[str]]:
    """Return the checks that fail in clean runs, one a seed; generations, A/A and hasty take turns."""
    items = []
    for seed in seeds:
        generation = Generation.ALPHA if seed % 2 else Generation.XLAB
        run = make_run(folder / str(seed), generation, seed=seed, visitors=visitors, aa=seed % 3 == 0)
        run.land()
        analysis = analyse(run.folder)
        assert {check.status for check in analysis.checks} <= {
            CheckStatus.PASS,
            CheckStatus.FAIL,
            CheckStatus.INCONCLUSIVE,
        }
        assert (analysis.verdict is Verdict.NO_GO) == bool(failed(analysis))
        items.append(failed(analysis))
    return items


def test_clean_runs_are_go(tmp_path: Path) -> None:
    assert called(tmp_path, range(1, 7), 1_200) == [set()] * 6


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_clean_runs_keep_the_level(tmp_path: Path) -> None:
    calls = [checks for checks in called(tmp_path, range(1, 201), 2_000) if checks]
    assert stats.binomtest(len(calls), 200, NOMINAL, "greater").pvalue > 0.001, calls
