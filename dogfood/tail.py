"""Reading files of events that grow."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from metrics_platform.errors import DogfoodError
from run_record.growing import GrowingFiles


class Tail:
    """Reads NDJSON files from where it stopped the last time; files that come later are read as well.

    Args:
        paths: files, or folders whose `*.ndjson` are read.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = tuple(paths)
        self._growing = GrowingFiles()

    def new_events(self) -> Iterator[Mapping[str, object]]:
        """Yield the events that came since the last call; a line without an end is left for the next one.

        Raises:
            DogfoodError: a file cannot be read.
        """
        for path in self._files():
            try:
                yield from self._growing.fresh_objects(path)
            except OSError as error:
                raise DogfoodError(f"{path} cannot be read: {error.strerror}") from error

    def _files(self) -> list[Path]:
        return [file for path in self._paths for file in (sorted(path.glob("*.ndjson")) if path.is_dir() else [path])]
