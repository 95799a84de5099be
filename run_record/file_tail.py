"""Reading files of rows that grow while they are read."""

from collections.abc import Iterator
from pathlib import Path

import orjson


class FileTail:
    """Reads NDJSON files, each line once, from where it stopped the last time."""

    def __init__(self) -> None:
        self._read: dict[Path, int] = {}

    def fresh(self, path: Path) -> bytes:
        """Return the whole lines that came to the file *path* since the last call; a line without an end waits for it.

        Raises:
            OSError: the file cannot be read.
        """
        start = self._read.get(path, 0)
        with path.open("rb") as file:
            file.seek(start)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._read[path] = start + len(whole)
        return whole

    def fresh_objects(self, path: Path) -> Iterator[dict[str, object]]:
        """Yield the JSON objects among the fresh lines of *path*; other lines are passed over. Raises OSError."""
        for line in self.fresh(path).splitlines():
            try:
                row: object = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(row, dict):
                yield row
