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
    words = [word for name, value in settings.items() for word in ("-d", f"{name}={value}")]
    command = ["php", *words, "-S", f"{host}:{port}", "-t", str(images), str(HERE / "router.php")]
    # PHP's server leaves its workers behind when it is asked to stop: they are a process group, which is killed here,
    # and by its watchdog when this process is killed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    own = {**environment, "PHP_CLI_SERVER_WORKERS": str(workers)}
    with subprocess.Popen(command, env=own, process_group=0) as server:
        watchdog = None
        try:
            watchdog = ProcessGroupWatchdog(server.pid)
            pid, status = os.wait()
        except KeyboardInterrupt:
            return
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            if watchdog is not None:
                watchdog.release()
    ended = os.waitstatus_to_exitcode(status)
    raise WikiError("the watchdog of PHP's server ended" if pid == watchdog.pid else f"PHP's server ended with {ended}")
