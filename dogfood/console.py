"""The terminal: one way for outside text onto it, and output that no character and no closed pipe can end.

Titles, names, paths, reasons and answers come from outside. They are data: square brackets in them are not markup,
and control characters in them (escape sequences, NUL, bidirectional overrides) are shown as visible characters.
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

#: A line that somebody else has written is one line; the kit's own text may have several.
_OWN = frozenset("\n\t")

#: Categories of characters that change what a terminal does, or the order in which it shows what follows.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

#: Joiners, which words of several scripts need.
_JOINERS = frozenset("\u200c\u200d")


def visible(text: object, *, keep: Iterable[str] = ()) -> str:
    """Return *text* with every control character replaced by one that can be seen, except those in *keep*."""
    shown = str(text)
    return shown if shown.isprintable() else "".join(_visible(char, frozenset(keep)) for char in shown)


def outside(text: object, style: str = "") -> Text:
    """Return *text*, which somebody else has written, as one line for the terminal."""
    return Text(visible(text), style=style)


def say(text: str, *, err: bool = False) -> None:
    """Print lines that may contain outside text."""
    click.echo(visible(text, keep=_OWN), err=err)


def _visible(char: str, keep: frozenset[str]) -> str:
    if char in keep or char in _JOINERS or unicodedata.category(char) not in _HIDDEN:
        return char
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"


class DataConsole(Console):
    """A console that takes strings for data: no markup, no emoji codes, and control characters are visible."""

    def render_str(self, text: str, **options: object) -> Text:
        """Return *text* as it is, without markup."""
        options |= {"markup": False, "emoji": False}
        return super().render_str(visible(text, keep=_OWN), **options)  # type: ignore[arg-type]

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of *renderable*, in which a text has no hidden characters."""
        if isinstance(renderable, Text) and not renderable.plain.isprintable():
            renderable = renderable.copy()
            # Each is replaced by one character, so that styles stay where they are.
            renderable.plain = visible(renderable.plain, keep=_OWN)
        return super().render(renderable, options)


def new_console(*, stderr: bool = False, file: IO[str] | None = None, width: int | None = None) -> Console:
    """Return a console for people, on standard output unless told otherwise."""
    return DataConsole(stderr=stderr, file=file, width=width, markup=False, emoji=False, highlight=False)


class _Pipe(io.FileIO):
    """A descriptor whose reader may leave: what is written afterwards is dropped."""

    left = False

    def write(self, data: object, /) -> int:
        """Write *data*, or drop it when nobody reads it any more."""
        if not self.left:
            try:
                return super().write(data)  # type: ignore[arg-type]
            except OSError as error:
                if error.errno not in (errno.EPIPE, errno.ESHUTDOWN):
                    raise
                self.left = True
        return len(memoryview(data).cast("B"))  # type: ignore[arg-type]


def protect_output() -> None:
    """Let standard output and error accept every character, and outlive their reader.

    A character that the terminal's encoding lacks is written as an escape. A closed pipe is no error: the exit code is
    still the verdict's.
    """
    sys.stdout, sys.stderr = _protected(sys.stdout, 1), _protected(sys.stderr, 2)


def reader_left() -> bool:
    """Return whether a write has met a closed standard output, so that a command without an end can end."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return isinstance(raw, _Pipe) and raw.left


def _protected(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is None:
        # Closed before the program began.
        return open(os.devnull, "w", encoding="utf-8", errors="replace")  # noqa: PTH123 (until the end)
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
