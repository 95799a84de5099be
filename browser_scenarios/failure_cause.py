"""Whose trouble it is when a scenario cannot go on: the kit's and its machine's, or the platform's.

What did not answer in time says nothing of the platform. What did answer, with another status or another page than it
should, is a finding.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any

import httpx
from playwright.async_api import Error as PlaywrightError

from browser_scenarios.chromium import BrowserError
from common.errors import KitFaultError

#: The wiki's answers from this status on are its own faults.
SERVER_ERROR = 500


class NoAccountError(BrowserError):
    """No unused account has the group that a scenario needs."""


def is_stall(error: BaseException) -> bool:
    """Return whether *error* may go away by itself: the browser, or the way to the wiki, did not get on."""
    return isinstance(error, PlaywrightError | TimeoutError | httpx.TransportError | KitFaultError)


def layer_of(error: BaseException, answers: list[str]) -> str:
    """Return the layer of a scenario that *error* ended, where the wiki gave the wrong *answers* meanwhile."""
    own = is_stall(error) or isinstance(error, NoAccountError)
    return "generator" if own and not answers else "exposure"


def told_of(error: BaseException, answers: list[str]) -> str:
    """Return one sentence on what *error* says, and on the wiki's wrong *answers*."""
    said = str(error).strip().splitlines() or [type(error).__name__]
    kind = "the browser could not go on" if isinstance(error, PlaywrightError) else "it could not go on"
    return f"{kind}: {said[0]}{f' (the wiki answered {answers[0]})' if answers else ''}"


async def in_time(answer: Awaitable[Any], within_s: float) -> Any:  # noqa: ANN401 (JavaScript's values are anything)
    """Return what a page answers to a question that has no time limit itself. Raises TimeoutError."""
    try:
        return await asyncio.wait_for(asyncio.ensure_future(answer), within_s)
    except TimeoutError:
        raise TimeoutError(f"the page did not answer within {within_s:g} s") from None
