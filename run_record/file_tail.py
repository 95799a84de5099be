"""Read NDJSON files while they grow."""

from collections.abc import Iterator
from pathlib import Path

import orjson


class FileTail:
    """Reads each line of NDJSON files once, continuing after the last read."""

    def __init__(self) -> None:
        self._offsets: dict[Path, int] = {}

    def new_lines(self, path: Path) -> bytes:
        """Return the complete lines appended to *path* since the last call.

        Raises:
            OSError: the file cannot be read.
        """
        start = self._offsets.get(path, 0)
        with path.open("rb") as file:
            file.seek(start)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._offsets[path] = start + len(whole)
        return whole

    def new_objects(self, path: Path) -> Iterator[dict[str, object]]:
        """Yield the JSON objects in the new lines of *path*; other lines are skipped. Raises OSError."""
        for line in self.new_lines(path).splitlines():
            try:
                row: object = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(row, dict):
                yield row
