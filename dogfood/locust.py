"""Launch Locust as a child process, wait for it, and show the progress of its run."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from common.errors import KitFaultError
from common.ports import free_port
from dogfood.testbed_control.child_processes import kill_group, running
from run_record.file_tail import FileTail
from run_record.ledger.rows import count_outcomes
from run_record.load_report.report import FILE_NAME as LOAD
from run_record.manifest import Manifest
from run_record.page_views import FOLDER as PAGE_VIEWS
from run_record.run_folder import LEDGER

FILES = Path(__file__).resolve().parent.parent / "locustfiles"

#: Exit codes after which the run is judged; Locust ends with 1 when requests failed.
_EXIT_CODES = (0, 1)

#: Exit code when the generator was at fault; a run with a load report is judged all the same.
_FAULT = 4
_POLL_S = 0.25

#: Seconds that Locust waits for its workers to connect.
_WORKER_TIMEOUT_S = 120


@dataclass(frozen=True, slots=True)
class LocustRequest:
    """Request for one Locust run.

    Attributes:
        name: name of the locustfile, without `.py`.
        run: folder of the run.
        users: maximum concurrent visits; None for the number in the plan.
        workers: worker processes.
        options: further options of the locustfile.
    """

    name: str
    run: Path
    users: int | None
    workers: int
    options: tuple[str, ...] = ()


def run_locust(request: LocustRequest, unit: str, total: int, count: Callable[[], int], console: Console) -> bool:
    """Run Locust to its end and show its progress; return False when the user interrupted it.

    Ctrl-C (also SIGTERM and SIGHUP) makes Locust close the run, whose part so far can then be judged; a second one
    kills it.

    Args:
        request: the request.
        unit: name of the counted items, in the plural.
        total: number of items.
        count: returns the number of finished items.
        console: console for the progress.

    Raises:
        KitFaultError: Locust failed.
        KeyboardInterrupt: the user interrupted it twice.
    """
    before = Manifest.read(request.run).finished_ms
    command = [
        sys.executable, "-m", "locust", "-f", str(FILES / f"{request.name}.py"), "--headless", "--only-summary",
        "--run", str(request.run), *_users(request),
        "--csv", str(request.run / f"locust-{request.name}"), *request.options,
    ]  # fmt: skip
    if request.workers > 1:
        command += [*worker_options(request.workers), "--expect-workers-max-wait", str(_WORKER_TIMEOUT_S)]
    log_path = request.run / f"locust-{request.name}.log"
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        log_path.open("wb") as log,
        running(command, log) as process,
        Progress(*columns, console=console) as progress,
    ):
        task = progress.add_task(unit, total=total)
        stopped = _wait(process, lambda: progress.update(task, completed=min(count(), total)))
    ended = Manifest.read(request.run).finished_ms != before
    judged = process.returncode == _FAULT and (request.run / LOAD).is_file()
    if not ended or (process.returncode not in _EXIT_CODES and not judged):
        lines = log_lines(log_path)
        errors = [line for line in lines if line.startswith("error: ")] or lines
        raise KitFaultError(f"Locust ended with {process.returncode}: {errors[-1] if errors else ''} (log: {log_path})")
    return not stopped


def worker_options(workers: int) -> list[str]:
    """Return the options for *workers* processes, with a free port: other masters may run on this machine."""
    port = str(free_port())
    return ["--processes", str(workers), "--master-bind-port", port, "--master-port", port]


def log_lines(path: Path) -> list[str]:
    """Return the lines of Locust's log."""
    return path.read_text(encoding="utf-8", errors="replace").strip().splitlines()


def _users(request: LocustRequest) -> tuple[str, ...]:
    return () if request.users is None else ("-u", str(request.users), "-r", str(request.users))


def _wait(process: "subprocess.Popen[bytes]", refresh: Callable[[], None]) -> bool:
    """Wait for *process*, calling *refresh*; return whether the user stopped it. Raises KeyboardInterrupt."""
    stopped = False
    while process.poll() is None:
        try:
            try:
                process.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                refresh()
        except KeyboardInterrupt:
            if stopped:
                kill_group(process)
                raise
            stopped = True
            process.terminate()
    refresh()
    return stopped


class EventProgress:
    """Counts the answered events of a run from its growing ledger.

    Args:
        run: the run's folder.
        events_per_request: approximate number of events per request.
    """

    def __init__(self, run: Path, events_per_request: int) -> None:
        self._tail = _Tail(run / LEDGER, "worker-*.ndjson")
        self._events_per_request = events_per_request
        self._count = 0

    def __call__(self) -> int:
        """Return the number of answered events."""
        self._count += count_outcomes(self._tail.fresh())
        return self._count * self._events_per_request


class AccountProgress:
    """Counts the accounts that have viewed a page, from a run's growing page views."""

    def __init__(self, run: Path) -> None:
        self._tail = _Tail(run / PAGE_VIEWS, "wiki-*.ndjson")
        self._visits: set[bytes] = set()

    def __call__(self) -> int:
        """Return the number of accounts that have viewed a page."""
        # A row begins with its visit.
        self._visits |= {line.partition(b",")[0] for line in self._tail.fresh().splitlines()}
        return len(self._visits)


class _Tail:
    """Reads the new lines of a folder's growing files."""

    def __init__(self, folder: Path, pattern: str) -> None:
        self._folder = folder
        self._pattern = pattern
        self._files = FileTail()

    def fresh(self) -> bytes:
        return b"".join(self._files.new_lines(path) for path in self._folder.glob(self._pattern))
