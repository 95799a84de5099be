"""`python -m testbed.wiki`: TestWiki as a process of its own, installed on its first start."""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from metrics_platform.tether import GroupKeeper
from testbed.faults import Place, choose_at
from testbed.serving import guarded
from testbed.wiki.installation import HERE, Installation, WikiError, check_php, find_extensions
from testbed.wiki.release import find_release


def main() -> None:
    """Read the options, install what is missing, and serve until asked to stop."""
    parser = argparse.ArgumentParser(prog="python -m testbed.wiki", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--folder", type=Path, required=True, help="the installation's files")
    parser.add_argument("--releases", type=Path, required=True, help="where MediaWiki is unpacked")
    parser.add_argument("--mediawiki", type=Path, help="an unpacked release to use instead")
    parser.add_argument("--extensions", type=Path, help="clones of the real extensions, instead of the testbed's own")
    parser.add_argument("--mpic", required=True, help="address of MPIC")
    parser.add_argument("--intake", required=True, help="where browsers send events to")
    parser.add_argument("--workers", type=int, default=4, help="requests served at once")
    parser.add_argument("--fault", action="append", default=[], help="of the catalogue (python -m testbed.faults)")
    options = parser.parse_args()
    faults = choose_at(Place.WIKI, options.fault)
    check_php()
    folder = options.folder.resolve()
    installation = Installation(folder, find_release(options.releases, options.mediawiki))
    extensions = find_extensions(options.extensions)
    installation.install()
    installation.configure(
        {
            "server": f"http://{options.host}:{options.port}",
            "release": str(installation.release),
            "mpic": options.mpic,
            "intake": options.intake,
            "extensions": extensions,
            "faults": faults,
        }
    )
    _serve(installation, options)


def _serve(installation: Installation, options: argparse.Namespace) -> None:
    """Run PHP's server until it ends or this process is asked to stop."""
    settings = {
        "opcache.enable_cli": 1, "opcache.memory_consumption": 192, "opcache.max_accelerated_files": 20000,
        # Files of a release never change while it is served.
        "opcache.revalidate_freq": 60, "apc.enable_cli": 1, "apc.shm_size": "256M", "memory_limit": "256M",
        "display_errors": 0, "log_errors": 1, "variables_order": "EGPCS",
    }  # fmt: skip
    words = [word for name, value in settings.items() for word in ("-d", f"{name}={value}")]
    command = ["php", *words, "-S", f"{options.host}:{options.port}", "-t", str(installation.folder / "images")]
    environment = {**installation.environment, "PHP_CLI_SERVER_WORKERS": str(options.workers)}
    # PHP's server leaves its workers behind when it is asked to stop: they are a process group, which is killed here,
    # and by its keeper when this process is killed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with subprocess.Popen([*command, str(HERE / "router.php")], env=environment, process_group=0) as server:
        keeper = GroupKeeper(server.pid)
        try:
            pid, status = os.wait()
        except KeyboardInterrupt:
            return
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            keeper.release()
    ended = os.waitstatus_to_exitcode(status)
    raise WikiError(
        f"PHP's server ended with {ended}" if pid != keeper.pid else "the keeper of PHP's server was killed"
    )


guarded(main)
