"""Runs a locustfile as a process of its own, and shows how far it is."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from common.errors import KitFaultError
from common.ports import free_port
from dogfood.testbed_control.modules import kill_group, running
from run_record.file_tail import FileTail
from run_record.ledger.rows import count_outcomes
from run_record.load_report.report import FILE_NAME as LOAD
from run_record.manifest import Manifest
from run_record.page_views import FOLDER as PAGE_VIEWS
from run_record.run_folder import LEDGER

_FILES = Path(__file__).resolve().parent.parent / "locustfiles"

#: Locust ends with 1 when requests failed; the ledger and the analysis tell what that means.
_ENDINGS = (0, 1)

#: And with 4 when the generator was at fault: of a run that has a load, its analysis tells.
_FAULT = 4
_LOOK_EVERY_S = 0.25

#: How long Locust waits for its workers: those that it starts itself come soon, or not at all.
_WORKERS_COME_WITHIN_S = 120


@dataclass(frozen=True, slots=True)
class LocustRequest:
    """What Locust is to run.

    Attributes:
        name: of the locustfile, without `.py`.
        run: folder of the run that it plays.
        users: visits under way at the same time; None for as many as the plan has.
        workers: processes.
        options: of the locustfile, besides.
    """

    name: str
    run: Path
    users: int | None
    workers: int
    options: tuple[str, ...] = ()


def run_locust(request: LocustRequest, what: str, total: int, count: Callable[[], int], console: Console) -> bool:
    """Run Locust to its end and show how far it is; return False when somebody has stopped it before.

    Ctrl-C (also SIGTERM and SIGHUP) makes Locust close the run, which can then be judged as far as it went; a second
    one kills it.

    Args:
        request: what it is to run.
        what: is counted, for people.
        total: of it.
        count: returns how much of it is done.
        console: where the progress is shown.

    Raises:
        KitFaultError: Locust failed.
        KeyboardInterrupt: it was stopped twice.
    """
    before = Manifest.read(request.run).finished_ms
    command = [
        sys.executable, "-m", "locust", "-f", str(_FILES / f"{request.name}.py"), "--headless", "--only-summary",
        "--run", str(request.run), *_users(request),
        "--csv", str(request.run / f"locust-{request.name}"), *request.options,
    ]  # fmt: skip
    if request.workers > 1:
        # Locust's own port is the same for everybody on the machine.
        port = str(free_port())
        command += ["--processes", str(request.workers), "--master-bind-port", port, "--master-port", port]
        command += ["--expect-workers-max-wait", str(_WORKERS_COME_WITHIN_S)]
    log_path = request.run / f"locust-{request.name}.log"
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        log_path.open("wb") as log,
        running(command, log) as process,
        Progress(*columns, console=console) as progress,
    ):
        task = progress.add_task(what, total=total)
        stopped = _wait(process, lambda: progress.update(task, completed=min(count(), total)))
    ended = Manifest.read(request.run).finished_ms != before
    judged = process.returncode == _FAULT and (request.run / LOAD).is_file()
    if not ended or (process.returncode not in _ENDINGS and not judged):
        said = log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        errors = [line for line in said if line.startswith("error: ")] or said
        raise KitFaultError(f"Locust ended with {process.returncode}: {errors[-1] if errors else ''} (log: {log_path})")
    return not stopped


def _users(request: LocustRequest) -> tuple[str, ...]:
    return () if request.users is None else ("-u", str(request.users), "-r", str(request.users))


def _wait(process: "subprocess.Popen[bytes]", look: Callable[[], None]) -> bool:
    """Wait until *process* has ended, looking now and then; return whether it was stopped. Raises KeyboardInterrupt."""
    stopped = False
    while process.poll() is None:
        try:
            try:
                process.wait(_LOOK_EVERY_S)
            except subprocess.TimeoutExpired:
                look()
        except KeyboardInterrupt:
            if stopped:
                kill_group(process)
                raise
            stopped = True
            process.terminate()
    look()
    return stopped


class RunStarted:
    """Counts the answered events of a run's ledger while it is written.

    Args:
        run: the run's folder.
        a_request: how many events a request has, about.
    """

    def __init__(self, run: Path, a_request: int) -> None:
        self._tail = _Tail(run / LEDGER, "worker-*.ndjson")
        self._a_request = a_request
        self._count = 0

    def __call__(self) -> int:
        """Return how many events have been answered."""
        self._count += count_outcomes(self._tail.fresh())
        return self._count * self._a_request


class FirstOutcome:
    """Counts the accounts that have read a page, from a run's page views while they are written."""

    def __init__(self, run: Path) -> None:
        self._tail = _Tail(run / PAGE_VIEWS, "wiki-*.ndjson")
        self._visits: set[bytes] = set()

    def __call__(self) -> int:
        """Return how many accounts have read a page."""
        # A row begins with its visit.
        self._visits |= {line.partition(b",")[0] for line in self._tail.fresh().splitlines()}
        return len(self._visits)


class _Tail:
    """Reads the files of a folder that are being written, each line once."""

    def __init__(self, folder: Path, pattern: str) -> None:
        self._folder = folder
        self._pattern = pattern
        self._files = FileTail()

    def fresh(self) -> bytes:
        return b"".join(self._files.new_lines(path) for path in self._folder.glob(self._pattern))
