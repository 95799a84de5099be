"""Operator of the testbed: breaks and repairs MPIC, and clears the wiki's cache of MPIC's configs."""

import asyncio
from collections.abc import Sequence

import httpx

from common.egress import AGENT, LOOPBACK
from common.errors import KitFaultError
from common.http import open_async_client, open_client
from dogfood.testbed_control.services import Testbed

_HEADERS = {"X-Requested-With": "dogfood"}


def forget_configs(testbed: Testbed, wiki: str) -> bool:
    """Clear the config cache of the wiki at the address *wiki*; return False when it is not the testbed's.

    Raises:
        KitFaultError: the testbed's wiki failed to clear it.
    """
    if wiki != testbed.url("wiki"):
        return False
    try:
        with open_client(LOOPBACK, timeout_s=30.0) as client:
            response = client.post(f"{wiki}/testbed/forget-configs", headers=_HEADERS)
        response.raise_for_status()
    except httpx.HTTPError as error:
        raise KitFaultError(f"the testbed's wiki did not clear its config cache: {error}") from error
    return True


class TestbedOperator:
    """Acts on the services of *testbed*.

    Args:
        testbed: testbed with the MPIC.
        wiki: address of the wiki under test, which may differ from the testbed's.
    """

    def __init__(self, testbed: Testbed, wiki: str) -> None:
        self._testbed = testbed
        self._wiki = wiki
        self._port: int | None = None

    async def forget_configs(self) -> bool:
        """Clear the wiki's config cache; return False when it is not the testbed's wiki."""
        return await asyncio.to_thread(forget_configs, self._testbed, self._wiki)

    async def fetched(self, path: str, how: str) -> int:
        """Return how often clients other than the kit fetched the list at *path* during the misbehaviour *how*."""
        content = await self._request("GET", "fetches")
        rows = content["fetches"] if isinstance(content["fetches"], list) else []
        # Requests of the kit are not fetches of the wiki.
        of_wiki = (
            row for row in rows if (row["path"], row["as"]) == (path, fault) and not row["agent"].startswith(AGENT)
        )
        return sum(int(row["count"]) for row in of_wiki)

    async def misbehaviours(self) -> Sequence[str]:
        """Return the names of the misbehaviours of MPIC's API."""
        content = await self._request("GET", "misbehaviour")
        return [str(name) for name in content["known"]] if isinstance(content["known"], list) else []

    async def misbehave(self, how: str) -> None:
        """Switch on the misbehaviour *how* of MPIC's API; an empty name switches it off."""
        await self._request("PUT", "misbehaviour", {"as": how})

    async def stop_mpic(self) -> None:
        """Stop MPIC, so that connections are refused."""
        self._port = next(state.port for state in self._testbed.status() if state.name == "mpic")
        await asyncio.to_thread(self._testbed.down, ("mpic",))

    async def start_mpic(self) -> None:
        """Start MPIC again, on the same port."""
        ports = {"mpic": self._port} if self._port else {}
        await asyncio.to_thread(self._testbed.up, ports, ("mpic",))

    async def _request(self, method: str, path: str, body: dict[str, str] | None = None) -> dict[str, object]:
        address = self._testbed.url("mpic")
        try:
            async with open_async_client(LOOPBACK) as client:
                response = await client.request(method, f"{address}/testbed/{path}", json=body, headers=_HEADERS)
            response.raise_for_status()
            content: dict[str, object] = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise KitFaultError(f"the testbed's MPIC did not switch its misbehaviour: {error}") from error
        return content
