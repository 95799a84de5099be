"""The testbed's operator: breaks MPIC and mends it, and lets the wiki forget what it has from MPIC."""

import asyncio
from collections.abc import Sequence

import httpx

from common.egress import AGENT, LOOPBACK
from common.errors import KitFaultError
from common.http import open_async_client, open_client
from dogfood.testbed_control.services import Testbed

_HEADERS = {"X-Requested-With": "dogfood"}


def forget_configs(testbed: Testbed, wiki: str) -> bool:
    """Let the wiki at the address *wiki* forget what it has from MPIC; return False when it is not the testbed's.

    Raises:
        KitFaultError: it is, and does not do so.
    """
    if wiki != testbed.url("wiki"):
        return False
    try:
        with open_client(LOOPBACK, timeout_s=30.0) as client:
            answer = client.post(f"{wiki}/testbed/forget-configs", headers=_HEADERS)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise KitFaultError(f"the testbed's wiki cannot be made to forget its configs: {error}") from error
    return True


class TestbedOperator:
    """Acts on the services of *testbed*.

    Args:
        testbed: whose MPIC is broken and mended.
        wiki: address of the wiki under test, which may be another than the testbed's.
    """

    def __init__(self, testbed: Testbed, wiki: str) -> None:
        self._testbed = testbed
        self._wiki = wiki
        self._port: int | None = None

    async def forget_configs(self) -> bool:
        """Let the wiki forget what it has from MPIC; return False when it is not the testbed's wiki."""
        return await asyncio.to_thread(forget_configs, self._testbed, self._wiki)

    async def fetch_count(self, path: str, fault: str) -> int:
        """Return how often anybody but the kit has asked MPIC for the list at *path* while it misbehaved as *how*."""
        told = await self._ask("GET", "fetches")
        rows = told["fetches"] if isinstance(told["fetches"], list) else []
        # The kit's own requests are not fetches of the wiki.
        of_wiki = (
            row for row in rows if (row["path"], row["as"]) == (path, fault) and not row["agent"].startswith(AGENT)
        )
        return sum(int(row["count"]) for row in of_wiki)

    async def api_faults(self) -> Sequence[str]:
        """Return the ways in which MPIC's API can misbehave."""
        known = await self._ask("GET", "misbehaviour")
        return [str(name) for name in known["known"]] if isinstance(known["known"], list) else []

    async def set_api_fault(self, fault: str) -> None:
        """Let MPIC's API misbehave from now on; with '' it behaves again."""
        await self._ask("PUT", "misbehaviour", {"as": fault})

    async def stop_mpic(self) -> None:
        """Stop MPIC, so that connections are refused."""
        self._port = next(state.port for state in self._testbed.status() if state.name == "mpic")
        await asyncio.to_thread(self._testbed.down, ("mpic",))

    async def start_mpic(self) -> None:
        """Start MPIC again, where it was."""
        ports = {"mpic": self._port} if self._port else {}
        await asyncio.to_thread(self._testbed.up, ports, ("mpic",))

    async def _ask(self, method: str, what: str, content: dict[str, str] | None = None) -> dict[str, object]:
        address = self._testbed.url("mpic")
        try:
            async with open_async_client(LOOPBACK) as client:
                answer = await client.request(method, f"{address}/testbed/{what}", json=content, headers=_HEADERS)
            answer.raise_for_status()
            told: dict[str, object] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise KitFaultError(f"the testbed's MPIC cannot be told to misbehave: {error}") from error
        return told
