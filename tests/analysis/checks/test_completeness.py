"""A generator that was cut short makes the run INVALID, and the check says why and which worker."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.analyse import Analysis, analyse
from analysis.verdict import CheckStatus, Layer, Verdict
from run_record.end_reason import End
from run_record.load_report.aggregator import LoadAggregator, LoadPlan
from run_record.manifest import Manifest
from tests.analysis.runs import Sent, check, make_run

VISITORS = 600


def cut_short(sent: Sent) -> Sent | None:
    """Return a run whose worker sent two thirds, and left the last requests without an outcome."""
    if sent.visit >= 400:
        return None
    return replace(sent, status=None, outcome=None) if sent.visit == 399 else sent


def judged(folder: Path, change: Callable[[Manifest], Manifest], worker: str | None = None) -> Analysis:
    """Return the verdict on such a run; *worker* is who reported, if the run has a load at all."""
    run = make_run(folder, visitors=VISITORS, change=cut_short)
    run.land()
    change(Manifest.read(folder)).write(folder)
    if worker is not None:
        book = LoadAggregator()
        if worker:
            book.register_worker(worker, "host")
        plan = LoadPlan(0.0, 5.0, "arrivals", "steady", 0, stopped_early=True, seconds=60.0)
        book.close(plan).write(folder)
    return analyse(folder)


def stopped(end: str) -> Callable[[Manifest], Manifest]:
    return lambda manifest: replace(manifest, stopped_early=True, ended=end)


@pytest.mark.parametrize(("end", "why"), [(End.FAILED, "the generator failed"), (End.WORKER_LOST, "a worker was lost")])
def test_failed_generator_is_not_stopped_early(tmp_path: Path, end: End, why: str) -> None:
    result = judged(tmp_path, stopped(end), "worker-0-1")
    check_result = check(result, "completeness")
    assert (result.verdict, result.layer, check_result.status) == (
        Verdict.INVALID,
        Layer.GENERATOR,
        CheckStatus.INVALID,
    )
    assert f"{why} (worker-0-1 left " in check_result.summary


def test_killed_generator_did_not_close_run(tmp_path: Path) -> None:
    result = judged(tmp_path, lambda manifest: replace(manifest, finished_ms=None, ended=""))
    check_result = check(result, "completeness")
    assert (result.verdict, check_result.status) == (Verdict.INVALID, CheckStatus.INVALID)
    assert "ended without closing the run" in check_result.summary
    assert "worker-0-1 left " in check_result.summary


def test_worker_without_report_was_killed(tmp_path: Path) -> None:
    result = check(judged(tmp_path, stopped(End.STOPPED), "worker-1-2"), "completeness")
    assert result.status is CheckStatus.INVALID
    assert "a worker was lost (worker-0-1 left " in result.summary


def test_nothing_planned_and_not_closed_is_invalid(tmp_path: Path) -> None:
    """Of browsers nothing is planned: that their recorder was killed shows only in a run that was not closed."""
    run = make_run(tmp_path, visitors=VISITORS)
    run.land()
    replace(Manifest.read(tmp_path), finished_ms=None).write(tmp_path)
    assert analyse(tmp_path).verdict is Verdict.INVALID


def test_stopped_run_is_complete(tmp_path: Path) -> None:
    assert check(judged(tmp_path, stopped(End.STOPPED), "worker-0-1"), "completeness").status is CheckStatus.PASS
