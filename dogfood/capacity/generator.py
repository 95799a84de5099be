"""The load generator as a process: Locust, told what to pace, until its time is over."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from common.errors import DogfoodError, KitFaultError
from common.ports import free_port
from dogfood.testbed_control.modules import running
from run_record.load_report.report import FILE_NAME as LOAD

_FILE = Path(__file__).resolve().parents[2] / "locustfiles" / "ctr.py"

#: Locust's endings that leave a run to be read: all well, requests failed, and the generator was at fault.
_ENDINGS = (0, 1, 4)

_LOOK_EVERY_S = 0.1

#: What a generator may take beyond its time to come up and to wait for its last answers.
_GRACE_S = 60.0


class Interrupted(KeyboardInterrupt):
    """A run was ended by hand. The generator was told, and wrote down what it had done in the folder *run*."""

    def __init__(self, run: Path) -> None:
        super().__init__(str(run))
        self.run = run


@dataclass(frozen=True, slots=True)
class LocustGenerator:
    """How load is made.

    Attributes:
        intake: where events are posted to.
        target: its name, or a path to one.
        confirm: name of a production target, once more.
        pace: `constant` or `poisson`.
        shape: how the rate changes over time.
        workers: processes.
        batch: events in one request.
        hasty: answered before validation.
        generation: of the events.
        seed: of the first step; each step has one of its own.
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
        """Return the words that make Locust send *rate* events a second for so long, as a run in *runs*."""
        words = [
            sys.executable, "-m", "locust", "-f", str(_FILE), "--headless", "--only-summary", "--runs", str(runs),
            "--target", self.target, "--intake", self.intake, "--event-rate", f"{rate:g}/s", "--pace", self.pace,
            "--run-time", f"{seconds:g}s", "--batch", str(self.batch), "--generation", self.generation,
            "--seed", str(seed),
        ]  # fmt: skip
        words += ["--shape", self.shape] if self.shape != "constant" else []
        words += ["--confirm", self.confirm] if self.confirm else []
        words += ["--hasty"] if self.hasty else []
        if self.workers > 1:
            # A port of its own, for other masters may run on this machine.
            port = str(free_port())
            words += ["--processes", str(self.workers), "--master-bind-port", port, "--master-port", port]
        return words

    def play(self, rate: float, seconds: float, seed: int, runs: Path, look: Callable[[], None]) -> Path:
        """Send for so long and return the run's folder.

        Args:
            rate: events a second.
            seconds: from the first event to the last.
            seed: of the events.
            runs: folder for the run; nothing else is in it.
            look: called several times a second meanwhile.

        Raises:
            DogfoodError: Locust could not be told so.
            KitFaultError: Locust failed.
            Interrupted: it was ended by hand, and what was sent until then was written down.
            KeyboardInterrupt: the same before there was anything to write down.
        """
        runs.mkdir(parents=True)
        log_path = runs / "locust.log"
        interrupted = False
        with log_path.open("wb") as log, running(self.command(rate, seconds, seed, runs), log) as process:
            deadline = time.monotonic() + seconds + _GRACE_S
            try:
                while process.poll() is None and time.monotonic() < deadline:
                    look()
                    time.sleep(_LOOK_EVERY_S)
            except KeyboardInterrupt:
                interrupted = True
        if interrupted:
            raise _interrupted(runs)
        if process.returncode not in _ENDINGS:
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
    said = log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    errors = [line.removeprefix("error: ") for line in said if line.startswith("error: ")]
    if code == DogfoodError.exit_code and errors:
        return DogfoodError(errors[-1])
    return KitFaultError(f"Locust ended with {code}: {(errors or said or [''])[-1]} (log: {log_path})")
