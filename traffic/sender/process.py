"""The Locust worker's handle on its sender process."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import gevent
import orjson
from gevent import subprocess as cooperative

from common.child_environment import child_environment
from common.errors import KitFaultError

_ROOT = Path(__file__).resolve().parents[2]

#: Maximum time from `stop` to the sender's end: longer than it waits for answers.
_ENDS_WITHIN_S = 15.0

#: A sender frees and allocates megabytes of memory every second. These settings let glibc keep freed memory
#: (mallopt(3)); other C libraries ignore them.
ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 31),
    "MALLOC_TOP_PAD_": str(64 << 20),
}

#: Maximum bytes per read from the sender.
_CHUNK = 65_536

Listener = Callable[[Mapping[str, Any]], None]


def _describe_exit(code: int) -> str:
    """Return *code*, a Popen return code, in words."""
    return f"exit code {code}" if code >= 0 else f"killed by signal {-code}"


class SenderProcess:
    """A sender process that waits for `begin`.

    Create it before it is needed: starting takes up to a second.
    """

    def __init__(self) -> None:
        self._process = cooperative.Popen(
            [sys.executable, "-m", "traffic.sender"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT, bufsize=0,
            env=child_environment("DOGFOOD_STATE", extra=ENVIRONMENT),
        )  # fmt: skip
        self._reader: gevent.Greenlet | None = None
        self._ended = False
        self._closed = False

    def begin(self, config: Mapping[str, object], listener: Listener) -> None:
        """Start sending; *listener* gets the sender's messages."""
        self._reader = gevent.spawn(self._listen, listener)
        self._send({"begin": config})

    def add_lease(self, first: int | None) -> None:
        """Pass on the first visit of the next block, or None for no more. Does nothing after the sender's end."""
        if not self._closed and not self._ended:
            self._send({"lend": first})

    def limit_visits(self, max_visits: int) -> None:
        """Limit concurrent visits to *max_visits* from now on."""
        if not self._closed and not self._ended:
            self._send({"max_visits": max_visits})

    def end(self) -> None:
        """Stop the sender, and wait for its last report and its end. Further calls do nothing."""
        if self._closed:
            return
        self._closed = True
        if not self._ended:
            self._send({"stop": True})
        if self._reader is not None:
            self._reader.join(_ENDS_WITHIN_S)
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._reader is not None:
            self._reader.join(1)
        self._process.stdout.close()

    def _listen(self, listener: Listener) -> None:
        for line in self._lines():
            message = orjson.loads(line)
            if "over" in message or "error" in message:
                self._ended = True
            listener(message)
        if not self._ended:
            self._ended = True
            code = self._process.wait()
            reason = f"ended unexpectedly ({_describe_exit(code)})"
            listener({"error": reason, "unexpected": True, "exit_code": KitFaultError.exit_code})

    def _lines(self) -> Iterator[bytes]:
        """Yield the lines of the sender's output as they come.

        Iterating over an unbuffered pipe reads byte by byte: the long report after a stall would take minutes.
        """
        partial = b""
        while data := self._process.stdout.read(_CHUNK):
            *lines, partial = (partial + data).split(b"\n")
            yield from lines

    def _send(self, message: Mapping[str, object]) -> None:
        try:
            self._process.stdin.write(orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE))
        except (BrokenPipeError, ValueError):
            # The sender's last messages come on its output.
            self._ended = True
