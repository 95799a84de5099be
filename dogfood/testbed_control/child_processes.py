"""Child processes, the testbed's commands and Locust, which always end with the parent command."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from common.child_environment import child_environment
from common.errors import KitFaultError
from common.parent_death import end_with_parent

#: Environment variables for Locust and the kit inside it, besides the usual ones.
_GENERATOR_VARIABLES = (
    "DOGFOOD_PASSWORD", "DOGFOOD_KEYRING", "DOGFOOD_SECRET", "DOGFOOD_STATE", "DOGFOOD_RUNS", "DOGFOOD_TESTBED",
    "LOCUST_", "OTEL_",
)  # fmt: skip

#: Seconds for an orderly end: a generator waits for responses and closes its run.
_END_TIMEOUT_S = 60.0


def run_module(task: str, module: str, *arguments: str, stdin: bytes = b"") -> str:
    """Run a Python module and return its output.

    Args:
        task: name of the task, for the error.
        module: name of the module.
        arguments: arguments of its command line.
        stdin: standard input.

    Raises:
        KitFaultError: it failed; the message has the last line of its standard error.
    """
    command = end_with_parent([sys.executable, "-m", module, *arguments])
    done = subprocess.run(
        command, input=stdin, capture_output=True, check=False, env=child_environment(), umask=0o077
    )  # fmt: skip
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise KitFaultError(f"{task} failed: {lines[-1] if lines else f'exit code {done.returncode}'}")
    return done.stdout.decode().strip()


@contextmanager
def running(command: Sequence[str], log: IO[bytes]) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the generator's *command* until the block ends; then terminate it, and kill it after a timeout.

    It leads a new session: a terminal's Ctrl-C reaches only this process, which forwards it.

    Args:
        command: command line.
        log: file for its output.
    """
    process = subprocess.Popen(
        end_with_parent(command, signal.SIGTERM), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        start_new_session=True, env=child_environment(*_GENERATOR_VARIABLES),
    )  # fmt: skip
    try:
        yield process
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    try:
        if process.poll() is None:
            process.terminate()
            process.wait(_END_TIMEOUT_S)
    except (KeyboardInterrupt, subprocess.TimeoutExpired) as error:
        kill_group(process)
        if isinstance(error, KeyboardInterrupt):
            raise


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process that leads a session, and all processes in its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
