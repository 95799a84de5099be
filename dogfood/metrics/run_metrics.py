"""Metrics of one run: its traffic so far, and its verdict."""

import threading
from collections.abc import Mapping
from pathlib import Path

import orjson

from analysis.analyse import VERDICT
from analysis.verdict import CheckStatus, Verdict
from run_record.run_folder import find_run
from traffic.locust_run.ledger_progress import Progress
from traffic.metrics import Kind, MetricSample, Point, traffic_metrics


class RunMetrics:
    """The metrics of the run *name* under *runs*; for `latest`, of the run that is the latest at each call."""

    def __init__(self, runs: Path, name: str) -> None:
        self._runs = runs
        self._name = name
        self._folder = Path()
        self._progress = Progress(self._folder)
        # Each scrape runs in a thread.
        self._lock = threading.Lock()

    def samples(self) -> list[MetricSample]:
        """Return the run's current metrics. Raises RunFolderError when the run does not exist."""
        with self._lock:
            folder = find_run(self._runs, self._name)
            if folder != self._folder:
                self._folder, self._progress = folder, Progress(folder)
            return [*traffic_metrics(folder.name, self._progress.look()), *verdict_samples(folder)]


def verdict_samples(run: Path) -> list[MetricSample]:
    """Return the metrics of the verdict on the run in the folder *run*; without values before there is a verdict."""
    content = _read(run / VERDICT)
    of_run = {"run": run.name}
    fates = content.get("reconciliation")
    checks = content.get("checks")
    return [
        MetricSample("dogfood_verdict", Kind.GAUGE, "verdicts", "1 for the verdict of the run, 0 for the others.",
                [Point({**of_run, "verdict": str(word)}, int(content["verdict"] == word)) for word in Verdict]
                if content else []),
        MetricSample("dogfood_events_reconciled", Kind.GAUGE, "events",
                "Events by their fate between producer and table: ok is delivered; lost, duplicated, … are not.",
                [Point({**of_run, "fate": str(name)}, float(count)) for name, count in fates.items()]
                if isinstance(fates, Mapping) else []),
        MetricSample("dogfood_checks", Kind.GAUGE, "checks", "Checks by their status.",
                [Point({**of_run, "outcome": str(status)}, _count(checks, status)) for status in CheckStatus]
                if isinstance(checks, list) else []),
        MetricSample("dogfood_failed_checks", Kind.GAUGE, "checks", "1 for each check that failed, with its layer.",
                [Point({**of_run, "check": str(check["name"]), "layer": str(check["layer"])}, 1)
                 for check in checks if check["verdict"] == CheckStatus.FAIL] if isinstance(checks, list) else []),
    ]  # fmt: skip


def _count(checks: list[Mapping[str, object]], status: CheckStatus) -> int:
    return sum(check["verdict"] == status for check in checks)


def _read(path: Path) -> Mapping[str, object]:
    try:
        content: object = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) and "verdict" in content else {}
