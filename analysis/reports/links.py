"""Links in pages: a path in a file of a run leads into the run's folder only, never to another address."""

from pathlib import PurePosixPath
from urllib.parse import quote


def within(path: str) -> str:
    """Return the link to *path* below the page's folder; empty when it leads outside.

    `javascript:…`, another site, an absolute path and `..` are outside the folder. Every part is quoted.
    """
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path:
        return ""
    # With ./ in front, a browser does not read a colon in the first part as a scheme.
    return "./" + "/".join(quote(part, safe="") for part in parts)
