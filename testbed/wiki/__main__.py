"""`python -m testbed.wiki`: TestWiki as a process of its own, installed on its first start."""

import argparse
from pathlib import Path

from testbed.faults import FaultLocation, choose_at
from testbed.http_server import guarded
from testbed.wiki.installation import Installation, check_php, find_extensions
from testbed.wiki.php_server import serve
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
