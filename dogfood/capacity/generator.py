"""The load generator of a capacity check: Locust at one rate, for a fixed time."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from common.errors import DogfoodError, KitFaultError
from dogfood.locust import FILES, log_lines, worker_options
from dogfood.testbed_control.child_processes import running
from run_record.load_report.report import FILE_NAME as LOAD

#: Exit codes after which the run can be read: success, failed requests, generator at fault.
_EXIT_CODES = (0, 1, 4)

_POLL_S = 0.1

#: Seconds beyond its run time for Locust to start and to wait for the last responses.
_GRACE_S = 60.0


class Interrupted(KeyboardInterrupt):
    """The user interrupted a run; the generator closed it in the folder *run*."""

    def __init__(self, run: Path) -> None:
        super().__init__(str(run))
        self.run = run


@dataclass(frozen=True, slots=True)
class LocustGenerator:
    """Settings of the load.

    Attributes:
        intake: address to post events to.
        target: name of the target, or a path to one.
        confirm: name of the target again, required for production.
        pace: `constant` or `poisson`.
        shape: shape of the rate over time.
        workers: worker processes.
        batch: events per request.
        hasty: whether the intake answers before it validates.
        generation: generation of the events.
        seed: seed of the check; each step derives another.
    """

    intake: str
    target: str = "local"
    confirm: str = ""
    pace: str = "constant"
    shape: str = "constant"
    workers: int = 1
    batch: int = 1
    hasty: bool = False
    generation: str = "alpha"
    seed: int = 1

    def command(self, rate: float, seconds: float, seed: int, runs: Path) -> list[str]:
        """Return the command that sends *rate* events per second for *seconds*, as a run in *runs*."""
        words = [
            sys.executable, "-m", "locust", "-f", str(FILES / "ctr.py"), "--headless", "--only-summary",
            "--runs", str(runs), "--target", self.target, "--intake", self.intake, "--event-rate", f"{rate:g}/s",
            "--pace", self.pace, "--run-time", f"{seconds:g}s", "--batch", str(self.batch),
            "--generation", self.generation, "--seed", str(seed),
        ]  # fmt: skip
        words += ["--shape", self.shape] if self.shape != "constant" else []
        words += ["--confirm", self.confirm] if self.confirm else []
        words += ["--hasty"] if self.hasty else []
        words += worker_options(self.workers) if self.workers > 1 else []
        return words

    def play(self, rate: float, seconds: float, seed: int, runs: Path, poll: Callable[[], None]) -> Path:
        """Send the load and return the run's folder.

        Args:
            rate: events per second.
            seconds: time from the first event to the last.
            seed: seed of the events.
            runs: new folder for the run.
            poll: called several times per second meanwhile.

        Raises:
            DogfoodError: Locust refused an option.
            KitFaultError: Locust failed.
            Interrupted: the user interrupted it; the events until then are recorded.
            KeyboardInterrupt: the user interrupted it before anything was recorded.
        """
        runs.mkdir(parents=True)
        log_path = runs / "locust.log"
        interrupted = False
        with log_path.open("wb") as log, running(self.command(rate, seconds, seed, runs), log) as process:
            deadline = time.monotonic() + seconds + _GRACE_S
            try:
                while process.poll() is None and time.monotonic() < deadline:
                    poll()
                    time.sleep(_POLL_S)
            except KeyboardInterrupt:
                interrupted = True
        if interrupted:
            raise _interrupted(runs)
        if process.returncode not in _EXIT_CODES:
            raise _problem(process.returncode, log_path)
        run = _run_in(runs)
        if run is None:
            raise _problem(process.returncode, log_path)
        return run


def _run_in(runs: Path) -> Path | None:
    return next((path for path in runs.iterdir() if path.is_dir() and not path.is_symlink()), None)


def _interrupted(runs: Path) -> KeyboardInterrupt:
    run = _run_in(runs)
    return Interrupted(run) if run is not None and (run / LOAD).is_file() else KeyboardInterrupt()


def _problem(code: int, log_path: Path) -> DogfoodError:
    lines = log_lines(log_path)
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if code == DogfoodError.exit_code and errors:
        return DogfoodError(errors[-1])
    return KitFaultError(f"Locust ended with {code}: {(errors or lines or [''])[-1]} (log: {log_path})")
