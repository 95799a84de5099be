"""Signals that end a command: SIGTERM and SIGHUP do what Ctrl-C does, so that one place cleans up."""

import signal
from types import FrameType


def treat_as_interrupts() -> None:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt, unless they are ignored (nohup)."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(_: int, __: FrameType | None) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As a shell starts what runs in the background.
        raise KeyboardInterrupt
    # asyncio handles SIGINT itself, and ends its tasks first.
    signal.raise_signal(signal.SIGINT)
