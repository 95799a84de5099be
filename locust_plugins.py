"""A Locust plugin: makes `locust -f locustfiles/ctr.py --help` list the kit's options.

Locust prints its help before it imports the locustfile. A module of this name is imported first, if it exists.
"""

import runpy
import sys
from pathlib import Path

_FILES = Path(__file__).resolve().parent / "locustfiles"
_HELP_OPTIONS = {"-h", "--help"}


def _locustfiles(arguments: list[str]) -> list[Path]:
    """Return the kit's locustfiles among the command line *arguments*."""
    names: list[str] = []
    for option, value in zip(arguments, [*arguments[1:], ""], strict=True):
        if option in ("-f", "--locustfile"):
            names += value.split(",")
        elif option.startswith("--locustfile="):
            names += option.partition("=")[2].split(",")
    paths = [Path(name.strip()).resolve() for name in names if name]
    return [path for path in paths if path.parent == _FILES and path.is_file()]


if _HELP_OPTIONS & set(sys.argv):
    for _path in _locustfiles(sys.argv[1:]):
        runpy.run_path(str(_path))
