"""Links in pages: what a file of a run names is a place within the run's folder, not an address."""

from pathlib import PurePosixPath
from urllib.parse import quote


def within(path: str) -> str:
    """Return the link to *path* below the page's folder; empty when it leads anywhere else.

    `javascript:…`, another site, an absolute path and `..` are not in the folder. Every part is quoted.
    """
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path:
        return ""
    # With ./ in front, a colon in the first part cannot be taken for a scheme.
    return "./" + "/".join(quote(part, safe="") for part in parts)
