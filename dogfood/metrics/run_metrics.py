"""A run that is watched: its readings, now."""

import threading
from pathlib import Path

from dogfood.metrics.verdict_metrics import verdict_readings
from run_record.run_folder import find_run
from traffic.locust_run.ledger_progress import Progress
from traffic.metrics import MetricSample, traffic_metrics


class RunMetrics:
    """The run *name* under *runs*; with the name `latest`, whichever is the latest when it is looked at."""

    def __init__(self, runs: Path, name: str) -> None:
        self._runs = runs
        self._name = name
        self._folder = Path()
        self._progress = Progress(self._folder)
        # Whoever scrapes has a thread of its own.
        self._looking = threading.Lock()

    def readings(self) -> list[MetricSample]:
        """Return the run's readings. Raises RunFolderError when there is no such run."""
        with self._looking:
            folder = find_run(self._runs, self._name)
            if folder != self._folder:
                self._folder, self._progress = folder, Progress(folder)
            return [*traffic_metrics(folder.name, self._progress.look()), *verdict_readings(folder)]
