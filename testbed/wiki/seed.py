"""`python -m testbed.wiki.seed`: create the pages and accounts from NDJSON on standard input; print the accounts' ids.

A page is `{"kind": "page", "title", "text", "protected"}`, an account `{"kind": "account", "name", "password",
"groups", "edit_count", "registered"}`. Existing pages and accounts are updated.
"""

import argparse
import sys
from pathlib import Path

import orjson

from testbed.http_server import guarded
from testbed.wiki.installation import Installation


def main() -> None:
    """Read the options and seed."""
    parser = argparse.ArgumentParser(prog="python -m testbed.wiki.seed")
    parser.add_argument("--folder", type=Path, required=True, help="folder of the installation")
    folder = parser.parse_args().folder.resolve()
    settings = orjson.loads((folder / "settings.json").read_bytes())
    installation = Installation(folder, Path(settings["release"]))
    sys.stdout.buffer.write(installation.seed(sys.stdin.buffer.read()))


guarded(main)
