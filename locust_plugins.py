"""Makes `locust -f locustfiles/ctr.py --help` list the kit's options.

Locust prints its help before it reads the locustfile. It imports a module of this name before that, if there is one.
"""

import runpy
import sys
from pathlib import Path

_FILES = Path(__file__).resolve().parent / "locustfiles"
_HELP = {"-h", "--help"}


def _locustfiles(words: list[str]) -> list[Path]:
    """Return those of the kit's locustfiles that a command line names."""
    names: list[str] = []
    for option, value in zip(words, [*words[1:], ""], strict=True):
        if option in ("-f", "--locustfile"):
            names += value.split(",")
        elif option.startswith("--locustfile="):
            names += option.partition("=")[2].split(",")
    paths = [Path(name.strip()).resolve() for name in names if name]
    return [path for path in paths if path.parent == _FILES and path.is_file()]


if _HELP & set(sys.argv):
    for _path in _locustfiles(sys.argv[1:]):
        runpy.run_path(str(_path))
