"""`python -m testbed.wiki`: TestWiki as a process, installed on its first start."""

import argparse
from pathlib import Path

from testbed.faults import FaultLocation, choose_at
from testbed.http_server import guarded
from testbed.wiki.installation import Installation, check_php, find_extensions
from testbed.wiki.php_server import serve
from testbed.wiki.release import find_release


def main() -> None:
    """Read the options, install missing parts, and serve until the process is stopped."""
    parser = argparse.ArgumentParser(prog="python -m testbed.wiki", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--folder", type=Path, required=True, help="folder of the installation")
    parser.add_argument("--releases", type=Path, required=True, help="folder for the unpacked MediaWiki")
    parser.add_argument("--mediawiki", type=Path, help="unpacked release to use instead of Debian's package")
    parser.add_argument(
        "--extensions", type=Path, help="folder with clones of the real extensions, instead of the testbed's"
    )
    parser.add_argument("--mpic", required=True, help="address of MPIC")
    parser.add_argument("--intake", required=True, help="URL to which browsers send events")
    parser.add_argument("--workers", type=int, default=4, help="maximum concurrent requests [4]")
    parser.add_argument(
        "--fault", action="append", default=[], help="fault to switch on (python -m testbed.faults); repeatable"
    )
    options = parser.parse_args()
    faults = choose_at(FaultLocation.WIKI, options.fault)
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
    serve(folder / "images", installation.environment, options.host, options.port, options.workers)


guarded(main)
