"""Running the testbed's commands: processes of their own, for the command line imports nothing of the testbed."""

import socket
import subprocess
import sys

from metrics_platform.child_environment import child_environment
from metrics_platform.errors import KitFaultError


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
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command, input=given, capture_output=True, check=False, env=child_environment(), umask=0o077
    )  # fmt: skip
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise KitFaultError(f"{what} failed: {said[-1] if said else f'exit code {done.returncode}'}")
    return done.stdout.decode().strip()


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
