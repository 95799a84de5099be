"""The sender's process, as the Locust worker beside it sees it."""

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

#: So long the sender may take from being told to stop until it has ended: longer than it waits for answers.
_ENDS_WITHIN_S = 15.0

#: What a sender makes it gives back soon and needs again at once, megabytes a second of it. These let glibc keep it
#: (mallopt(3)); other C libraries ignore them.
ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 31),
    "MALLOC_TOP_PAD_": str(64 << 20),
}

#: Bytes that are read from the sender in one go, at most.
_CHUNK = 65_536

Listener = Callable[[Mapping[str, Any]], None]


def _ending(code: int) -> str:
    """Return how a process ended, from the exit code that Python gives it."""
    return f"exit code {code}" if code >= 0 else f"killed by signal {-code}"


class SenderProcess:
    """A sender that waits to be told what to play.

    It is started before it is needed, for starting takes a good part of a second.
    """

    def __init__(self) -> None:
        self._process = cooperative.Popen(
            [sys.executable, "-m", "traffic.sender"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT, bufsize=0,
            env=child_environment("DOGFOOD_STATE", extra=ENVIRONMENT),
        )  # fmt: skip
        self._reader: gevent.Greenlet | None = None
        self._over = False
        self._closed = False

    def begin(self, asked: Mapping[str, object], listener: Listener) -> None:
        """Tell it to play; *listener* gets what it says. Raises KitFaultError when it is gone."""
        self._reader = gevent.spawn(self._listen, listener)
        self._say({"begin": asked})

    def lend(self, first: int | None) -> None:
        """Give it the next visits to play, or None. One that has ended, or is ending, takes no more."""
        if not self._closed and not self._over:
            self._say({"lend": first})

    def limit(self, places: int) -> None:
        """Let it have at most so many visits under way at the same time from now on."""
        if not self._closed and not self._over:
            self._say({"places": places})

    def end(self) -> None:
        """Tell it to stop, and wait until it has told everything and ended. May be called again."""
        if self._closed:
            return
        self._closed = True
        if not self._over:
            self._say({"stop": True})
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
                self._over = True
            listener(message)
        if not self._over:
            self._over = True
            code = self._process.wait()
            told = f"ended unasked ({_ending(code)})"
            listener({"error": told, "unasked": True, "exit_code": KitFaultError.exit_code})

    def _lines(self) -> Iterator[bytes]:
        """Yield the lines that the sender writes, as they come.

        Iterating over a pipe without a buffer reads byte by byte: the long report after a stall would take minutes.
        """
        held = b""
        while data := self._process.stdout.read(_CHUNK):
            *lines, held = (held + data).split(b"\n")
            yield from lines

    def _say(self, message: Mapping[str, object]) -> None:
        try:
            self._process.stdin.write(orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE))
        except (BrokenPipeError, ValueError):
            # What it had to say about that comes on its output.
            self._over = True
