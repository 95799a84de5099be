"""PHP's built-in web server and its workers, as child processes that end with this process."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from common.parent_death import ProcessGroupWatchdog
from testbed.wiki.installation import HERE, WikiError


def serve(images: Path, environment: Mapping[str, str], host: str, port: int, workers: int) -> None:
    """Run PHP's server until this process is stopped.

    Args:
        images: document root, a folder of images.
        environment: environment variables of PHP.
        host, port: address to listen on.
        workers: maximum concurrent requests.

    Raises:
        WikiError: the server ended unexpectedly.
    """
    settings = {
        "opcache.enable_cli": 1, "opcache.memory_consumption": 192, "opcache.max_accelerated_files": 20000,
        # Files of a release never change while it is served.
        "opcache.revalidate_freq": 60, "apc.enable_cli": 1, "apc.shm_size": "256M", "memory_limit": "256M",
        "display_errors": 0, "log_errors": 1, "variables_order": "EGPCS",
    }  # fmt: skip
    options = [word for name, value in settings.items() for word in ("-d", f"{name}={value}")]
    command = ["php", *options, "-S", f"{host}:{port}", "-t", str(images), str(HERE / "router.php")]
    # PHP's server does not end its workers when it is stopped. They are a process group that is killed here, or by the
    # keeper when this process is killed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    environment_with_workers = {**environment, "PHP_CLI_SERVER_WORKERS": str(workers)}
    with subprocess.Popen(command, env=environment_with_workers, process_group=0) as server:
        keeper = None
        try:
            keeper = ProcessGroupWatchdog(server.pid)
            pid, status = os.wait()
        except KeyboardInterrupt:
            return
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            if keeper is not None:
                keeper.release()
    exit_code = os.waitstatus_to_exitcode(status)
    raise WikiError(
        "the keeper of PHP's server ended" if pid == keeper.pid else f"PHP's server ended with exit code {exit_code}"
    )
