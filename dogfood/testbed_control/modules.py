"""Running the testbed's commands and Locust: processes that end, in any case, when the command does."""

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

#: What Locust and the kit inside it read from the environment, besides what any program may need.
_OF_GENERATOR = (
    "DOGFOOD_PASSWORD", "DOGFOOD_KEYRING", "DOGFOOD_SECRET", "DOGFOOD_STATE", "DOGFOOD_RUNS", "DOGFOOD_TESTBED",
    "LOCUST_", "OTEL_",
)  # fmt: skip

#: How long a process may take to end in good order: a generator waits for answers and closes its run.
_ENDS_WITHIN_S = 60.0


def run_module(what: str, module: str, *arguments: str, given: bytes = b"") -> str:
    """Run a Python module and return what it prints.

    Args:
        what: is being done, for the error.
        module: its name.
        arguments: on its command line.
        given: its standard input.

    Raises:
        KitFaultError: it failed; the last line it said is in the message.
    """
    command = end_with_parent([sys.executable, "-m", module, *arguments])
    done = subprocess.run(
        command, input=given, capture_output=True, check=False, env=child_environment(), umask=0o077
    )  # fmt: skip
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise KitFaultError(f"{what} failed: {said[-1] if said else f'exit code {done.returncode}'}")
    return done.stdout.decode().strip()


@contextmanager
def running(command: Sequence[str], log: IO[bytes]) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the generator's *command* until the block ends; then ask it to stop, and kill it if it does not.

    It leads a new session, so that a terminal's Ctrl-C reaches this process only, which passes it on.

    Args:
        command: the words.
        log: where its output goes.
    """
    process = subprocess.Popen(
        end_with_parent(command, signal.SIGTERM), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        start_new_session=True,
        env=child_environment(*_OF_GENERATOR),
    )  # fmt: skip
    try:
        yield process
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    try:
        if process.poll() is None:
            process.terminate()
            process.wait(_ENDS_WITHIN_S)
    except (KeyboardInterrupt, subprocess.TimeoutExpired) as error:
        kill_group(process)
        if isinstance(error, KeyboardInterrupt):
            raise


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process that leads a session, and everything that it has started in there."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
