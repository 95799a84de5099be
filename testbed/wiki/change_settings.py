"""`python -m testbed.wiki.change_settings`: change settings of the running wiki, from a JSON object on standard input.

`testbed.wiki.installation.CHANGEABLE` lists the settings that may change.
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
    parser.add_argument("--folder", type=Path, required=True, help="folder of the installation")
    folder = parser.parse_args().folder.resolve()
    try:
        changes = orjson.loads(sys.stdin.buffer.read())
        settings = orjson.loads((folder / "settings.json").read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise WikiError(f"the wiki's settings cannot be changed: {error}") from error
    if unknown := changes.keys() - CHANGEABLE.keys():
        raise WikiError(f"settings that cannot be changed: {', '.join(sorted(unknown))}")
    Installation(folder, Path(settings["release"])).configure(changes)


guarded(main)
