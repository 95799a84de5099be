"""The intake's stream configs: a file that is read again when it changes."""

import time
from pathlib import Path

import orjson

from common.errors import DogfoodError
from contracts.configs import ConfigError
from contracts.streams import StreamConfig, parse_stream_configs

_CHECK_EVERY_S = 1.0


class StreamConfigFile:
    """Stream configs in the format of `action=streamconfigs`.

    When the file becomes unreadable, the last valid configs stay in force, as after a failed refresh in production.

    Raises:
        DogfoodError: the file is missing or invalid at start-up.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version = self._file_version()
        self._configs = self._read()
        self._next_check = time.monotonic() + _CHECK_EVERY_S

    def current(self) -> dict[str, StreamConfig]:
        """Return the configs by stream name."""
        now = time.monotonic()
        if now >= self._next_check:
            self._next_check = now + _CHECK_EVERY_S
            version = self._file_version()
            if version and version != self._version:
                self._version = version
                try:
                    self._configs = self._read()
                except DogfoodError as error:
                    print(f"stream configs not updated: {error}", flush=True)
        return self._configs

    def _file_version(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size

    def _read(self) -> dict[str, StreamConfig]:
        try:
            return parse_stream_configs(orjson.loads(self._path.read_bytes()))
        except (OSError, orjson.JSONDecodeError, ConfigError) as error:
            raise DogfoodError(f"stream configs {self._path} are invalid: {error}") from error
