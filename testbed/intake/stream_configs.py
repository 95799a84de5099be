"""The stream configs the intake checks events against: a file, read again when it changes."""

import time
from pathlib import Path

import orjson

from common.errors import DogfoodError
from contracts.configs import ConfigError
from contracts.streams import StreamConfig, parse_stream_configs

_LOOK_EVERY_S = 1.0


class StreamConfigFile:
    """Stream configs in the format of `action=streamconfigs`.

    A file that has become unreadable leaves the last good configs in force, as a refresh that fails does in
    production.

    Raises:
        DogfoodError: the file is missing or makes no sense at the start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = self._look()
        self._configs = self._read()
        self._next_look = time.monotonic() + _LOOK_EVERY_S

    def current(self) -> dict[str, StreamConfig]:
        """Return the configs by stream name."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK_EVERY_S
            stamp = self._look()
            if stamp and stamp != self._stamp:
                self._stamp = stamp
                try:
                    self._configs = self._read()
                except DogfoodError as error:
                    print(f"stream configs kept as they were: {error}", flush=True)
        return self._configs

    def _look(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size

    def _read(self) -> dict[str, StreamConfig]:
        try:
            return parse_stream_configs(orjson.loads(self._path.read_bytes()))
        except (OSError, orjson.JSONDecodeError, ConfigError) as error:
            raise DogfoodError(f"stream configs {self._path} cannot be used: {error}") from error
