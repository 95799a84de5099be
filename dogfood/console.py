"""Safe output: external text cannot control the terminal, and neither encodings nor closed pipes end a command.

Titles, names, paths, reasons and responses are external data. Square brackets in them are not markup, and control
characters (escape sequences, NUL, bidirectional overrides) are shown as visible characters.
"""

import errno
import io
import os
import sys
import unicodedata
from collections.abc import Iterable
from typing import IO, TextIO

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

#: Control characters that the kit's text may contain; external text is always one line.
_OWN = frozenset("\n\t")

#: Unicode categories of characters that control a terminal or reorder the text after them.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

#: Joiners, which several scripts need within words.
_JOINERS = frozenset("\u200c\u200d")


def visible(text: object, *, keep: Iterable[str] = ()) -> str:
    """Return *text* with every control character replaced by a visible one, except those in *keep*."""
    shown = str(text)
    return shown if shown.isprintable() else "".join(_visible(char, frozenset(keep)) for char in shown)


def outside(text: object, style: str = "") -> Text:
    """Return external *text* as one line for the terminal."""
    return Text(visible(text), style=style)


def say(text: str, *, err: bool = False) -> None:
    """Print lines that may contain external text."""
    click.echo(visible(text, keep=_OWN), err=err)


def _visible(char: str, keep: frozenset[str]) -> str:
    if char in keep or char in _JOINERS or unicodedata.category(char) not in _HIDDEN:
        return char
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"


class DataConsole(Console):
    """A console that prints strings as data: no markup, no emoji codes, visible control characters."""

    def render_str(self, text: str, **options: object) -> Text:
        """Return *text* without interpreting markup."""
        options |= {"markup": False, "emoji": False}
        return super().render_str(visible(text, keep=_OWN), **options)  # type: ignore[arg-type]

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of *renderable*, with visible control characters."""
        if isinstance(renderable, Text) and not renderable.plain.isprintable():
            renderable = renderable.copy()
            # One character replaces one, so that styles keep their positions.
            renderable.plain = visible(renderable.plain, keep=_OWN)
        return super().render(renderable, options)


def new_console(*, stderr: bool = False, file: IO[str] | None = None, width: int | None = None) -> Console:
    """Return a console for people, on standard output by default."""
    return DataConsole(stderr=stderr, file=file, width=width, markup=False, emoji=False, highlight=False)


class _Pipe(io.FileIO):
    """A file descriptor that drops output after its reader closed the pipe."""

    reader_left = False

    def write(self, data: object, /) -> int:
        """Write *data*, or drop it when the pipe is closed."""
        if not self.reader_left:
            try:
                return super().write(data)  # type: ignore[arg-type]
            except OSError as error:
                if error.errno not in (errno.EPIPE, errno.ESHUTDOWN):
                    raise
                self.reader_left = True
        return len(memoryview(data).cast("B"))  # type: ignore[arg-type]


def protect_output() -> None:
    """Make standard output and error accept every character and survive a closed pipe.

    A character that the encoding lacks is written as an escape. A closed pipe does not change the exit code.
    """
    sys.stdout, sys.stderr = _protected(sys.stdout, 1), _protected(sys.stderr, 2)


def reader_left() -> bool:
    """Return whether standard output was closed by its reader, so that an endless command can end."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return isinstance(raw, _Pipe) and raw.reader_left


def _protected(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is None:
        # Standard output was closed before the program started.
        return open(os.devnull, "w", encoding="utf-8", errors="replace")  # noqa: PTH123 (open until exit)
    try:
        stream.flush()
        raw = _Pipe(descriptor, "wb", closefd=False)
    except (OSError, ValueError):
        return stream
    terminal = os.isatty(descriptor)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=stream.encoding, errors="backslashreplace", newline=None,
        line_buffering=terminal or descriptor == 2,
    )  # fmt: skip
