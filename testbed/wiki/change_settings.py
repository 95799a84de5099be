"""`python -m testbed.wiki.change_settings`: change settings of the wiki while it is served (a JSON object from stdin).

What may be changed: `testbed.wiki.installation.CHANGEABLE`.
"""

import argparse
import sys
from pathlib import Path

import orjson

from testbed.http_server import guarded
from testbed.wiki.installation import CHANGEABLE, Installation, WikiError


def main() -> None:
    """Read the options and change the settings."""
    parser = argparse.ArgumentParser(prog="python -m testbed.wiki.change_settings")
    parser.add_argument("--folder", type=Path, required=True, help="the installation's files")
    folder = parser.parse_args().folder.resolve()
    try:
        changes = orjson.loads(sys.stdin.buffer.read())
        known = orjson.loads((folder / "settings.json").read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise WikiError(f"the wiki's settings cannot be changed: {error}") from error
    if unknown := changes.keys() - CHANGEABLE.keys():
        raise WikiError(f"these are no settings to change: {', '.join(sorted(unknown))}")
    Installation(folder, Path(known["release"])).configure(changes)


guarded(main)
