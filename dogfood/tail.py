"""Reading files of events that grow."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import orjson

from metrics_platform.errors import DogfoodError


class Tail:
    """Reads NDJSON files from where it stopped the last time; files that come later are read as well.

    Args:
        paths: files, or folders whose `*.ndjson` are read.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = tuple(paths)
        self._read: dict[Path, int] = {}

    def new_events(self) -> Iterator[Mapping[str, object]]:
        """Yield the events that came since the last call; a line without an end is left for the next one.

        Raises:
            DogfoodError: a file cannot be read.
        """
        for path in self._files():
            try:
                with path.open("rb") as file:
                    file.seek(self._read.get(path, 0))
                    content = file.read()
            except OSError as error:
                raise DogfoodError(f"{path} cannot be read: {error.strerror}") from error
            whole = content[: content.rfind(b"\n") + 1]
            self._read[path] = self._read.get(path, 0) + len(whole)
            yield from _events(whole)

    def _files(self) -> list[Path]:
        return [file for path in self._paths for file in (sorted(path.glob("*.ndjson")) if path.is_dir() else [path])]


def _events(content: bytes) -> Iterator[Mapping[str, object]]:
    for line in content.splitlines():
        try:
            event: object = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(event, dict):
            yield event
