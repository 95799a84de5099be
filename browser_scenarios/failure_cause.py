"""Attributes a failed scenario to the kit and its machine, or to the platform.

A missing response proves nothing about the platform. A response with the wrong status or page is a finding.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any

import httpx
from playwright.async_api import Error as PlaywrightError

from browser_scenarios.chromium import BrowserError
from common.errors import KitFaultError

#: Lowest status of a response that is the wiki's fault.
SERVER_ERROR = 500


class NoAccountError(BrowserError):
    """All accounts in the group that a scenario needs are used."""


def is_stall(error: BaseException) -> bool:
    """Return whether *error* may be temporary: the browser or the connection to the wiki stalled."""
    return isinstance(error, PlaywrightError | TimeoutError | httpx.TransportError | KitFaultError)


def layer_of(error: BaseException, answers: list[str]) -> str:
    """Return the layer at fault when *error* ended a scenario; *answers* are the wiki's error responses."""
    is_own = is_stall(error) or isinstance(error, NoAccountError)
    return "generator" if is_own and not answers else "exposure"


def failure_summary(error: BaseException, answers: list[str]) -> str:
    """Return one sentence on *error* and the wiki's first error response in *answers*."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    kind = "the browser could not go on" if isinstance(error, PlaywrightError) else "the scenario could not go on"
    return f"{kind}: {lines[0]}{f' (the wiki answered {answers[0]})' if answers else ''}"


async def with_timeout(answer: Awaitable[Any], within_s: float) -> Any:  # noqa: ANN401 (JavaScript's values are anything)
    """Return the result of a call that has no time limit. Raises TimeoutError."""
    try:
        return await asyncio.wait_for(asyncio.ensure_future(answer), within_s)
    except TimeoutError:
        raise TimeoutError(f"the page did not respond within {within_s:g} s") from None
