"""A run that is watched: its readings, now."""

import threading
from pathlib import Path

from dogfood.metrics.verdict import verdict_readings
from run_record.folder import find_run
from traffic.progress import Progress
from traffic.readings import Reading, traffic_readings


class Watched:
    """The run *name* under *runs*; with the name `latest`, whichever is the latest when it is looked at."""

    def __init__(self, runs: Path, name: str) -> None:
        self._runs = runs
        self._name = name
        self._folder = Path()
        self._progress = Progress(self._folder)
        # Whoever scrapes has a thread of its own.
        self._looking = threading.Lock()

    def readings(self) -> list[Reading]:
        """Return the run's readings. Raises RunFolderError when there is no such run."""
        with self._looking:
            folder = find_run(self._runs, self._name)
            if folder != self._folder:
                self._folder, self._progress = folder, Progress(folder)
            return [*traffic_readings(folder.name, self._progress.look()), *verdict_readings(folder)]
